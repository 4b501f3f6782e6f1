/** A streamed upload: backpressure to the client, a look now and then whether it is still there, and exact counting. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { BOUNDS } from '../../../src/core/bounds.js';
import { ByteBudget } from '../../../src/inspect/budget.js';
import { Upload } from '../../../src/inspect/upload.js';
import { pause } from '../../helpers/changes.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { FakeDownstream } from '../../helpers/stage-fakes.js';

const KB = 1024;
const PIECE = 64 * KB;

class Scene {
  readonly clock: FakeClock;
  readonly downstream = new FakeDownstream();
  readonly budget: ByteBudget;
  readonly upload: Upload;
  heldBytes = 0;

  constructor(context: TestContext, budgetBytes = 100 * KB * KB) {
    this.clock = new FakeClock(context);
    this.budget = new ByteBudget(budgetBytes, (heldBytes) => {
      this.heldBytes = heldBytes;
    });
    this.upload = new Upload(this.downstream.asDownstream, this.budget);
  }

  give(pieces: number, fill = 'x'): void {
    for (let i = 0; i < pieces; i += 1) this.upload.takeIn(Buffer.alloc(PIECE, fill), false);
  }
}

test('a client is paused once the provider is behind, and read again when it has caught up', async (t) => {
  const scene = new Scene(t);
  const { downstream, upload } = scene;
  scene.give(3);
  assert.deepEqual(downstream.reads, []);
  scene.give(1);
  assert.deepEqual(downstream.reads, ['pause'], '256 KB are waiting');
  assert.equal(scene.heldBytes, 4 * PIECE);
  while (upload.read() !== null) await pause(0);
  assert.equal(downstream.reads.at(-1), 'resume');
  assert.equal(scene.heldBytes, 0);
  assert.equal(scene.clock.intervalCount, 0, 'nothing looks any more');
});

test('while it is paused a little more is read once a tick, up to a bound', (t) => {
  const scene = new Scene(t);
  const { downstream, clock } = scene;
  scene.give(4);
  clock.advance(BOUNDS.timerTickMs);
  assert.deepEqual(downstream.reads, ['pause', 'resume']);
  scene.give(1);
  assert.deepEqual(downstream.reads, ['pause', 'resume', 'pause']);
  assert.equal(clock.intervalCount, 1, 'one look at a time');
  scene.give(BOUNDS.uploadProbedBytesMax / PIECE - 5);
  const { length } = downstream.reads;
  clock.advance(BOUNDS.timerTickMs * 5);
  assert.equal(downstream.reads.length, length, 'enough is held');
  scene.upload.destroy();
});

test('nothing is read on trial when all uploads together hold too much', (t) => {
  const readBytes = 512 * KB;
  const scene = new Scene(t, 4 * PIECE + readBytes);
  scene.give(4);
  scene.budget.hold(1);
  scene.clock.advance(BOUNDS.timerTickMs * 3);
  assert.deepEqual(scene.downstream.reads, ['pause']);
  scene.budget.release(1);
  scene.clock.advance(BOUNDS.timerTickMs);
  assert.deepEqual(scene.downstream.reads, ['pause', 'resume']);
  scene.upload.destroy();
});

test('a client that is read on in spite of the pause can’t outgrow what all uploads may hold', (t) => {
  const scene = new Scene(t, 8 * PIECE);
  scene.give(8);
  assert.throws(() => scene.give(1), { code: 'overloaded' });
  assert.equal(scene.heldBytes, 8 * PIECE);
  scene.upload.destroy();
});

test('the bytes arrive in order, and the end after them', async (t) => {
  const scene = new Scene(t);
  scene.upload.takeIn(Buffer.from('one '), false);
  scene.upload.takeIn(Buffer.alloc(0), false);
  scene.upload.takeIn(Buffer.from('two'), true);
  scene.upload.takeIn(Buffer.from('after the end'), true);
  let text = '';
  for await (const chunk of scene.upload) text += String(chunk);
  assert.equal(text, 'one two');
  assert.equal(scene.heldBytes, 0);
});

test('the last piece does not pause, however large', (t) => {
  const scene = new Scene(t);
  scene.upload.takeIn(Buffer.alloc(KB * KB), true);
  assert.deepEqual(scene.downstream.reads, []);
  assert.equal(scene.clock.intervalCount, 0);
  scene.upload.destroy();
});

test('an upload that is given up gives back what it held, and lets the client go on', async (t) => {
  const scene = new Scene(t);
  scene.give(6);
  assert.equal(scene.heldBytes, 6 * PIECE);
  scene.upload.destroy();
  await pause(0);
  assert.equal(scene.heldBytes, 0);
  assert.equal(scene.downstream.reads.at(-1), 'resume', 'what still comes is thrown away');
  assert.equal(scene.clock.intervalCount, 0);
  scene.give(6);
  assert.equal(scene.heldBytes, 0);
});

test('what goes straight through is counted no longer than a turn', async (t) => {
  const scene = new Scene(t);
  let taken = 0;
  scene.upload.on('data', (chunk: Buffer) => {
    taken += chunk.length;
  });
  await pause(0);
  for (let i = 0; i < 20; i += 1) {
    scene.give(1);
    await pause(0);
    assert.equal(scene.heldBytes, 0, `after piece ${i}`);
  }
  assert.equal(taken, 20 * PIECE);
  assert.deepEqual(scene.downstream.reads, []);
  scene.upload.destroy();
});

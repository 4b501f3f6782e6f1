/** What Weir is said to have added, by a clock that is made up: neither a provider's silence nor waiting for it is in it. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { FakeClock } from '../../helpers/fake-clock.js';
import { Scene } from '../../helpers/relay-scene.js';

const CHUNK = Buffer.from('data: 1\n\n');

/** One that was ready at 990, and written at 1000 after 6 ms of waiting. */
function begin(t: TestContext) {
  const clock = new FakeClock(t);
  const scene = new Scene().begin();
  scene.exchange.readyMs = clock.nowMs - 10;
  scene.relay.onUpstreamSent(clock.nowMs, 6);
  return { clock, scene };
}

test('a head that comes long before its body is not Weir’s doing', (t) => {
  const { clock, scene } = begin(t);
  clock.nowMs += 500;
  scene.head();
  clock.nowMs += 2000;
  scene.relay.onUpstreamData(CHUNK);
  scene.relay.onUpstreamTurn(clock.nowMs - 1);
  const { exchange } = scene;
  assert.deepEqual([exchange.addedBeforeMs, exchange.addedAfterMs, exchange.addedMs], [4, 1, 11]);
  clock.nowMs += 700;
  scene.read('data: 2\n\n').end();
  assert.deepEqual([exchange.addedAfterMs, exchange.addedMs], [1, 11], 'the beginning alone');
  assert.match(scene.downstream.lines, /server-timing: weir;dur=11\.000\r\n/);
});

test('an answer that is there whole began with the read that ended it', (t) => {
  const { clock, scene } = begin(t);
  scene.head({ isEventStream: false, contentLength: 9 });
  clock.nowMs += 40;
  scene.relay.onUpstreamData(CHUNK);
  scene.relay.onUpstreamEnd(clock.nowMs - 2);
  assert.deepEqual([scene.exchange.answerReadMs, scene.exchange.addedAfterMs], [1038, 2]);
});

test('a comment of Weir’s own that begins a stream, and an error in place of one, add nothing after', (t) => {
  const commented = begin(t);
  commented.scene.head();
  commented.clock.nowMs += 3000;
  commented.scene.relay.onSilence(Buffer.from(': keep-alive\n\n'));
  assert.equal(commented.scene.downstream.status, '200 OK');
  const refused = begin(t);
  refused.scene.head();
  refused.clock.nowMs += 3000;
  refused.scene.fail();
  for (const { exchange } of [commented.scene, refused.scene]) {
    assert.ok(exchange.firstByteMs > 0);
    assert.deepEqual([exchange.answerReadMs, exchange.addedAfterMs, exchange.addedMs], [0, 0, 10]);
  }
});

/** Places that bodies are kept in until they are answered. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BOUNDS } from '../../../src/core/bounds.js';
import { ByteBudget } from '../../../src/inspect/budget.js';
import { KeptBodies, type KeptBody } from '../../../src/inspect/kept-bodies.js';
import { canSendAgain } from '../../../src/upstream/repeatable.js';
import { createExchange } from '../../helpers/stage-fakes.js';

const KB = 1024;

function createBodies(bytesMax: number): { bodies: KeptBodies; held: () => number } {
  let heldBytes = 0;
  const budget = new ByteBudget(bytesMax, (bytes) => {
    heldBytes = bytes;
  });
  return { bodies: new KeptBodies(budget), held: () => heldBytes };
}

function keep(bodies: KeptBodies, bytes: Buffer): KeptBody | null {
  const kept = bodies.reserve(bytes.length);
  kept?.fill(bytes);
  return kept;
}

test('a copy outlives what it was made of, whatever its size, and has room before it', () => {
  const { bodies, held } = createBodies(1024 * KB);
  for (const size of [1, 7 * KB, 7 * KB + 1, 63 * KB, 63 * KB + 1, 200 * KB]) {
    const body = Buffer.alloc(size, 'abc');
    const expected = Buffer.from(body);
    const kept = bodies.reserve(size) as KeptBody;
    const copy = kept.fill(body);
    body.fill(0);
    kept.buffer.fill('h', kept.from, kept.start);
    assert.ok(expected.equals(copy));
    assert.ok(kept.start - kept.from >= KB);
    assert.ok(kept.end <= kept.from + kept.bytes);
    assert.ok(held() >= size);
    kept.release();
    assert.equal(held(), 0);
  }
});

test('memory is used again, and what is in use is not', () => {
  const { bodies } = createBodies(1024 * KB);
  const first = keep(bodies, Buffer.from('one')) as KeptBody;
  const second = keep(bodies, Buffer.from('two')) as KeptBody;
  assert.notEqual(first, second);
  first.release();
  assert.equal(keep(bodies, Buffer.from('three')), first);
  assert.equal(second.buffer.toString('latin1', second.start, second.end), 'two');
});

test('memory that a socket still reads from is nobody else’s until it has', () => {
  const { bodies, held } = createBodies(1024 * KB);
  const first = keep(bodies, Buffer.from('one')) as KeptBody;
  first.isPending = true;
  first.release();
  assert.ok(held() > 0);
  const second = keep(bodies, Buffer.from('two')) as KeptBody;
  assert.notEqual(second, first);
  second.isPending = true;
  second.noteRead();
  assert.notEqual(
    keep(bodies, Buffer.from('other')),
    second,
    'who has read it need not be the last',
  );
  first.noteRead();
  assert.equal(first.isPending, false);
  assert.equal(keep(bodies, Buffer.from('three')), first, 'then it is used again');
});

test('after a burst no more memory is kept than the bound says, whoever ends first', () => {
  const most = BOUNDS.keptBodyBuffersMax;
  const { bodies } = createBodies(3 * most * 8 * KB);
  const burst = Array.from({ length: 2 * most }, () => keep(bodies, Buffer.from('x')) as KeptBody);
  for (const parity of [0, 1]) {
    burst.forEach((kept, at) => {
      if (at % 2 === parity) kept.release();
    });
  }
  const again = Array.from({ length: most }, () => keep(bodies, Buffer.from('x')) as KeptBody);
  const buffers = new Set(again.map(({ buffer }) => buffer));
  const bytes = [...buffers].reduce((sum, { length }) => sum + length, 0);
  assert.ok(bytes <= most * 8 * KB, `${bytes}`);
});

test('beyond the budget nothing is kept', () => {
  const { bodies } = createBodies(10 * KB);
  const body = Buffer.from('{}');
  const first = keep(bodies, body);
  assert.equal(keep(bodies, body), null);
  first?.release();
  assert.notEqual(keep(bodies, body), null);
});

test('a body that is lent is sent once', () => {
  const exchange = createExchange();
  exchange.model = 'm';
  const bytes = Buffer.from('{}');
  const whole = { place: null, upload: null, modelRange: null, isModelJson: true };
  for (const isBorrowed of [true, false]) {
    exchange.body = { ...whole, bytes, isBorrowed, totalBytes: bytes.length };
    assert.equal(canSendAgain(exchange, false, false), !isBorrowed);
  }
});

test('what might be done twice is not sent twice', () => {
  const call = createExchange();
  call.model = 'm';
  assert.equal(canSendAgain(call, true, true), true);
  const job = createExchange({ path: '/v1/fine_tuning/jobs' });
  job.model = 'm';
  for (const exchange of [job, createExchange({ path: '/v1/batches' })]) {
    assert.equal(canSendAgain(exchange, true, true), false);
    // It was refused, so nothing was done.
    assert.equal(canSendAgain(exchange, true, false), true);
  }
  const list = createExchange({ method: 'GET', path: '/v1/files' });
  assert.equal(canSendAgain(list, true, true), true);
});

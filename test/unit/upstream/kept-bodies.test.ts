/** Copies of bodies that may have to be sent again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteBudget } from '../../../src/inspect/budget.js';
import { KeptBodies, restoreBody } from '../../../src/upstream/kept-bodies.js';
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

test('a copy outlives what it was made of, whatever its size', () => {
  const { bodies, held } = createBodies(1024 * KB);
  for (const size of [1, 8 * KB, 8 * KB + 1, 64 * KB, 64 * KB + 1, 200 * KB]) {
    const body = Buffer.alloc(size, 'abc');
    const expected = Buffer.from(body);
    const kept = bodies.keep(body);
    body.fill(0);
    assert.ok(kept?.subarray(0, size).equals(expected));
    assert.ok(held() >= size);
    bodies.release(kept as Buffer);
    assert.equal(held(), 0);
  }
});

test('memory is used again, and what is in use is not', () => {
  const { bodies } = createBodies(1024 * KB);
  const first = bodies.keep(Buffer.from('one')) as Buffer;
  const second = bodies.keep(Buffer.from('two')) as Buffer;
  assert.notEqual(first, second);
  bodies.release(first);
  assert.equal(bodies.keep(Buffer.from('three')), first);
  assert.equal(second.toString('latin1', 0, 3), 'two');
});

test('beyond the budget nothing is kept, and the exchange can’t be tried again', () => {
  const { bodies } = createBodies(10 * KB);
  const body = Buffer.from('{}');
  const first = bodies.keep(body);
  assert.equal(bodies.keep(body), null);
  bodies.release(first as Buffer);
  assert.notEqual(bodies.keep(body), null);
});

test('the body is read from the copy, to its own length', () => {
  const { bodies } = createBodies(1024 * KB);
  const exchange = createExchange();
  const bytes = Buffer.from('{"a":1}');
  exchange.body = {
    bytes,
    isBorrowed: true,
    upload: null,
    totalBytes: bytes.length,
    modelRange: null,
    isModelJson: true,
  };
  const kept = bodies.keep(bytes) as Buffer;
  bytes.fill(0);
  restoreBody(exchange, kept);
  assert.equal(Buffer.from(exchange.body.bytes).toString(), '{"a":1}');
  assert.equal(exchange.body.isBorrowed, false);
});

test('what might be done twice is not sent twice', () => {
  const call = createExchange();
  call.model = 'm';
  assert.equal(canSendAgain(call, true, true, true), true);
  const job = createExchange({ path: '/v1/fine_tuning/jobs' });
  job.model = 'm';
  for (const exchange of [job, createExchange({ path: '/v1/batches' })]) {
    assert.equal(canSendAgain(exchange, true, true, true), false);
    // It was refused, so nothing was done.
    assert.equal(canSendAgain(exchange, true, false, true), true);
  }
  const list = createExchange({ method: 'GET', path: '/v1/files' });
  assert.equal(canSendAgain(list, true, true, true), true);
});

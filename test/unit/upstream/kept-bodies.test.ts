/** Copies of bodies that may have to be sent again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BOUNDS } from '../../../src/core/bounds.js';
import type { Exchange } from '../../../src/exchange.js';
import { ByteBudget } from '../../../src/inspect/budget.js';
import {
  fillKept,
  KeptBodies,
  type KeptBody,
  restoreBody,
} from '../../../src/upstream/kept-bodies.js';
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

function createBodyExchange(bytes: Buffer): Exchange {
  const exchange = createExchange();
  const totalBytes = bytes.length;
  const whole = { upload: null, modelRange: null, isModelJson: true };
  exchange.body = { ...whole, bytes, isBorrowed: true, totalBytes };
  return exchange;
}

function keep(bodies: KeptBodies, bytes: Buffer): KeptBody | null {
  const exchange = createBodyExchange(bytes);
  const kept = bodies.reserveFor(exchange);
  fillKept(kept, exchange);
  return kept;
}

test('a copy outlives what it was made of, whatever its size', () => {
  const { bodies, held } = createBodies(1024 * KB);
  for (const size of [1, 7 * KB, 7 * KB + 1, 63 * KB, 63 * KB + 1, 200 * KB]) {
    const body = Buffer.alloc(size, 'abc');
    const expected = Buffer.from(body);
    const exchange = createBodyExchange(body);
    const kept = bodies.reserveFor(exchange) as KeptBody;
    fillKept(kept, exchange);
    body.fill(0);
    restoreBody(exchange, kept);
    assert.ok(expected.equals(exchange.body?.bytes as Uint8Array));
    assert.equal(exchange.body?.isBorrowed, false);
    assert.ok(held() >= size);
    bodies.release(kept);
    assert.equal(held(), 0);
  }
});

test('memory is used again, and what is in use is not', () => {
  const { bodies } = createBodies(1024 * KB);
  const first = keep(bodies, Buffer.from('one')) as KeptBody;
  const second = keep(bodies, Buffer.from('two')) as KeptBody;
  assert.notEqual(first, second);
  bodies.release(first);
  assert.equal(keep(bodies, Buffer.from('three')), first);
  assert.equal(second.buffer.toString('latin1', second.start, second.end), 'two');
});

test('memory that a socket still reads from is nobody else’s until it has', () => {
  const { bodies, held } = createBodies(1024 * KB);
  const first = keep(bodies, Buffer.from('one')) as KeptBody;
  first.isPending = true;
  bodies.release(first);
  assert.equal(held(), 0);
  assert.notEqual(keep(bodies, Buffer.from('two')), first);
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
      if (at % 2 === parity) bodies.release(kept);
    });
  }
  const again = Array.from({ length: most }, () => keep(bodies, Buffer.from('x')) as KeptBody);
  const buffers = new Set(again.map(({ buffer }) => buffer));
  const bytes = [...buffers].reduce((sum, { length }) => sum + length, 0);
  assert.ok(bytes <= most * 8 * KB, `${bytes}`);
});

test('a body that was written to its place is not copied over it', () => {
  const { bodies } = createBodies(1024 * KB);
  const exchange = createBodyExchange(Buffer.from('{"a":1}'));
  const kept = bodies.reserveFor(exchange) as KeptBody;
  kept.start = kept.from + 5;
  kept.end = kept.from + 12;
  kept.buffer.write('HEAD {"a":1}', kept.from);
  fillKept(kept, exchange);
  restoreBody(exchange, kept);
  assert.equal(Buffer.from(exchange.body?.bytes as Uint8Array).toString(), '{"a":1}');
  assert.equal(kept.buffer.toString('latin1', kept.from, kept.from + 4), 'HEAD');
});

test('beyond the budget nothing is kept, and the exchange can’t be tried again', () => {
  const { bodies } = createBodies(10 * KB);
  const body = Buffer.from('{}');
  const first = keep(bodies, body);
  assert.equal(keep(bodies, body), null);
  bodies.release(first as KeptBody);
  assert.notEqual(keep(bodies, body), null);
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

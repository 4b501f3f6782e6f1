import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BOUNDS } from '../../../src/core/bounds.js';
import { GatewayError } from '../../../src/core/errors.js';
import type { Exchange } from '../../../src/exchange.js';
import { ExchangeTrail } from '../../../src/observe/exchange-trail.js';
import { createExchange } from '../../helpers/stage-fakes.js';

function offer(trail: ExchangeTrail, tookMs: number, set: Partial<Exchange> = {}): void {
  const exchange = Object.assign(createExchange({ path: '/v1/x' }), { status: 200 }, set);
  trail.offer(exchange, exchange.startedMs + tookMs);
}

test('the slowest are kept, whatever order they come in', () => {
  const trail = new ExchangeTrail();
  const times = Array.from({ length: 100 }, (_, index) => ((index * 37) % 100) + 1);
  for (const ms of times) offer(trail, ms);
  const kept = trail.take().slow.map(({ times: { ended } }) => Math.round(ended));
  const slowest = Array.from({ length: BOUNDS.trailSlowMax }, (_, index) => 100 - index);
  assert.deepEqual(
    kept.toSorted((a, b) => b - a),
    slowest,
  );
  offer(trail, 1);
  assert.equal(trail.take().slow.length, 1, 'after it was emptied everything is slow again');
});

test('of a storm of failures the first are kept', () => {
  const trail = new ExchangeTrail();
  const error = new GatewayError('upstream_reset', 'gone');
  for (let made = 0; made < 1000; made += 1) offer(trail, made, { error });
  const { failed, slow } = trail.take();
  assert.equal(failed.length, BOUNDS.trailFailedMax);
  assert.equal(Math.round(failed[0]?.times.ended ?? -1), 0);
  assert.deepEqual(slow, []);
});

test('a provider’s own error is a failure, a used-up limit is none', () => {
  const trail = new ExchangeTrail();
  offer(trail, 5, { status: 503 });
  offer(trail, 5, { status: 429, error: new GatewayError('rate_limit_exceeded', 'no') });
  const { failed, slow } = trail.take();
  assert.deepEqual(
    failed.map(({ status }) => status),
    [503],
  );
  assert.equal(failed[0]?.end, 'I-', 'nobody ended it');
  assert.deepEqual(slow, []);
});

test('what an exchange did not come to is told as such', () => {
  const trail = new ExchangeTrail();
  offer(trail, 5, { status: 401, error: new GatewayError('invalid_key', 'no') });
  const { ready, sent, head, firstByte } = trail.take().failed[0]?.times ?? {};
  assert.deepEqual([ready, sent, head, firstByte], [-1, -1, -1, -1]);
});

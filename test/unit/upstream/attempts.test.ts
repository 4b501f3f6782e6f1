/** Attempts between a relay and calls that are both made up: what can’t be timed on real sockets. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayError } from '../../../src/core/errors.js';
import type { Settled } from '../../../src/exchange.js';
import { AttemptStage as Stage } from '../../helpers/attempt-stage.js';

test('a head alone is nothing that the client has got: what breaks off then is replaced', (context) => {
  const stage = new Stage(context, ['p', 'q']).start();
  stage.call(0).head().fail();
  assert.equal(stage.call(1).provider, 'q');
  assert.equal(Buffer.from(stage.exchange.body?.bytes ?? []).toString(), '{"model":"m"}');
  stage.call(1).head().data('data: 1\n\n').end();
  assert.deepEqual(stage.told, ['head 200', 'data: 1\n\n', 'end']);
  assert.deepEqual(stage.outcomes, ['p:reset_after_head', 'q:ok']);
  assert.equal(stage.heldBytes, 0);
});

test('calls that fail while they are made, or can’t be made, lead to the next', (context) => {
  const stage = new Stage(context, ['dead', 'full', 'r']).start();
  assert.equal(stage.calls.at(-1)?.provider, 'r');
  stage.calls.at(-1)?.head().data('x').end();
  assert.deepEqual(stage.told, ['head 200', 'x', 'end']);
  assert.deepEqual(stage.outcomes, ['dead:reset_before_head', 'full:queue', 'r:ok']);
});

test('the last error goes to the caller when nobody is left', (context) => {
  const stage = new Stage(context, ['full', 'full']).start();
  assert.deepEqual(stage.told, ['queue_full']);
  assert.equal(stage.heldBytes, 0);
  assert.equal(stage.exchange.attempts?.length, 2);
});

test('a defect is not tried again', (context) => {
  const stage = new Stage(context, ['p', 'q']).start();
  stage.call(0).observer.onUpstreamFailure('defect');
  assert.deepEqual(stage.told, ['defect']);
  assert.equal(stage.calls.length, 1);
  assert.deepEqual(stage.outcomes, ['p:other']);
});

test('an exchange whose time is over says so of its attempt', (context) => {
  const stage = new Stage(context, ['p', 'q']).start();
  stage.exchange.error = new GatewayError('exchange_timeout', 'over');
  stage.cancel();
  assert.deepEqual(stage.outcomes, ['p:whole_timeout']);
});

test('an exchange that is given up takes both calls along, and nothing is made after it', (context) => {
  const stage = new Stage(context, ['p', 'q'], 100).start();
  stage.clock.advance(200);
  stage.cancel();
  assert.deepEqual([stage.call(0).isCancelled, stage.call(1).isCancelled], [true, true]);
  assert.deepEqual(stage.outcomes, ['p:aborted', 'q:aborted']);
  assert.equal(stage.heldBytes, 0);
  stage.clock.advance(1000);
  assert.equal(stage.calls.length, 2);
});

test('what came before the call that answers was waiting, and so was what that call waited for', (context) => {
  const stage = new Stage(context, ['p', 'q']).start();
  const begunMs = stage.clock.nowMs;
  stage.call(0).send(begunMs + 7, 5);
  assert.deepEqual(stage.sent, [[begunMs + 7, 5]]);
  stage.clock.nowMs += 300;
  stage.call(0).fail();
  stage
    .call(1)
    .send(begunMs + 304, 3)
    .head()
    .data('x')
    .end();
  assert.deepEqual(stage.sent.slice(1), [[begunMs + 304, 303]]);
});

test('of a hedge that answers it is the time until it was made', (context) => {
  const stage = new Stage(context, ['p', 'q'], 100).start();
  const begunMs = stage.clock.nowMs;
  stage.call(0).send(begunMs + 1, 0);
  stage.clock.advance(200);
  stage.call(1).send(stage.clock.nowMs, 4).head().data('data: token\n\n').end();
  const [, waitedMs] = stage.sent.at(-1) ?? [0, 0];
  assert.equal(stage.sent.length, 2);
  // The clock stood at a tick when the hedge was made.
  assert.ok(waitedMs >= 104 && waitedMs < 204, `${waitedMs}`);
});

test('a pace that targets are compared by is not measured, or one that nobody asks for is', (context) => {
  const answer = (balance: 'weighted' | 'least-latency'): number[] => {
    const stage = new Stage(context, ['p', 'q'], null, balance).start();
    stage.call(0).send(performance.now(), 0).head().data('x').end();
    return stage.paced;
  };
  assert.deepEqual(answer('least-latency'), [0]);
  assert.deepEqual(answer('weighted'), []);
});

test('a pace is by what was used, which is known when all is over; a failed stream has none', (context) => {
  const usage = { inputTokens: 1, outputTokens: 50, cachedInputTokens: 0, reasoningTokens: 0 };
  const used = { usage, costNanoDollars: 0, isPriced: false, isEstimated: false } as Settled;
  for (const hedgeMs of [null, 60_000]) {
    const stage = new Stage(context, ['p', 'q'], hedgeMs, 'least-latency').start();
    stage.used = used;
    stage.call(0).send(performance.now(), 0).head().data('token');
    const fromMs = performance.now();
    stage.clock.advance(500);
    const seconds = (performance.now() - fromMs) / 1000;
    stage.call(0).end();
    assert.deepEqual(stage.paced, [0]);
    assert.equal(stage.paces[0], 50 / seconds, `hedge ${hedgeMs}`);
    const failed = new Stage(context, ['dead', 'p'], hedgeMs, 'least-latency').start();
    failed.call(1).send(performance.now(), 0).head().data('token').fail();
    assert.deepEqual(failed.paced, []);
  }
});

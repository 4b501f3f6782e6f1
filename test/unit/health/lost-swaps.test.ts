/** Two threads at the same target at the same moment: the other one acts just before the first one's swap. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { BOUNDS } from '../../../src/core/bounds.js';
import { CLOSED, HALF_OPEN, OPEN } from '../../../src/health/breaker.js';
import { EPOCH_MS, failTimes, openHealth } from '../../helpers/health-tables.js';

const T = EPOCH_MS + 100_000;

/** Runs `act` before the n-th swap from now on, from 1. */
function interfere(
  context: TestContext,
  swap: number,
  act: () => void,
): { readonly done: boolean } {
  const state = { done: false };
  let swaps = 0;
  const original = Atomics.compareExchange as (...args: unknown[]) => unknown;
  const swapLate = (...args: unknown[]): unknown => {
    swaps += 1;
    if (swaps === swap && !state.done) {
      state.done = true;
      act();
    }
    return original(...args);
  };
  context.mock.method(Atomics, 'compareExchange', swapLate as typeof Atomics.compareExchange);
  return state;
}

test('of two that take the trial at once one has it', (context) => {
  const { tables } = openHealth();
  const [one, other] = tables;
  failTimes(one!, 0, 3, T);
  let hasOther = false;
  const race = interfere(context, 1, () => {
    hasOther = other!.noteAttempt(0, T + 1000);
  });
  assert.equal(one!.noteAttempt(0, T + 1000), false);
  assert.ok(race.done && hasOther);
  // The one that came second has no say.
  one!.noteSuccess(0, T + 1001);
  assert.equal(one!.peek(0).state, HALF_OPEN);
});

test('of two trials that end at once, one well and one failed, the first decides', (context) => {
  const { tables } = openHealth();
  const [slow, next] = tables;
  failTimes(slow!, 0, 3, T);
  slow!.noteAttempt(0, T + 1000);
  const lateMs = T + 1000 + BOUNDS.trialMs;
  next!.noteAttempt(0, lateMs);
  const race = interfere(context, 1, () => next!.noteFailure(0, lateMs));
  slow!.noteSuccess(0, lateMs);
  assert.ok(race.done);
  assert.equal(slow!.peek(0).state, OPEN);
  assert.equal(slow!.places.count(0), 1);
});

test('a failed trial does not open what another has just closed', (context) => {
  const { tables } = openHealth();
  const [slow, next] = tables;
  failTimes(slow!, 0, 3, T);
  slow!.noteAttempt(0, T + 1000);
  const lateMs = T + 1000 + BOUNDS.trialMs;
  next!.noteAttempt(0, lateMs);
  const race = interfere(context, 1, () => next!.noteSuccess(0, lateMs));
  slow!.noteFailure(0, lateMs);
  assert.ok(race.done);
  assert.equal(slow!.peek(0).state, CLOSED);
  assert.equal(slow!.places.count(0), 0);
});

test('a target that two eject at once is ejected once', (context) => {
  const { tables } = openHealth({ models: { m: ['a', 'b', 'c', 'd'] } });
  const [one, other] = tables;
  failTimes(one!, 0, 2, T);
  // The first swap takes the place, the second ejects.
  const race = interfere(context, 2, () => other!.noteFailure(0, T));
  one!.noteFailure(0, T);
  assert.ok(race.done);
  assert.equal(one!.ejectionsTotal(0), 1);
  assert.equal(one!.peek(0).ejections, 1);
  assert.equal(one!.places.count(0), 1);
});

test('a verdict from before an ejection that is over by then ejects nobody', (context) => {
  const { tables } = openHealth({ models: { m: ['a', 'b', 'c', 'd'] } });
  const [one, other] = tables;
  failTimes(one!, 0, 2, T);
  const race = interfere(context, 2, () => {
    other!.noteFailure(0, T);
    other!.noteAttempt(0, T + 1000);
    other!.noteSuccess(0, T + 1000);
  });
  one!.noteFailure(0, T);
  assert.ok(race.done);
  assert.equal(one!.peek(0).state, CLOSED);
  assert.equal(one!.ejectionsTotal(0), 1);
  assert.equal(one!.places.count(0), 0);
});

test('two targets ejected at once do not both get the last place', (context) => {
  const { tables } = openHealth();
  const [one, other] = tables;
  failTimes(one!, 0, 2, T);
  failTimes(one!, 1, 2, T);
  const race = interfere(context, 1, () => other!.noteFailure(1, T));
  one!.noteFailure(0, T);
  assert.ok(race.done);
  assert.deepEqual([one!.peek(0).state, one!.peek(1).state], [CLOSED, OPEN]);
  assert.equal(one!.places.count(0), 1);
});

test('an operator’s drain and an ejection at once are both there afterwards', (context) => {
  const { tables } = openHealth();
  const [one, other] = tables;
  failTimes(one!, 0, 2, T);
  const race = interfere(context, 2, () => other!.setDrained(0, true));
  one!.noteFailure(0, T);
  assert.ok(race.done);
  const { state, isDrained } = one!.peek(0);
  assert.deepEqual([state, isDrained], [OPEN, true]);
});

test('a trial given back while another takes it is the other’s', (context) => {
  const { tables } = openHealth();
  const [slow, next] = tables;
  failTimes(slow!, 0, 3, T);
  slow!.noteAttempt(0, T + 1000);
  const lateMs = T + 1000 + BOUNDS.trialMs;
  const race = interfere(context, 1, () => next!.noteAttempt(0, lateMs));
  slow!.noteNothing(0, lateMs);
  assert.ok(race.done);
  assert.equal(slow!.isUsable(0, lateMs), false);
});

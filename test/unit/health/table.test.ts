import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BOUNDS } from '../../../src/core/bounds.js';
import { CLOSED, HALF_OPEN, OPEN, REASON, THROTTLED_FACTOR } from '../../../src/health/breaker.js';
import { planHealth } from '../../../src/health/plan.js';
import { createHealthBuffer, HealthTable } from '../../../src/health/table.js';
import {
  createHealthConfig,
  EPOCH_MS,
  failTimes,
  openHealth,
  RULES,
} from '../../helpers/health-tables.js';

const T = EPOCH_MS + 100_000;

test('a target that nobody has asked yet takes requests with its whole weight', () => {
  const { tables } = openHealth();
  assert.equal(tables[0]!.isUsable(0, T), true);
  assert.equal(tables[0]!.weightFactor(0, T), 1);
  assert.equal(tables[0]!.noteAttempt(0, T), true);
});

test('failures in a row are counted over all workers, and a success of any ends the row', () => {
  const { tables } = openHealth();
  const [one, other] = tables;
  failTimes(one!, 0, 2, T);
  other!.noteSuccess(0, T);
  failTimes(other!, 0, 2, T);
  assert.equal(one!.isUsable(0, T), true);
  one!.noteFailure(0, T);
  assert.equal(one!.isUsable(0, T), false);
  assert.equal(other!.isUsable(0, T), false);
  assert.equal(other!.isUsable(1, T), true);
  assert.equal(one!.peek(0).reason, REASON.failures);
  assert.equal(one!.ejectionsTotal(0), 1);
});

test('the rate is taken over the requests of all workers in the last window', () => {
  const { tables } = openHealth({ rules: { failures: 1000 } });
  const [one, other] = tables;
  for (let count = 0; count < 5; count += 1) {
    one!.noteSuccess(0, T);
    other!.noteFailure(0, T);
    assert.equal(one!.isUsable(0, T), count < 4, `after ${2 * count + 2} requests`);
  }
  assert.equal(one!.peek(0).reason, REASON.rate);
});

test('what lies further back than the window does not count for the rate', () => {
  const { tables } = openHealth({ rules: { failures: 1000 } });
  const table = tables[0]!;
  failTimes(table, 0, 9, T);
  table.noteFailure(0, T + RULES.windowMs);
  assert.equal(table.isUsable(0, T + RULES.windowMs), true);
  // The window that was written over is the other's turn again much later.
  table.noteFailure(0, T + 2 * RULES.windowMs);
  assert.equal(table.isUsable(0, T + 2 * RULES.windowMs), true);
});

test('failures from before an ejection do not count after it', () => {
  const { tables } = openHealth({ rules: { failures: 1000, windowMs: 1e6 } });
  const table = tables[0]!;
  failTimes(table, 0, 10, T);
  assert.equal(table.isUsable(0, T), false);
  table.noteAttempt(0, T + 1000);
  table.noteSuccess(0, T + 1000);
  table.noteFailure(0, T + 1001);
  assert.equal(table.peek(0).state, CLOSED);
});

test('one trial at a time over all workers: the second worker is told that it came second', () => {
  const { tables } = openHealth();
  const [one, other] = tables;
  failTimes(one!, 0, 3, T);
  assert.equal(one!.isUsable(0, T + 999), false);
  assert.equal(one!.isUsable(0, T + 1000), true);
  assert.equal(other!.isUsable(0, T + 1000), true);
  assert.equal(one!.noteAttempt(0, T + 1000), true);
  assert.equal(other!.noteAttempt(0, T + 1000), false);
  assert.equal(other!.isUsable(0, T + 1000), false);
  assert.equal(one!.isUsable(0, T + 1000), false);
});

test('an attempt out of turn that went well closes the target, and gives its place back', () => {
  const { tables } = openHealth();
  const [one, other] = tables;
  failTimes(one!, 0, 3, T);
  assert.equal(one!.noteAttempt(0, T + 10), false);
  one!.noteFailure(0, T + 20);
  assert.equal(one!.peek(0).state, OPEN);
  assert.equal(one!.peek(0).ejections, 1);
  assert.equal(other!.noteAttempt(0, T + 30), false);
  other!.noteRevived(0, T + 40);
  assert.equal(one!.isUsable(0, T + 40), true);
  assert.equal(one!.places.count(0), 0);
  other!.noteRevived(0, T + 41);
  assert.equal(one!.places.count(0), 0);
});

test('only the trial’s own worker closes the target, or ejects it for longer', () => {
  const { tables } = openHealth();
  const [one, other] = tables;
  failTimes(one!, 0, 3, T);
  one!.noteAttempt(0, T + 1000);
  other!.noteSuccess(0, T + 1001);
  other!.noteFailure(0, T + 1001);
  assert.equal(one!.peek(0).state, HALF_OPEN);
  one!.noteFailure(0, T + 1002);
  assert.equal(one!.peek(0).state, OPEN);
  assert.equal(one!.peek(0).reason, REASON.trialFailed);
  assert.equal(one!.isUsable(0, T + 3001), false);
  assert.equal(one!.isUsable(0, T + 3002), true);
  other!.noteAttempt(0, T + 3002);
  // The first trial's worker has none of this turn.
  one!.noteSuccess(0, T + 3003);
  assert.equal(one!.peek(0).state, HALF_OPEN);
  other!.noteSuccess(0, T + 3003);
  assert.equal(one!.peek(0).state, CLOSED);
  assert.equal(one!.peek(0).reason, REASON.trialWell);
  assert.equal(one!.ejectionsTotal(0), 2);
  assert.equal(one!.places.count(0), 0);
});

test('results of requests from before the ejection change nothing while it lasts', () => {
  const { tables } = openHealth();
  const table = tables[0]!;
  failTimes(table, 0, 3, T);
  const before = { ...table.peek(0) };
  table.noteSuccess(0, T + 10);
  failTimes(table, 0, 10, T + 10);
  table.noteNothing(0, T + 10);
  assert.deepEqual({ ...table.peek(0) }, before);
});

test('a trial whose caller left is given to the next, another’s is not', () => {
  const { tables } = openHealth();
  const [one, other] = tables;
  failTimes(one!, 0, 3, T);
  one!.noteAttempt(0, T + 1000);
  other!.noteNothing(0, T + 1001);
  assert.equal(other!.isUsable(0, T + 1001), false);
  one!.noteNothing(0, T + 1001);
  assert.equal(other!.noteAttempt(0, T + 1001), true);
  // Twice given back would be the other's.
  one!.noteNothing(0, T + 1002);
  assert.equal(one!.isUsable(0, T + 1002), false);
});

test('a trial lost with its worker keeps others away until its time is over, not for ever', () => {
  const { tables } = openHealth();
  const [dead, living] = tables;
  failTimes(dead!, 0, 3, T);
  dead!.noteAttempt(0, T + 1000);
  const lostMs = T + 1000 + BOUNDS.trialMs;
  assert.equal(living!.isUsable(0, lostMs - 1), false);
  assert.equal(living!.isUsable(0, lostMs), true);
  assert.equal(living!.noteAttempt(0, lostMs), true);
  living!.noteSuccess(0, lostMs + 1);
  assert.equal(living!.peek(0).state, CLOSED);
});

test('a slow model’s trial counts though another was begun meanwhile', () => {
  const { tables } = openHealth();
  const [slow, next] = tables;
  failTimes(slow!, 0, 3, T);
  slow!.noteAttempt(0, T + 1000);
  next!.noteAttempt(0, T + 1000 + BOUNDS.trialMs);
  slow!.noteSuccess(0, T + 2000 + BOUNDS.trialMs);
  assert.equal(slow!.peek(0).state, CLOSED);
});

test('never more than share_max of a model’s targets are ejected; the next one when one is well', () => {
  const { tables } = openHealth({ models: { m: ['a', 'b', 'c', 'd'], n: ['a', 'b'] } });
  const table = tables[0]!;
  for (const index of [0, 1, 2, 3]) failTimes(table, index, 9, T);
  const usable = () => [0, 1, 2, 3].map((index) => table.isUsable(index, T));
  assert.deepEqual(usable(), [false, false, true, true]);
  // Of another model so many may be as if there were no other.
  failTimes(table, 4, 3, T);
  assert.equal(table.isUsable(4, T), false);
  table.noteAttempt(0, T + 1000);
  table.noteSuccess(0, T + 1000);
  table.noteFailure(2, T + 1000);
  assert.equal(table.isUsable(2, T + 1000), false);
  assert.equal(table.places.count(0), 2);
});

test('the only target of a model is never ejected, whatever share_max says', () => {
  const { tables } = openHealth({ models: { m: ['a'] }, rules: { shareMaxPercent: 100 } });
  failTimes(tables[0]!, 0, 100, T);
  assert.equal(tables[0]!.isUsable(0, T), true);
});

test('the last target that is not drained is not ejected', () => {
  const { tables } = openHealth({
    models: { m: ['a', 'b', 'c'] },
    rules: { shareMaxPercent: 100 },
  });
  const table = tables[0]!;
  table.setDrained(1, true);
  failTimes(table, 0, 3, T);
  failTimes(table, 2, 3, T);
  assert.equal(table.isUsable(0, T), false);
  assert.equal(table.isUsable(2, T), true);
});

test('the wildcard’s targets of each dialect stand in for each other only', () => {
  const { tables, plan } = openHealth({
    models: { '*': ['a', 'b', 'c'] },
    dialects: { c: 'anthropic' },
    rules: { shareMaxPercent: 100 },
  });
  assert.deepEqual(plan.groups, [[0, 1], [2]]);
  failTimes(tables[0]!, 2, 9, T);
  assert.equal(tables[0]!.isUsable(2, T), true);
});

test('ejections grow while a target keeps failing, and begin anew after it was well', () => {
  const { tables } = openHealth();
  const table = tables[0]!;
  let nowMs = T;
  const lengths: number[] = [];
  failTimes(table, 0, 3, nowMs);
  for (let round = 0; round < 5; round += 1) {
    const { momentMs } = table.peek(0);
    lengths.push(momentMs + EPOCH_MS - nowMs);
    nowMs = momentMs + EPOCH_MS;
    table.noteAttempt(0, nowMs);
    table.noteFailure(0, nowMs);
  }
  assert.deepEqual(lengths, [1000, 2000, 4000, 8000, 8000]);
  nowMs += 8000;
  table.noteAttempt(0, nowMs);
  table.noteSuccess(0, nowMs);
  failTimes(table, 0, 3, nowMs + 7999);
  assert.equal(table.peek(0).ejections, 7);
  table.noteAttempt(0, nowMs + 16_000);
  table.noteSuccess(0, nowMs + 16_000);
  failTimes(table, 0, 3, nowMs + 24_000);
  assert.equal(table.peek(0).ejections, 1);
});

test('a throttled target is weighed down until its reset and never ejected', () => {
  const { tables } = openHealth();
  const [one, other] = tables;
  for (let count = 0; count < 100; count += 1) one!.noteThrottled(0, T, T + 10_000);
  assert.equal(other!.isUsable(0, T), true);
  assert.equal(other!.weightFactor(0, T), THROTTLED_FACTOR);
  // A shorter time that another answer names does not shorten it.
  other!.noteThrottled(0, T + 1, T + 2000);
  assert.equal(one!.weightFactor(0, T + 9999), THROTTLED_FACTOR);
  assert.equal(one!.weightFactor(0, T + 15_000), (1 + THROTTLED_FACTOR) / 2);
  assert.equal(one!.weightFactor(0, T + 20_000), 1);
});

test('a 429 weighs down all targets of one account and model, and no others', () => {
  const config = createHealthConfig({ models: { m: ['a', 'b'], n: ['b', 'a'], o: ['a', 'b'] } });
  const names: Record<string, string | null> = { m: 'x', n: 'x', o: null };
  const plan = planHealth({
    ...config,
    models: config.models.map((model) => ({
      ...model,
      targets: model.targets.map((target) => ({ ...target, model: names[model.name] ?? null })),
    })),
  });
  const buffer = createHealthBuffer(plan, EPOCH_MS);
  const [one, other] = [new HealthTable(buffer, plan, 0), new HealthTable(buffer, plan, 1)];
  one.noteThrottled(0, T, T + 10_000);
  const factors = plan.targets.map((_, index) => other.weightFactor(index, T));
  assert.deepEqual(factors, [THROTTLED_FACTOR, 1, 1, THROTTLED_FACTOR, 1, 1]);
});

test('a trial answered with 429 closes the target: it is there', () => {
  const { tables } = openHealth();
  const table = tables[0]!;
  failTimes(table, 0, 3, T);
  table.noteAttempt(0, T + 1000);
  table.noteThrottled(0, T + 1000, 0);
  assert.equal(table.peek(0).state, CLOSED);
  assert.equal(table.weightFactor(0, T + 1000), THROTTLED_FACTOR);
});

test('with breaker: off nothing ejects a target, but an operator still drains it', () => {
  const { tables } = openHealth({ rules: null });
  const table = tables[0]!;
  failTimes(table, 0, 1000, T);
  assert.equal(table.noteCheckFailed(0, T, 1000), false);
  assert.equal(table.isUsable(0, T), true);
  assert.equal(table.setDrained(0, true), true);
  assert.equal(table.setDrained(0, true), false);
  assert.equal(tables[1]!.isUsable(0, T), false);
  tables[1]!.setDrained(0, false);
  assert.equal(table.isUsable(0, T), true);
});

test('draining and restoring leave an ejection as it is', () => {
  const { tables } = openHealth();
  const table = tables[0]!;
  failTimes(table, 0, 3, T);
  const before = { ...table.peek(0) };
  table.setDrained(0, true);
  assert.equal(table.isUsable(0, T + 5000), false);
  table.setDrained(0, false);
  assert.deepEqual({ ...table.peek(0) }, before);
  assert.equal(table.isUsable(0, T + 5000), true);
});

test('failed checks eject, hold until the next check, and one that goes well closes', () => {
  const { tables } = openHealth();
  const table = tables[2]!;
  assert.equal(table.noteCheckFailed(0, T, 5000), true);
  assert.equal(table.isUsable(0, T + 4999), false);
  assert.equal(table.noteCheckFailed(0, T + 4000, 5000), true);
  assert.equal(table.isUsable(0, T + 8999), false);
  assert.equal(table.ejectionsTotal(0), 1);
  // The other one must stay.
  assert.equal(table.noteCheckFailed(1, T, 5000), false);
  table.noteCheckWell(0, T + 4001, false);
  assert.equal(table.peek(0).state, CLOSED);
  assert.equal(table.places.count(0), 0);
});

test('a check by path does not close what callers’ requests ejected; a call for a token does, when due', () => {
  const { tables } = openHealth();
  const table = tables[2]!;
  failTimes(table, 0, 3, T);
  table.noteCheckWell(0, T + 1000, false);
  table.noteCheckWell(0, T + 999, true);
  assert.equal(table.peek(0).state, OPEN);
  table.noteCheckWell(0, T + 1000, true);
  assert.equal(table.peek(0).state, CLOSED);
  assert.equal(table.peek(0).reason, REASON.checkWell);
});

test('times before the epoch and very late ones are taken for what they can be', () => {
  const { tables } = openHealth();
  const table = tables[0]!;
  failTimes(table, 0, 3, 0);
  assert.equal(table.isUsable(0, EPOCH_MS + 999), false);
  assert.equal(table.isUsable(0, EPOCH_MS + 1000), true);
  const lateMs = EPOCH_MS + 100 * 365 * 86_400_000;
  failTimes(table, 1, 3, lateMs);
  assert.equal(table.isUsable(1, lateMs), true);
  table.noteAttempt(0, lateMs);
  table.noteSuccess(0, lateMs);
  failTimes(table, 1, 1, lateMs);
  assert.equal(table.isUsable(1, lateMs + 999), false);
  assert.equal(table.isUsable(1, lateMs + 1000), true);
});

test('a buffer of another configuration is refused', () => {
  const { buffer, plan } = openHealth();
  const other = openHealth({ models: { m: ['a', 'b', 'c'] } }).plan;
  assert.throws(() => new HealthTable(buffer, other, 0), /another configuration/);
  assert.throws(() => new HealthTable(buffer, plan, 3), RangeError);
  assert.throws(() => new HealthTable(new SharedArrayBuffer(64), plan, 0), /another config/);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BOUNDS } from '../../../src/core/bounds.js';
import {
  CLOSED,
  countEjectable,
  countEjection,
  EJECTIONS_MAX,
  ejectionMs,
  HALF_OPEN,
  isTrialDue,
  judgeFailure,
  OPEN,
  planRecovery,
  planThrottle,
  REASON,
  THROTTLED_FACTOR,
  throttleFactor,
} from '../../../src/health/breaker.js';
import { RULES } from '../../helpers/health-tables.js';

test('failures in a row eject at their number, not before', () => {
  assert.equal(judgeFailure(RULES, 2, 2, 2), REASON.none);
  assert.equal(judgeFailure(RULES, 3, 3, 3), REASON.failures);
});

test('the rate ejects at its percentage, and not with fewer requests than asked for', () => {
  assert.equal(judgeFailure(RULES, 1, 9, 9), REASON.none);
  assert.equal(judgeFailure(RULES, 1, 10, 4), REASON.none);
  assert.equal(judgeFailure(RULES, 1, 10, 5), REASON.rate);
  assert.equal(judgeFailure({ ...RULES, ratePercent: 100 }, 1, 11, 10), REASON.none);
  assert.equal(judgeFailure({ ...RULES, ratePercent: 100 }, 1, 11, 11), REASON.rate);
});

test('ejections double, end at eject_max, and vary by up to a tenth downwards', () => {
  const lengths = [1, 2, 3, 4, 5, EJECTIONS_MAX].map((count) => ejectionMs(RULES, count, 0));
  assert.deepEqual(lengths, [1000, 2000, 4000, 8000, 8000, 8000]);
  assert.equal(ejectionMs(RULES, 1, 0.999999), 901);
  assert.equal(ejectionMs({ ...RULES, ejectMs: 1, ejectMsMax: 1 }, 1, 0.999), 1);
});

test('who was well for as long as the longest ejection begins anew', () => {
  assert.equal(countEjection(RULES, 4, 7999), 5);
  assert.equal(countEjection(RULES, 4, 8000), 1);
  assert.equal(countEjection(RULES, EJECTIONS_MAX, 0), EJECTIONS_MAX);
});

test('a trial is due when the ejection is over, or the trial before is lost; never of a closed one', () => {
  assert.equal(isTrialDue(OPEN, 100, 99), false);
  assert.equal(isTrialDue(OPEN, 100, 100), true);
  assert.equal(isTrialDue(HALF_OPEN, 0, 0), true);
  assert.equal(isTrialDue(HALF_OPEN, 100, 99), false);
  assert.equal(isTrialDue(CLOSED, 0, 100), false);
});

test('share_max is never exceeded, and all targets never are ejected', () => {
  const counts = [1, 2, 3, 4, 10].map((targets) => countEjectable(50, targets));
  assert.deepEqual(counts, [0, 1, 1, 2, 5]);
  assert.deepEqual(
    [1, 2, 3, 10].map((targets) => countEjectable(100, targets)),
    [0, 1, 2, 9],
  );
  assert.equal(countEjectable(10, 9), 0);
});

test('what a provider says about its throttling is believed within bounds', () => {
  assert.equal(planThrottle(1000, 0), 1000 + BOUNDS.throttleMs);
  assert.equal(planThrottle(1000, Number.NaN), 1000 + BOUNDS.throttleMs);
  assert.equal(planThrottle(1000, 31_000), 31_000);
  assert.equal(planThrottle(1000, 1), 1000 + BOUNDS.throttleMsMin);
  assert.equal(planThrottle(1000, Number.POSITIVE_INFINITY), 1000 + BOUNDS.throttleMsMax);
});

test('the weight is low until the reset and then rises evenly to the whole', () => {
  const untilMs = planThrottle(0, 10_000);
  const recoveredMs = planRecovery(0, untilMs);
  assert.equal(recoveredMs, 20_000);
  const factorAt = (ms: number) => throttleFactor(ms, untilMs, recoveredMs);
  assert.deepEqual([0, 10_000, 20_000, 99_999].map(factorAt), [
    THROTTLED_FACTOR,
    THROTTLED_FACTOR,
    1,
    1,
  ]);
  assert.ok(Math.abs(factorAt(15_000) - (1 + THROTTLED_FACTOR) / 2) < 1e-9);
  assert.equal(planRecovery(0, 600_000), 600_000 + BOUNDS.throttleRecoveryMsMax);
});

/** The table against a breaker written plainly, over random lives of a few targets, with a clock that the test moves. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { BreakerConfig } from '../../src/config/model.js';
import { THROTTLED_FACTOR } from '../../src/health/breaker.js';
import { OracleBreaker } from '../helpers/health-oracle.js';
import { EPOCH_MS, openHealth } from '../helpers/health-tables.js';

const STATES = ['closed', 'half-open', 'open'] as const;
const WORKERS = 3;

const rules: fc.Arbitrary<BreakerConfig> = fc.record({
  failures: fc.integer({ min: 1, max: 6 }),
  ratePercent: fc.integer({ min: 1, max: 100 }),
  requestsMin: fc.integer({ min: 1, max: 12 }),
  windowMs: fc.integer({ min: 1, max: 10_000 }).map((half) => 2 * half),
  ejectMs: fc.integer({ min: 1, max: 5000 }),
  ejectMsMax: fc.integer({ min: 5000, max: 40_000 }),
  shareMaxPercent: fc.oneof(fc.constantFrom(50, 100), fc.integer({ min: 1, max: 100 })),
});

const WHATS = [
  'failure',
  'success',
  'attempt',
  'nothing',
  'throttled',
  'drain',
  'restore',
] as const;
const action = fc.record({
  what: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom('failure' as const, 'attempt' as const) },
    { weight: 3, arbitrary: fc.constant('success' as const) },
    { weight: 3, arbitrary: fc.constantFrom(...WHATS) },
  ),
  target: fc.nat(9),
  worker: fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, fc.nat(WORKERS - 1)),
  times: fc.integer({ min: 1, max: 4 }),
  waitMs: fc.oneof(
    { weight: 3, arbitrary: fc.constant(0) },
    { weight: 2, arbitrary: fc.nat(3000) },
    fc.nat(60_000),
  ),
});

test('the breaker does what a plain one does, whatever happens in whatever order', () => {
  let ejections = 0;
  let closings = 0;
  const property = fc.property(
    rules,
    fc.integer({ min: 1, max: 5 }),
    fc.array(action, { minLength: 10, maxLength: 80, size: 'max' }),
    (breaker, count, actions) => {
      const providers = Array.from({ length: count }, (_, index) => `p${index}`);
      const options = { models: { m: providers }, rules: breaker, workers: WORKERS };
      const { tables } = openHealth(options);
      const oracle = new OracleBreaker(breaker, count);
      const wasClosed = providers.map(() => true);
      let nowMs = 0;
      for (const { what, target, worker, times, waitMs } of actions) {
        nowMs += waitMs;
        const index = target % count;
        const table = tables[worker]!;
        const atMs = EPOCH_MS + nowMs;
        for (let time = 0; time < times; time += 1) {
          switch (what) {
            case 'failure':
              table.noteFailure(index, atMs);
              oracle.failure(index, worker, nowMs);
              break;
            case 'success':
              table.noteSuccess(index, atMs);
              oracle.success(index, worker, nowMs);
              break;
            case 'attempt':
              assert.equal(
                table.noteAttempt(index, atMs),
                oracle.attempt(index, worker, nowMs),
                'who has the trial',
              );
              break;
            case 'nothing':
              table.noteNothing(index, atMs);
              oracle.nothing(index, worker);
              break;
            case 'throttled':
              table.noteThrottled(index, atMs, 0);
              oracle.throttled(index, worker, nowMs);
              break;
            default:
              table.setDrained(index, what === 'drain');
              oracle.targets[index]!.isDrained = what === 'drain';
          }
        }
        oracle.targets.forEach((expected, at) => {
          const seen = tables[(worker + 1) % WORKERS]!;
          const word = seen.peek(at);
          assert.equal(STATES[word.state], expected.state, `state of ${at}`);
          if (expected.state !== 'closed') {
            assert.equal(word.ejections, expected.ejections, `ejections of ${at}`);
          }
          if (wasClosed[at] !== (word.state === 0)) {
            if (wasClosed[at] === true) ejections += 1;
            else closings += 1;
            wasClosed[at] = word.state === 0;
          }
          assert.equal(seen.isUsable(at, atMs), oracle.isUsable(at, nowMs), `isUsable of ${at}`);
          const isThrottled = nowMs <= expected.throttledUntilMs && expected.throttledUntilMs > 0;
          const factor = seen.weightFactor(at, atMs);
          assert.equal(factor === 0, expected.isDrained, `weight of ${at}`);
          if (factor > 0) assert.equal(factor === THROTTLED_FACTOR, isThrottled, `weight of ${at}`);
        });
        const ejected = oracle.targets.filter(({ state }) => state !== 'closed').length;
        assert.equal(tables[0]!.places.count(0), ejected, 'places');
        assert.ok(ejected <= (count * breaker.shareMaxPercent) / 100 && ejected < count);
      }
    },
  );
  fc.assert(property, { numRuns: 600 });
  // A run in which nothing is ever ejected, or nothing well again, would show nothing.
  assert.ok(ejections > 200 && closings > 50, `${ejections} and ${closings}`);
});

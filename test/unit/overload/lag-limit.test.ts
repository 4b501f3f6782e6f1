import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BOUNDS } from '../../../src/core/bounds.js';
import { LagLimit, type LoopInterval, NO_LIMIT } from '../../../src/overload/lag-limit.js';

const TARGET_MS = 50;
const LATE_INTERVALS = 5;
const LATE: LoopInterval = {
  ms: 100,
  lagMs: 100,
  busyShare: 1,
  inFlightMax: 1000,
  wasBinding: false,
};
const CALM: LoopInterval = {
  ms: 100,
  lagMs: 1,
  busyShare: 0.2,
  inFlightMax: 500,
  wasBinding: false,
};

function createLate(): LagLimit {
  const lag = new LagLimit(TARGET_MS);
  for (let i = 0; i < LATE_INTERVALS; i += 1) lag.take(LATE);
  return lag;
}

test('four late intervals are no overload, five in a row are', () => {
  const lag = new LagLimit(TARGET_MS);
  for (let i = 1; i < LATE_INTERVALS; i += 1) lag.take(LATE);
  assert.equal(lag.limit, NO_LIMIT);
  lag.take(CALM);
  for (let i = 1; i < LATE_INTERVALS; i += 1) lag.take(LATE);
  assert.equal(lag.limit, NO_LIMIT);
  lag.take(LATE);
  assert.equal(lag.limit, 900);
});

test('rounds of half a second are an overload as soon as there are two, and one long pause with what it left behind is none', () => {
  const drowning = new LagLimit(TARGET_MS);
  drowning.take({ ...LATE, ms: 5000, lagMs: 5000 });
  assert.equal(drowning.limit, NO_LIMIT);
  drowning.take({ ...LATE, ms: 500, lagMs: 500 });
  assert.equal(drowning.limit, 590);
  const paused = new LagLimit(TARGET_MS);
  for (const ms of [1000, 300, 90, 27]) paused.take({ ...LATE, ms, lagMs: ms });
  assert.equal(paused.limit, NO_LIMIT);
});

test('a loop that is busy and in time is not limited', () => {
  const lag = new LagLimit(TARGET_MS);
  for (let i = 0; i < 100; i += 1) lag.take({ ...LATE, lagMs: TARGET_MS, busyShare: 1 });
  assert.equal(lag.limit, NO_LIMIT);
});

test('streams that take long to end do not pull the limit away from what runs', () => {
  const lag = createLate();
  for (let i = 0; i < 100; i += 1) lag.take({ ...LATE, inFlightMax: 950, wasBinding: true });
  assert.equal(lag.limit, 760);
  lag.take({ ...LATE, inFlightMax: 800, wasBinding: true });
  assert.equal(lag.limit, 640);
});

test('the later the loop, the longer the step down', () => {
  const little = createLate();
  const much = createLate();
  little.take({ ...LATE, inFlightMax: 910, lagMs: 55 });
  much.take({ ...LATE, inFlightMax: 910, lagMs: 500 });
  assert.equal(little.limit, 891);
  assert.equal(much.limit, 728);
});

test('few exchanges are never refused for it', () => {
  const lag = new LagLimit(TARGET_MS);
  for (let i = 0; i < 100; i += 1) lag.take({ ...LATE, lagMs: 5000, inFlightMax: 3 });
  assert.equal(lag.limit, BOUNDS.exchangesKeptMin);
});

test('it rises while somebody is refused, faster where the loop has time left', () => {
  const idle = createLate();
  const busy = createLate();
  for (let i = 0; i < 10; i += 1) {
    idle.take({ ms: 100, lagMs: 5, busyShare: 0.5, inFlightMax: 900, wasBinding: true });
    busy.take({ ms: 100, lagMs: 5, busyShare: 1, inFlightMax: 900, wasBinding: true });
  }
  assert.ok(idle.limit > 1400 && idle.limit < 1500, String(idle.limit));
  assert.ok(busy.limit > 1040 && busy.limit < 1080, String(busy.limit));
});

test('without a refusal there is no limit any more after two seconds', () => {
  const lag = createLate();
  for (let i = 0; i < 19; i += 1) lag.take(CALM);
  assert.equal(lag.limit, 900);
  lag.take(CALM);
  assert.equal(lag.limit, NO_LIMIT);
});

test('a refusal or a late interval begins the two seconds anew', () => {
  const lag = createLate();
  for (let i = 0; i < 19; i += 1) lag.take(CALM);
  lag.take({ ...CALM, wasBinding: true });
  for (let i = 0; i < 19; i += 1) lag.take(CALM);
  assert.notEqual(lag.limit, NO_LIMIT);
  lag.take(LATE);
  for (let i = 0; i < 19; i += 1) lag.take(CALM);
  assert.notEqual(lag.limit, NO_LIMIT);
  lag.take(CALM);
  assert.equal(lag.limit, NO_LIMIT);
});

test('one pause cuts the limit by more than a twentieth, or the next late interval by no more', () => {
  const lag = createLate();
  lag.take({ ...CALM, wasBinding: true });
  const before = lag.limit;
  lag.take({ ...LATE, lagMs: 1000, inFlightMax: before, wasBinding: true });
  assert.equal(lag.limit, Math.floor(before * 0.95));
  lag.take({ ...LATE, lagMs: 1000, inFlightMax: before, wasBinding: true });
  assert.equal(lag.limit, Math.floor(before * 0.8));
});

test('a limit of which low priorities have but a part falls by that part, where it should fall by a hundredth', () => {
  const lag = createLate();
  const late = { ...LATE, lagMs: TARGET_MS * 1.05, inFlightMax: 900 * 0.85 };
  lag.take({ ...late, wasBinding: true });
  assert.equal(lag.limit, 891);
  // Nobody was refused: it is no limit that keeps the rest down, but what comes.
  lag.take({ ...late, wasBinding: false });
  assert.equal(lag.limit, Math.floor(900 * 0.85 * 0.99));
});

/** The bound on a worker's exchanges, under whatever its loop does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BOUNDS } from '../../src/core/bounds.js';
import { ExchangeGate } from '../../src/overload/exchange-gate.js';
import { LagLimit, type LoopInterval, NO_LIMIT } from '../../src/overload/lag-limit.js';
import { createReadingsBuffer, PRIORITIES, Readings } from '../../src/overload/readings.js';

const TARGET_MS = 50;
const CALM_INTERVALS = 20;

const interval: fc.Arbitrary<LoopInterval> = fc.record({
  ms: fc.double({ min: 100, max: 5000, noNaN: true }),
  lagMs: fc.oneof(fc.double({ min: 0, max: 5000, noNaN: true }), fc.constant(TARGET_MS)),
  busyShare: fc.double({ min: 0, max: 1, noNaN: true }),
  inFlightMax: fc.nat({ max: 200_000 }),
  wasBinding: fc.boolean(),
});
const intervals = fc.array(interval, { maxLength: 300 });

test('the limit is none, or a whole number that is not too small', () => {
  fc.assert(
    fc.property(intervals, (run) => {
      const lag = new LagLimit(TARGET_MS);
      for (const each of run) {
        lag.take(each);
        assert.ok(Number.isInteger(lag.limit));
        assert.ok(lag.limit >= BOUNDS.exchangesKeptMin && lag.limit <= NO_LIMIT, `${lag.limit}`);
      }
    }),
  );
});

test('whatever was, two calm seconds later there is none', () => {
  fc.assert(
    fc.property(intervals, interval, (run, last) => {
      const lag = new LagLimit(TARGET_MS);
      for (const each of run) lag.take(each);
      const calm = { ...last, lagMs: Math.min(last.lagMs, TARGET_MS), wasBinding: false };
      for (let i = 0; i < CALM_INTERVALS; i += 1) lag.take(calm);
      assert.equal(lag.limit, NO_LIMIT);
    }),
  );
});

test('a loop that is in time is never limited', () => {
  fc.assert(
    fc.property(intervals, (run) => {
      const lag = new LagLimit(TARGET_MS);
      for (const each of run) lag.take({ ...each, lagMs: Math.min(each.lagMs, TARGET_MS) });
      assert.equal(lag.limit, NO_LIMIT);
    }),
  );
});

test('in every state: who is more important is taken wherever one who is less so is', () => {
  fc.assert(
    fc.property(
      intervals,
      fc.nat({ max: 100 }),
      fc.array(fc.nat({ max: 200_000 }), { minLength: 1, maxLength: 20 }),
      (run, memory, inFlights) => {
        const gate = createGate(memory);
        for (const each of run) gate.onInterval({ ...each, workMs: each.lagMs });
        for (const inFlight of inFlights) {
          const taken = PRIORITIES.map((_, consumer) => isTaken(gate, inFlight, consumer));
          assert.deepEqual(taken, [...taken].sort().reverse(), `${taken}`);
          if (memory < 90 && inFlight <= 1) assert.ok(taken[0], 'one alone is always taken');
        }
      },
    ),
  );
});

/**
 * A worker whose rounds take as long as it has exchanges, asked for three times what it can do. How long an exchange
 * takes must not matter: what runs comes to lie near what the loop can do, and stays there.
 */
test('under three times the load what runs is about what the loop can do', () => {
  const world = fc.record({
    capacity: fc.integer({ min: 50, max: 5000 }),
    intervalsEach: fc.integer({ min: 1, max: 40 }),
    noise: fc.array(fc.double({ min: 0.8, max: 1.2, noNaN: true }), { minLength: 7, maxLength: 7 }),
  });
  fc.assert(
    fc.property(world, ({ capacity, intervalsEach, noise }) => {
      const lag = new LagLimit(TARGET_MS);
      const ends: number[] = [];
      let running = 0;
      const shares: number[] = [];
      for (let now = 0; now < 600; now += 1) {
        running -= ends[now] ?? 0;
        const asked = Math.ceil((3 * capacity) / intervalsEach);
        const taken = Math.max(0, Math.min(asked, lag.limit - running));
        running += taken;
        ends[now + intervalsEach] = taken;
        const load = running / capacity;
        lag.take({
          ms: 100,
          lagMs: TARGET_MS * load * (noise[now % noise.length] ?? 1),
          busyShare: Math.min(1, load),
          inFlightMax: running,
          wasBinding: taken < asked,
        });
        if (now >= 200) shares.push(load);
      }
      const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
      const noiseMean = noise.reduce((sum, each) => sum + each, 0) / noise.length;
      assert.ok(mean * noiseMean > 0.75 && mean * noiseMean < 1.15, `${mean * noiseMean}`);
      assert.ok(Math.max(...shares) < 1.6, `${Math.max(...shares)}`);
    }),
    { numRuns: 60 },
  );
});

function createGate(memory: number): ExchangeGate {
  const readings = new Readings(createReadingsBuffer(1));
  readings.writeProcess({
    rssBytes: memory,
    memoryLimitBytes: 100,
    descriptors: 0,
    descriptorsMax: 0,
    connections: 0,
  });
  return new ExchangeGate({
    config: {
      overload: {
        loopLagMs: TARGET_MS,
        heapPercent: 100,
        memoryPercent: 90,
        memoryLimitBytes: null,
        descriptorsPercent: 90,
        retryAfterMs: 1000,
      },
      clients: { connectionsMax: null, connectionsPerAddressMax: null, exchangesMax: null },
      workers: 1,
      consumers: PRIORITIES.map((priority) => ({ priority })),
    },
    index: 0,
    readings,
    countInFlight: () => 1000,
  });
}

function isTaken(gate: ExchangeGate, inFlight: number, consumer: number): boolean {
  return gate.check(inFlight, consumer) === null;
}

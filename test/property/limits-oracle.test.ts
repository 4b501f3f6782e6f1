import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { LimitConfig, MeteredLimit } from '../../src/config/model.js';
import type { Ledger } from '../../src/limits/ledger.js';
import { planRate } from '../../src/limits/rates.js';
import type { Reservation } from '../../src/limits/reservation.js';
import { OracleBucket } from '../helpers/limit-oracle.js';
import { EPOCH_MS, meter, openTable, together } from '../helpers/limit-tables.js';

const kind = fc.constantFrom<MeteredLimit['kind']>(
  'requests',
  'tokens',
  'input_tokens',
  'output_tokens',
);
const metered = fc
  .record({
    kind,
    amount: fc.integer({ min: 1, max: 2000 }),
    perMs: fc.integer({ min: 1, max: 100_000 }),
    burst: fc.integer({ min: 1, max: 3000 }),
    models: fc.constantFrom(null, ['big']),
  })
  .map(({ kind, amount, perMs, burst, models }) => meter(kind, amount, perMs, { burst, models }));
const cost = fc
  .integer({ min: 1, max: 1000 })
  .map((cents) => meter('cost', cents / 100, 86_400_000));
const limit: fc.Arbitrary<LimitConfig> = fc.oneof(
  { weight: 5, arbitrary: metered },
  cost,
  fc.integer({ min: 1, max: 4 }).map(together),
);

const tokens = fc.integer({ min: 0, max: 1500 });
const amounts = { inputTokens: tokens, outputTokens: tokens, costNanoDollars: fc.nat(3_000_000) };
const action = fc.oneof(
  fc.record({
    type: fc.constant('reserve' as const),
    model: fc.constantFrom(null, 'big', 'small'),
    worker: fc.nat(1),
    need: fc.record({ requests: fc.nat(2), ...amounts }),
  }),
  fc.record({ type: fc.constant('settle' as const), which: fc.nat(), actual: fc.record(amounts) }),
  fc.record({ type: fc.constant('refund' as const), which: fc.nat() }),
  // In 1/1024 milliseconds, which floating-point numbers hold exactly.
  fc.record({ type: fc.constant('wait' as const), parts: fc.nat(1_000_000) }),
);

interface Held {
  readonly ledger: Ledger;
  readonly reservation: Reservation;
  readonly taken: readonly (bigint | null)[];
}

test('the table does what a textbook’s bucket does, to the last unit', () => {
  const property = fc.property(
    fc.array(limit, { minLength: 1, maxLength: 4 }),
    fc.array(action, { maxLength: 60 }),
    (limits, actions) => {
      const { primary, ledgers } = openTable([[meter('requests', 1, 1)], limits], { workers: 2 });
      const oracles = limits.map((config) => new OracleBucket(config));
      const open: Held[] = [];
      let parts = 0;
      for (const step of actions) {
        const nowMs = EPOCH_MS + parts / 1024;
        for (const oracle of oracles) oracle.pour(parts);
        if (step.type === 'wait') parts += step.parts;
        else if (step.type === 'reserve') {
          const { model, need, worker } = step;
          const taken = oracles.map((oracle) =>
            oracle.config.models === null || model === 'big' ? oracle.amountOf(need) : null,
          );
          const isEnough = oracles.every(
            (oracle, at) => taken[at] === null || oracle.holds(taken[at]!),
          );
          const ledger = ledgers[worker]!;
          const reservation = ledger.createReservation();
          const refusal = ledger.reserve(1, model, need, nowMs, reservation);
          assert.equal(refusal === null, isEnough);
          if (refusal === null) {
            oracles.forEach((oracle, at) => {
              if (taken[at] !== null) oracle.reserve(taken[at]!);
            });
            open.push({ ledger, reservation, taken });
          } else if (oracles.every(({ config }) => config.kind !== 'concurrency')) {
            checkRetry(oracles, taken, parts, refusal.retryAfterMs);
          }
        } else {
          const [held] = open.splice(step.which % Math.max(1, open.length), 1);
          if (held === undefined) continue;
          const actual = step.type === 'settle' ? step.actual : null;
          if (actual === null) held.ledger.refund(held.reservation, nowMs);
          else held.ledger.settle(held.reservation, actual, nowMs);
          oracles.forEach((oracle, at) => {
            if (held.taken[at] !== null) oracle.settle(held.taken[at]!, actual);
          });
        }
        oracles.forEach((oracle, at) => {
          oracle.pour(parts);
          const row = primary.readRow(1 + at, EPOCH_MS + parts / 1024);
          const { content, dropsPerUnit } = oracle;
          assert.equal(row.level, content > 0n ? Number(content / dropsPerUnit) : 0);
          assert.equal(
            row.debt,
            content < 0n ? Number((dropsPerUnit - 1n - content) / dropsPerUnit) : 0,
          );
          assert.deepEqual([row.held, row.settled, row.refunded, row.overdrawn].map(BigInt), [
            oracle.held,
            oracle.settled,
            oracle.refunded,
            oracle.overdrawn,
          ]);
          assert.equal(
            oracle.reserved + oracle.overdrawn,
            BigInt(row.settled + row.refunded + row.held),
          );
        });
      }
    },
  );
  fc.assert(property, { numRuns: 400 });
});

/** Waiting as told is enough, and a millisecond less is not. */
function checkRetry(
  oracles: readonly OracleBucket[],
  taken: readonly (bigint | null)[],
  parts: number,
  retryAfterMs: number,
): void {
  const isEnoughAfter = (ms: number): boolean =>
    oracles.every((oracle, at) => {
      const amount = taken[at];
      if (amount === null || amount === undefined) return true;
      const later = Object.create(oracle) as OracleBucket;
      const flown =
        (BigInt(parts + ms * 1024) * oracle.dropsPerMs) / 1024n -
        (BigInt(parts) * oracle.dropsPerMs) / 1024n;
      const full = oracle.capacity * oracle.dropsPerUnit;
      later.content = oracle.content + flown > full ? full : oracle.content + flown;
      return later.holds(amount);
    });
  assert.ok(isEnoughAfter(retryAfterMs), `waiting ${retryAfterMs} ms is not enough`);
  assert.ok(!isEnoughAfter(retryAfterMs - 1), `${retryAfterMs} ms is longer than needed`);
}

test('no rate is ever above the limit, nor more than 0.01 % below it', () => {
  const any = fc.record({
    amount: fc.oneof(fc.integer({ min: 1, max: 1e9 }), fc.integer({ min: 1, max: 1000 })),
    perMs: fc.oneof(
      fc.integer({ min: 60_000, max: 366 * 86_400_000 }),
      fc.constantFrom(60_000, 86_400_000),
    ),
  });
  fc.assert(
    fc.property(any, ({ amount, perMs }) => {
      const { ticksPerMs, ticksPerUnit } = planRate(meter('tokens', amount, perMs));
      const configured = BigInt(amount) * BigInt(ticksPerUnit);
      const kept = BigInt(ticksPerMs) * BigInt(perMs);
      assert.ok(kept <= configured);
      assert.ok((configured - kept) * 10_000n < configured);
    }),
    { numRuns: 2000 },
  );
});

test('whatever the clocks say, no more is let through than the limit allows until the latest of them', () => {
  const jumps = fc.array(fc.double({ min: -5000, max: 5000, noNaN: true }), { maxLength: 100 });
  fc.assert(
    fc.property(jumps, fc.integer({ min: 1, max: 50 }), (moves, amount) => {
      const { ledgers } = openTable([[meter('requests', amount, 1000)]], { workers: 2 });
      let nowMs = EPOCH_MS;
      let latestMs = nowMs;
      let admitted = 0;
      moves.forEach((move, index) => {
        nowMs += move;
        latestMs = Math.max(latestMs, nowMs);
        const ledger = ledgers[index % 2]!;
        for (let call = 0; call < 20; call += 1) {
          const need = { requests: 1, inputTokens: 0, outputTokens: 0, costNanoDollars: 0 };
          if (ledger.reserve(0, null, need, nowMs, ledger.createReservation()) === null)
            admitted += 1;
        }
        assert.ok(admitted <= amount + ((latestMs - EPOCH_MS) * amount) / 1000);
      });
    }),
  );
});

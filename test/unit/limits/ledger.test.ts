import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planTable } from '../../../src/limits/plan.js';
import { createTableBuffer, LimitTable } from '../../../src/limits/table.js';
import {
  consumer,
  EPOCH_MS,
  meter,
  need,
  openTable,
  together,
  usage,
} from '../../helpers/limit-tables.js';

test('a bucket starts full, empties, and fills evenly', () => {
  const { primary, ledgers } = openTable([[meter('requests', 10, 1000)]]);
  const ledger = ledgers[0]!;
  for (let call = 0; call < 10; call += 1) {
    const reservation = ledger.createReservation();
    assert.equal(ledger.reserve(0, null, need(1, 0), EPOCH_MS, reservation), null);
    ledger.release(reservation, EPOCH_MS);
  }
  const reservation = ledger.createReservation();
  const refusal = ledger.reserve(0, null, need(1, 0), EPOCH_MS, reservation);
  assert.deepEqual(refusal, {
    reason: 'limit',
    limit: meter('requests', 10, 1000),
    retryAfterMs: 100,
  });
  assert.notEqual(ledger.reserve(0, null, need(1, 0), EPOCH_MS + 99, reservation), null);
  assert.equal(ledger.reserve(0, null, need(1, 0), EPOCH_MS + 100, reservation), null);
  assert.equal(primary.readRow(0, EPOCH_MS + 5000).level, 10);
});

test('a limit of certain models counts no other, and none where no model is named', () => {
  const { primary, ledgers } = openTable([[meter('requests', 1, 1000, { models: ['big'] })]]);
  const ledger = ledgers[0]!;
  for (const model of ['small', null]) {
    const reservation = ledger.createReservation();
    assert.equal(ledger.reserve(0, model, need(1, 0), EPOCH_MS, reservation), null);
  }
  assert.equal(primary.readRow(0, EPOCH_MS).level, 1);
  const reservation = ledger.createReservation();
  assert.equal(ledger.reserve(0, 'big', need(1, 0), EPOCH_MS, reservation), null);
  assert.equal(primary.readRow(0, EPOCH_MS).level, 0);
  assert.deepEqual(reservation.requestsLeft, { limit: 1, remaining: 0, resetMs: 1000 });
  const other = ledger.createReservation();
  assert.equal(ledger.reserve(0, 'small', need(1, 0), EPOCH_MS, other), null);
  assert.equal(other.requestsLeft.limit, 0, 'no limit counts this model');
});

test('settling twice counts once', () => {
  const { primary, ledgers } = openTable([[meter('tokens', 100, 1000), together(1)]]);
  const ledger = ledgers[0]!;
  const reservation = ledger.createReservation();
  ledger.reserve(0, null, need(1, 60), EPOCH_MS, reservation);
  ledger.settle(reservation, usage(20), EPOCH_MS);
  ledger.settle(reservation, usage(20), EPOCH_MS);
  ledger.refund(reservation, EPOCH_MS);
  const row = primary.readRow(0, EPOCH_MS);
  assert.deepEqual([row.level, row.settled, row.refunded, row.held], [80, 20, 40, 0]);
  assert.equal(primary.readRow(1, EPOCH_MS).level, 1);
});

test('an estimate above the bucket waits for a full one, and the debt is paid by waiting', () => {
  const { primary, ledgers } = openTable([[meter('tokens', 100, 1000)]]);
  const ledger = ledgers[0]!;
  const reservation = ledger.createReservation();
  assert.equal(ledger.reserve(0, null, need(1, 5000), EPOCH_MS, reservation), null);
  ledger.settle(reservation, usage(300), EPOCH_MS);
  const row = primary.readRow(0, EPOCH_MS);
  assert.deepEqual([row.level, row.debt, row.overdrawn], [0, 200, 200]);
  const refusal = ledger.reserve(0, null, need(1, 5000), EPOCH_MS, reservation);
  assert.equal(refusal?.retryAfterMs, 3000);
  assert.equal(ledger.reserve(0, null, need(1, 5000), EPOCH_MS + 3000, reservation), null);
});

test('a refusal names the limit that takes longest', () => {
  const limits = [meter('requests', 1, 1000), meter('tokens', 10, 60_000), together(1)];
  const { ledgers } = openTable([limits]);
  const ledger = ledgers[0]!;
  ledger.reserve(0, null, need(1, 10), EPOCH_MS, ledger.createReservation());
  const refusal = ledger.reserve(0, null, need(1, 5), EPOCH_MS, ledger.createReservation());
  assert.deepEqual([refusal?.limit?.kind, refusal?.retryAfterMs], ['tokens', 30_000]);
});

test('absurd usage and absurd clocks overflow nothing and give nothing away', () => {
  const { primary, ledgers } = openTable([[meter('tokens', 1, 366 * 86_400_000)]]);
  const ledger = ledgers[0]!;
  for (const tokens of [Number.POSITIVE_INFINITY, 1e300, 2 ** 53, Number.NaN, -5]) {
    const reservation = ledger.createReservation();
    ledger.reserve(0, null, need(1, tokens), EPOCH_MS, reservation);
    ledger.settle(reservation, usage(tokens), EPOCH_MS);
    primary.reset(0);
  }
  const reservation = ledger.createReservation();
  assert.equal(ledger.reserve(0, null, need(1, 1), EPOCH_MS + 5000, reservation), null);
  for (const nowMs of [0, EPOCH_MS - 1e9, Number.NaN, Number.NEGATIVE_INFINITY, EPOCH_MS + 4000]) {
    const row = primary.readRow(0, nowMs);
    assert.equal(row.level, 0, `at ${nowMs}`);
    assert.notEqual(ledger.reserve(0, null, need(1, 1), nowMs, ledger.createReservation()), null);
  }
  assert.equal(primary.readRow(0, Number.POSITIVE_INFINITY).level, 1);
});

test('a stream is exhausted when what it spent would leave its bucket below empty, and only then', () => {
  const limits = [
    meter('tokens', 100, 1000, { enforce: 'stream' }),
    meter('output_tokens', 10, 1000),
  ];
  const { ledgers } = openTable([limits]);
  const ledger = ledgers[0]!;
  const reservation = ledger.createReservation();
  ledger.reserve(0, null, need(1, 60), EPOCH_MS, reservation);
  assert.equal(ledger.isExhausted(reservation, usage(100), EPOCH_MS), false);
  assert.equal(ledger.isExhausted(reservation, usage(101), EPOCH_MS), true);
  assert.equal(ledger.isExhausted(reservation, usage(101), EPOCH_MS + 10), false);
  ledger.settle(reservation, usage(101), EPOCH_MS);
  assert.equal(ledger.isExhausted(reservation, usage(1e6), EPOCH_MS), false);
});

test('what a dead worker held comes back, and the next begins with nothing', () => {
  const limits = [meter('tokens', 100, 1000), together(2)];
  const { primary, ledgers, plan, buffer } = openTable([limits], { workers: 2 });
  for (const ledger of ledgers)
    ledger.reserve(0, null, need(1, 30), EPOCH_MS, ledger.createReservation());
  assert.equal(primary.readRow(1, EPOCH_MS).level, 0);
  primary.reclaim(0);
  const [tokens, count] = [0, 1].map((row) => primary.readRow(row, EPOCH_MS));
  assert.deepEqual([tokens?.level, tokens?.held, tokens?.refunded], [70, 30, 30]);
  assert.deepEqual([count?.level, count?.held], [1, 1]);
  assert.equal(new LimitTable(buffer, plan, 0).sumHeld(0), 30);
});

test('operators fill a bucket and give units, and count anew who is under way', () => {
  const { primary, ledgers } = openTable([[meter('tokens', 100, 1000), together(2)]]);
  const ledger = ledgers[0]!;
  ledger.reserve(0, null, need(1, 100), EPOCH_MS, ledger.createReservation());
  assert.equal(primary.grant(0, 30), true);
  assert.equal(primary.readRow(0, EPOCH_MS).level, 30);
  primary.reset(0);
  assert.equal(primary.readRow(0, EPOCH_MS).level, 100);
  assert.equal(primary.grant(1, 1), false);
  primary.reset(1);
  assert.equal(primary.readRow(1, EPOCH_MS).level, 1);
  assert.throws(() => primary.reset(2), RangeError);
});

test('consumers of a tier share one list, and a table opens for its own plan only', () => {
  const limits = () => [meter('tokens', 100, 1000), together(2)];
  const plan = planTable([consumer('a', limits()), consumer('b', limits()), consumer('c', [])], {
    workers: 2,
  });
  assert.deepEqual([plan.lists.length, plan.rowCount, plan.longestList], [2, 4, 2]);
  const buffer = createTableBuffer(plan, EPOCH_MS);
  const other = planTable([consumer('a', limits()), consumer('b', []), consumer('c', limits())], {
    workers: 2,
  });
  assert.throws(() => new LimitTable(buffer, other, 0), /another configuration/);
  assert.throws(() => new LimitTable(new SharedArrayBuffer(4096), plan, 0), /no limit table/);
  assert.throws(() => new LimitTable(buffer, plan, 2), RangeError);
});

test('100,000 consumers with three limits and 16 workers stay below 64 MB', () => {
  const limits = [meter('tokens', 100, 1000), meter('cost', 1, 1000), together(2)];
  const consumers = Array.from({ length: 100_000 }, (_, index) => consumer(`c${index}`, limits));
  const plan = planTable(consumers, { workers: 16 });
  assert.ok(createTableBuffer(plan, 0).byteLength <= 64e6);
  assert.equal(plan.lists.length, 1);
});

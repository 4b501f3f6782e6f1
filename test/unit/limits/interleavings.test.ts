/** Two threads, every order of their steps. The orders are counted, so that a test that tries none is seen. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ledger } from '../../../src/limits/ledger.js';
import type { Memory } from '../../../src/limits/memory.js';
import { LimitTable } from '../../../src/limits/table.js';
import { exploreAll } from '../../helpers/interleave.js';
import {
  EPOCH_MS,
  meter,
  need,
  type OpenTable,
  openTable,
  together,
  usage,
} from '../../helpers/limit-tables.js';

function openLedger({ buffer, plan }: OpenTable, worker: number, memory: Memory): Ledger {
  return new Ledger(new LimitTable(buffer, plan, worker, memory));
}

test('of two that reserve at once, only one gets what is left', () => {
  const open = openTable([[meter('requests', 1, 1000)]], { workers: 2 });
  const body = (worker: number) => (memory: Memory) => {
    const ledger = openLedger(open, worker, memory);
    return ledger.reserve(0, null, need(1, 0), EPOCH_MS, ledger.createReservation()) === null;
  };
  const { ends, states } = exploreAll(open.buffer, [body(0), body(1)], (results) => {
    assert.equal(results.filter(Boolean).length, 1);
    const row = open.primary.readRow(0, EPOCH_MS);
    assert.deepEqual([row.level, row.held, row.refused], [0, 1, 1]);
  });
  assert.ok(ends >= 2 && states > 10, `${ends} ends, ${states} states`);
});

test('what is settled and what is reserved at once are both counted', () => {
  const open = openTable([[meter('tokens', 100, 1000)]], { workers: 2 });
  const settle = (used: number) => (memory: Memory) => {
    const ledger = openLedger(open, 0, memory);
    const reservation = ledger.createReservation();
    const refusal = ledger.reserve(0, null, need(1, 60), EPOCH_MS, reservation);
    ledger.settle(reservation, usage(used), EPOCH_MS);
    return refusal === null ? used : 0;
  };
  const reserve = (memory: Memory) => {
    const ledger = openLedger(open, 1, memory);
    const reservation = ledger.createReservation();
    const refusal = ledger.reserve(0, null, need(1, 50), EPOCH_MS, reservation);
    return refusal === null ? 50 : 0;
  };
  for (const used of [0, 20, 60, 90]) {
    exploreAll<number>(open.buffer, [settle(used), reserve], ([first, second]) => {
      const row = open.primary.readRow(0, EPOCH_MS);
      const taken = first! + second!;
      assert.equal(row.level - row.debt, 100 - taken, `${first} and ${second}`);
      assert.equal(row.held, second);
      assert.equal(row.settled, first);
    });
  }
});

test('a refusal by the second limit leaves no trace in the first, whoever comes in between', () => {
  const limits = [meter('tokens', 100, 1000), meter('requests', 1, 1000), together(1)];
  const open = openTable([limits], { workers: 2 });
  const body = (worker: number) => (memory: Memory) => {
    const ledger = openLedger(open, worker, memory);
    return ledger.reserve(0, null, need(1, 30), EPOCH_MS, ledger.createReservation()) === null;
  };
  const { states } = exploreAll(open.buffer, [body(0), body(1)], (results) => {
    assert.equal(results.filter(Boolean).length, 1);
    const [tokens, requests, count] = [0, 1, 2].map((row) => open.primary.readRow(row, EPOCH_MS));
    assert.deepEqual([tokens?.level, tokens?.held], [70, 30]);
    assert.deepEqual([requests?.level, requests?.held], [0, 1]);
    assert.deepEqual([count?.level, count?.held], [0, 1]);
    assert.equal(tokens!.refused + requests!.refused + count!.refused, 1);
  });
  assert.ok(states > 100, `${states} states`);
});

test('limits in opposite orders of being short never let more through than the smallest', () => {
  const limits = [meter('tokens', 50, 1000), meter('input_tokens', 40, 1000)];
  const open = openTable([limits], { workers: 2 });
  const body = (worker: number, tokens: number) => (memory: Memory) => {
    const ledger = openLedger(open, worker, memory);
    const refusal = ledger.reserve(0, null, need(1, tokens), EPOCH_MS, ledger.createReservation());
    return refusal === null ? tokens : 0;
  };
  exploreAll<number>(open.buffer, [body(0, 30), body(1, 20)], ([first, second]) => {
    const taken = first! + second!;
    assert.ok(taken <= 40);
    assert.equal(open.primary.readRow(0, EPOCH_MS).level, 50 - taken);
    assert.equal(open.primary.readRow(1, EPOCH_MS).level, 40 - taken);
  });
});

test('a worker that dies at any step loses no place for good and gains no tokens', () => {
  const limits = [meter('tokens', 100, 1000), together(3)];
  const open = openTable([limits], { workers: 2 });
  const body = (worker: number) => (memory: Memory) => {
    const ledger = openLedger(open, worker, memory);
    const reservation = ledger.createReservation();
    ledger.reserve(0, null, need(1, 30), EPOCH_MS, reservation);
    if (worker === 0) ledger.settle(reservation, usage(10), EPOCH_MS);
    return true;
  };
  const check = (): void => {
    open.primary.reclaim(0);
    const [tokens, count] = [0, 1].map((row) => open.primary.readRow(row, EPOCH_MS));
    assert.equal(count!.level, 2, 'the other still holds its place, and nobody else');
    assert.equal(count!.held, 1);
    assert.equal(tokens!.held, 30);
    assert.ok(tokens!.level <= 70, `${tokens!.level} tokens: some for nothing`);
    assert.ok(tokens!.level >= 40, `${tokens!.level} tokens: more than one reservation is lost`);
  };
  const { ends } = exploreAll(open.buffer, [body(0), body(1)], check, [0]);
  assert.ok(ends > 20, `${ends} ends`);
});

test('two workers that die at any step leave no place taken, in whichever order they are found', () => {
  const open = openTable([[together(3)]], { workers: 2 });
  const body = (worker: number) => (memory: Memory) => {
    const ledger = openLedger(open, worker, memory);
    const reservation = ledger.createReservation();
    ledger.reserve(0, null, need(1, 0), EPOCH_MS, reservation);
    ledger.release(reservation, EPOCH_MS);
    return true;
  };
  const check = (): void => {
    const primary = new LimitTable(open.buffer, open.plan, -1);
    primary.reclaim(0);
    primary.reclaim(1);
    const row = primary.readRow(0, EPOCH_MS);
    assert.deepEqual([row.level, row.held], [3, 0]);
  };
  exploreAll(open.buffer, [body(0), body(1)], check, [0, 1]);
});

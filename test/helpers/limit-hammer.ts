/** A worker thread that reserves and settles on one bucket until it has asked often enough, or for ever. */
import { parentPort, workerData } from 'node:worker_threads';
import { Ledger } from '../../src/limits/ledger.js';
import { planTable } from '../../src/limits/plan.js';
import { LimitTable } from '../../src/limits/table.js';
import { consumer, EPOCH_MS, need, usage } from './limit-tables.js';
import type { HammerOrder, HammerResult } from './limit-threads.js';

const { buffer, limits, workers, index, rounds, isEndless } = workerData as HammerOrder;
const plan = planTable([consumer('c0', limits)], {
  workers,
  dynamic: { slots: 64, limits },
});
const ledger = new Ledger(new LimitTable(buffer, plan, index));
const reservation = ledger.createReservation();
const result: HammerResult = { reserved: 0, settled: 0, refused: 0, dynamic: 0 };

for (let round = 0; round < rounds || isEndless; round += 1) {
  const tokens = 1 + (round % 50);
  const isDynamic = round % 8 === 0;
  const refusal = isDynamic
    ? ledger.reserveDynamic(`end user ${round % 40}`, null, need(1, tokens), EPOCH_MS, reservation)
    : ledger.reserve(0, null, need(1, tokens), EPOCH_MS, reservation);
  if (isDynamic) {
    if (refusal === null) {
      ledger.settle(reservation, usage(1), EPOCH_MS);
      result.dynamic += 1;
    }
  } else if (refusal !== null) result.refused += 1;
  else {
    result.reserved += tokens;
    const used = round % 60;
    ledger.settle(reservation, usage(used), EPOCH_MS);
    result.settled += used;
  }
  if (isEndless && round === 1000) parentPort?.postMessage(result);
}
parentPort?.postMessage(result);

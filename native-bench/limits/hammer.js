/** A thread that reserves and settles without a pause. Counts its own CPU time, of this thread alone. */
import { readFileSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { loadLimits, makeConsumers, NARROW_LIMITS, NEED, USED, WIDE_LIMITS } from './setup.js';

const { directory, buffer, workers, index, mode, consumers, rounds, untilMs, gate } = workerData;
const { planTable, LimitTable, Ledger, nowMs, toSharedMs } = await loadLimits(directory);

/** Nanoseconds that this thread has run: the first field of schedstat, exact where getrusage is not. */
function readThreadNs() {
  return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]);
}

const limits = mode === 'exact' ? NARROW_LIMITS : WIDE_LIMITS;
const plan = planTable(makeConsumers(consumers, limits), { workers });
const ledger = new Ledger(new LimitTable(buffer, plan, index));
const reservation = ledger.createReservation();

/** @param {number} count */
function hammer(count) {
  let refused = 0;
  let consumer = index % consumers;
  for (let round = 0; round < count; round += 1) {
    // A stride without a common divisor: every consumer's turn comes, and none is in the cache.
    consumer = (consumer + 7919) % consumers;
    const atMs = toSharedMs(0) + round * 0.001 + 1000;
    if (ledger.reserve(consumer, null, NEED, atMs, reservation) === null) {
      ledger.settle(reservation, USED, atMs);
    } else refused += 1;
  }
  return refused;
}

/** @param {number} endMs */
function drain(endMs) {
  let admitted = 0;
  let asked = 0;
  const firstMs = toSharedMs(nowMs());
  let lastMs = firstMs;
  for (let atMs = firstMs; atMs < endMs; atMs = toSharedMs(nowMs())) {
    lastMs = atMs;
    const tokens = 1 + (asked % 97);
    const need = { requests: 1, inputTokens: tokens, outputTokens: 0, costNanoDollars: 0 };
    if (ledger.reserve(0, null, need, atMs, reservation) === null) {
      ledger.settle(
        reservation,
        { inputTokens: tokens, outputTokens: 0, costNanoDollars: 0 },
        atMs,
      );
      admitted += tokens;
    }
    asked += 1;
  }
  return { admitted, asked, firstMs, lastMs };
}

const flags = new Int32Array(gate);
const pause = () => {
  Atomics.add(flags, 0, 1);
  Atomics.notify(flags, 0);
  Atomics.wait(flags, 1, 0);
};

if (mode === 'exact') {
  pause();
  parentPort?.postMessage(drain(untilMs));
} else {
  hammer(Math.min(rounds, 200_000));
  pause();
  const beforeNs = readThreadNs();
  const refused = hammer(rounds);
  parentPort?.postMessage({ cpuNs: readThreadNs() - beforeNs, rounds, refused });
}

/** What of the limit table is measured alone, without a gateway around it: exactness, CPU time of a reservation, memory. */
import { Worker } from 'node:worker_threads';
import { loadLimits, makeConsumers, NARROW_LIMITS, WIDE_LIMITS } from './setup.js';

/** @typedef {{ directory: string, threads: number, seconds: number, rounds: number }} Measuring `directory`: the checkout; `rounds`: reservations of each thread */

/** Starts the threads, lets them go at once, and gives back what each counted. @param {number} count @param {object} data */
async function runThreads(count, data) {
  const gate = new SharedArrayBuffer(8);
  const flags = new Int32Array(gate);
  const file = new URL('./hammer.js', import.meta.url);
  const results = Array.from({ length: count }, (_, index) => {
    const worker = new Worker(file, { workerData: { ...data, gate, index } });
    return new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
  });
  const ready = (async () => {
    for (let seen = 0; seen < count; seen = Atomics.load(flags, 0)) {
      await Atomics.waitAsync(flags, 0, seen).value;
    }
  })();
  await Promise.race([ready, Promise.all(results)]);
  Atomics.store(flags, 1, 1);
  Atomics.notify(flags, 1);
  return Promise.all(results);
}

/** What so many threads get out of one bucket, and how much they may. @param {Measuring} measuring */
export async function measureExactness({ directory, threads, seconds }) {
  const { planTable, createTableBuffer, LimitTable, nowMs, toSharedMs } =
    await loadLimits(directory);
  const plan = planTable(makeConsumers(1, NARROW_LIMITS), { workers: threads });
  const [{ amount, perMs, burst }] = NARROW_LIMITS;
  const startMs = toSharedMs(nowMs());
  const buffer = createTableBuffer(plan, startMs);
  // The bucket is full when it is made; the threads take a moment to start, so the time counts from the first call.
  const untilMs = startMs + 1000 + seconds * 1000;
  const counts = await runThreads(threads, {
    directory,
    buffer,
    workers: threads,
    mode: 'exact',
    consumers: 1,
    untilMs,
  });
  const admitted = counts.reduce((sum, count) => sum + count.admitted, 0);
  const asked = counts.reduce((sum, count) => sum + count.asked, 0);
  const row = new LimitTable(buffer, plan, -1).readRow(0, toSharedMs(nowMs()));
  const firstMs = Math.min(...counts.map(({ firstMs }) => firstMs));
  const lastMs = Math.max(...counts.map(({ lastMs }) => lastMs));
  const allowed = burst + ((lastMs - firstMs) * amount) / perMs;
  return {
    threads,
    seconds: (lastMs - firstMs) / 1000,
    asked,
    admitted,
    allowed: Math.floor(allowed),
    share: admitted / allowed,
    recount: row.settled === admitted && row.held === 0,
    holds: admitted <= allowed && admitted >= allowed * 0.99 && row.settled === admitted,
  };
}

/**
 * CPU time of a reservation and its settlement, three limits. @param {Measuring} measuring
 * @param {string} name @param {number} count of threads @param {number} consumers @param {number | null} goalNs
 */
export async function measureCost({ directory, rounds }, name, count, consumers, goalNs) {
  const { planTable, createTableBuffer, nowMs, toSharedMs } = await loadLimits(directory);
  const plan = planTable(makeConsumers(consumers, WIDE_LIMITS), { workers: count });
  const buffer = createTableBuffer(plan, toSharedMs(nowMs()) - 1000);
  const data = { directory, buffer, workers: count, mode: 'cost', consumers, rounds };
  const counts = await runThreads(count, data);
  const refused = counts.reduce((sum, one) => sum + one.refused, 0);
  const cpuNs =
    counts.reduce((sum, one) => sum + one.cpuNs, 0) /
    counts.reduce((sum, one) => sum + one.rounds, 0);
  if (refused > 0) throw new Error(`${name}: ${refused} were refused, so this is no measurement`);
  return {
    name,
    threads: count,
    consumers,
    cpuNs: Math.round(cpuNs),
    goalNs,
    holds: goalNs === null || cpuNs <= goalNs,
  };
}

/** What 100,000 consumers with three limits take. @param {Measuring} measuring */
export async function measureMemory({ directory }) {
  const { planTable, createTableBuffer, nowMs, toSharedMs } = await loadLimits(directory);
  const consumers = makeConsumers(100_000, WIDE_LIMITS);
  globalThis.gc?.();
  const before = process.memoryUsage();
  const startedMs = nowMs();
  const plan = planTable(consumers, { workers: 16 });
  const plannedMs = nowMs() - startedMs;
  const buffer = createTableBuffer(plan, toSharedMs(nowMs()));
  const createdMs = nowMs() - startedMs - plannedMs;
  const after = process.memoryUsage();
  const planBytes = plan.listOf.byteLength + plan.firstRow.byteLength;
  return {
    rows: plan.rowCount,
    workers: 16,
    sharedBytes: buffer.byteLength,
    planBytesPerThread: planBytes,
    heapBytes: after.heapUsed - before.heapUsed,
    plannedMs: Math.round(plannedMs),
    createdMs: Math.round(createdMs),
    holds: buffer.byteLength <= 64e6,
  };
}

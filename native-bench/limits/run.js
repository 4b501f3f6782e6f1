/**
 * Measures the limit table: exactness under eight threads, CPU time of a reservation, memory.
 *
 *   npm run build && node native-bench/limits/run.js [--weir DIR] [--seconds 10] [--threads 8] [--json FILE]
 */
import { writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { loadLimits, makeConsumers, NARROW_LIMITS, WIDE_LIMITS } from './setup.js';

const { values } = parseArgs({
  options: {
    weir: { type: 'string', default: dirname(dirname(dirname(fileURLToPath(import.meta.url)))) },
    seconds: { type: 'string', default: '10' },
    threads: { type: 'string', default: '8' },
    rounds: { type: 'string', default: '500000' },
    json: { type: 'string' },
  },
});
const directory = values.weir;
const threads = Number(values.threads);
const rounds = Number(values.rounds);
const { planTable, createTableBuffer, LimitTable, nowMs, toSharedMs } = await loadLimits(directory);

/** Starts the threads, lets them go at once, and gives back what each counted. */
async function runThreads(count, data) {
  const gate = new SharedArrayBuffer(8);
  const flags = new Int32Array(gate);
  const file = new URL('./hammer.js', import.meta.url);
  const results = Array.from({ length: count }, (_, index) => {
    const worker = new Worker(file, { workerData: { ...data, directory, gate, index } });
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

async function measureExactness() {
  const plan = planTable(makeConsumers(1, NARROW_LIMITS), { workers: threads });
  const [{ amount, perMs, burst }] = NARROW_LIMITS;
  const startMs = toSharedMs(nowMs());
  const buffer = createTableBuffer(plan, startMs);
  // The bucket is full when it is made; the threads take a moment to start, so the time counts from the first call.
  const untilMs = startMs + 1000 + Number(values.seconds) * 1000;
  const counts = await runThreads(threads, {
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

async function measureCost(name, count, consumers, goalNs) {
  const plan = planTable(makeConsumers(consumers, WIDE_LIMITS), { workers: count });
  const buffer = createTableBuffer(plan, toSharedMs(nowMs()) - 1000);
  const data = { buffer, workers: count, mode: 'cost', consumers, rounds };
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

function measureMemory() {
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

const exactness = await measureExactness();
const costs = [
  await measureCost('alone, one consumer', 1, 1, 1000),
  await measureCost('alone, 100,000 consumers', 1, 100_000, null),
  await measureCost('threads on one consumer', threads, 1, 3000),
  await measureCost('threads on 100,000 consumers', threads, 100_000, null),
];
const memory = measureMemory();
const report = { node: process.version, exactness, costs, memory };

const verdict = (holds) => (holds ? 'holds' : 'FAILS');
const lines = [
  `exactness: ${threads} threads, ${exactness.seconds.toFixed(1)} s, ${exactness.asked} asked`,
  `  admitted ${exactness.admitted} of ${exactness.allowed} (${(exactness.share * 100).toFixed(3)} %), ` +
    `recount ${exactness.recount ? 'agrees' : 'DIFFERS'}: ${verdict(exactness.holds)}`,
  'CPU time of reserve and settle, three limits:',
  ...costs.map(
    ({ name, threads: count, cpuNs, goalNs, holds }) =>
      `  ${name.padEnd(30)} ${String(count).padStart(2)} thread(s)  ${String(cpuNs).padStart(5)} ns` +
      (goalNs === null ? '' : `  goal ${goalNs}: ${verdict(holds)}`),
  ),
  `memory: ${memory.rows} rows, ${memory.workers} workers: ${(memory.sharedBytes / 1e6).toFixed(1)} MB shared ` +
    `(goal 64: ${verdict(memory.holds)}), ${(memory.planBytesPerThread / 1e6).toFixed(1)} MB a thread, ` +
    `planned in ${memory.plannedMs} ms, made in ${memory.createdMs} ms`,
];
process.stdout.write(`${lines.join('\n')}\n`);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
const failed = !exactness.holds || !memory.holds || costs.some(({ holds }) => !holds);
process.exitCode = failed ? 1 : 0;

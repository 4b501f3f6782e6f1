/**
 * Measures the limit table: exactness under eight threads, CPU time of a reservation, memory.
 *
 *   npm run build && node native-bench/limits/run.js [--weir DIR] [--seconds 10] [--threads 8] [--json FILE]
 */
import { writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { measureCost, measureExactness, measureMemory } from './measure.js';
import { loadLimits } from './setup.js';

const { values } = parseArgs({
  options: {
    weir: { type: 'string', default: dirname(dirname(dirname(fileURLToPath(import.meta.url)))) },
    seconds: { type: 'string', default: '10' },
    threads: { type: 'string', default: '8' },
    rounds: { type: 'string', default: '500000' },
    json: { type: 'string' },
  },
});
const threads = Number(values.threads);
const measuring = {
  directory: values.weir,
  threads,
  seconds: Number(values.seconds),
  rounds: Number(values.rounds),
};

// As the gateway does before its workers start; a checkout from before it did has nothing to set.
(await loadLimits(measuring.directory)).widenInlining();
const exactness = await measureExactness(measuring);
const costs = [
  await measureCost(measuring, 'alone, one consumer', 1, 1, 1000),
  await measureCost(measuring, 'alone, 100,000 consumers', 1, 100_000, null),
  await measureCost(measuring, 'threads on one consumer', threads, 1, 3000),
  await measureCost(measuring, 'threads on 100,000 consumers', threads, 100_000, null),
];
const memory = await measureMemory(measuring);
const report = { node: process.version, exactness, costs, memory };

const verdict = (/** @type {boolean} */ holds) => (holds ? 'holds' : 'FAILS');
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

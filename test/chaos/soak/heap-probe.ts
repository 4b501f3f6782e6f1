/**
 * Loaded into each thread of the gateway by `--import`: writes how much of its heap is in use to a file of its own. The
 * least of a period is written, which is what the last collection left and not what has piled up since.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { getHeapStatistics } from 'node:v8';
import { threadId } from 'node:worker_threads';

const LOOK_MS = 200;
const folder = process.env['WEIR_HEAP_PROBE'];
const periodMs = Number(process.env['WEIR_HEAP_PROBE_MS'] ?? 5000);

if (folder !== undefined) {
  const file = join(folder, `${process.pid}-${threadId}`);
  let least = Number.POSITIVE_INFINITY;
  setInterval(() => {
    least = Math.min(least, getHeapStatistics().used_heap_size);
  }, LOOK_MS).unref();
  setInterval(() => {
    writeFileSync(file, String(least));
    least = Number.POSITIVE_INFINITY;
  }, periodMs).unref();
}

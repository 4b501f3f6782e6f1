/**
 * Loaded into each thread of the gateway by `--import`: collects garbage now and then and writes what is left to a file of
 * its own. Without the collection a heap of which little grows old rises for many minutes until V8 looks at it, which
 * is not told from a leak.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { threadId } from 'node:worker_threads';

const folder = process.env['WEIR_HEAP_PROBE'];
const periodMs = Number(process.env['WEIR_HEAP_PROBE_MS'] ?? 5000);

if (folder !== undefined) {
  const file = join(folder, `${process.pid}-${threadId}`);
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  setInterval(() => {
    collect();
    writeFileSync(file, String(getHeapStatistics().used_heap_size));
  }, periodMs).unref();
}

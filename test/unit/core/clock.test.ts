import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';

const CLOCK = new URL('../../../src/core/clock.js', import.meta.url).href;
const THREADS = 8;
/** Far below a request's time; a thread that was held up between two readings was off by milliseconds. */
const OFF_MS_MAX = 0.1;

/** How far a thread's shared time lies outside of two readings of the machine's clock around it, at best. */
const MEASURE = `
  import { parentPort } from 'node:worker_threads';
  import { nowMs, toSharedMs } from ${JSON.stringify(CLOCK)};
  let least = Infinity;
  for (let tries = 0; tries < 1000; tries += 1) {
    const before = Number(process.hrtime.bigint()) / 1e6;
    const shared = toSharedMs(nowMs());
    const after = Number(process.hrtime.bigint()) / 1e6;
    least = Math.min(least, Math.max(0, before - shared, shared - after));
  }
  parentPort.postMessage(least);
`;

test('threads that start at once disagree about what time it is', async () => {
  const url = new URL(`data:text/javascript,${encodeURIComponent(MEASURE)}`);
  const workers = Array.from({ length: THREADS }, () => new Worker(url));
  const off = await Promise.all(
    workers.map(async (worker) => {
      const [ms] = (await once(worker, 'message')) as [number];
      await worker.terminate();
      return ms;
    }),
  );
  assert.ok(Math.max(...off) <= OFF_MS_MAX, `off by ${off.join(', ')} ms`);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LoopReading, LoopWatch } from '../../../src/overload/loop-watch.js';
import { readThreadTime, shareOfCore } from '../../../src/overload/thread-time.js';

const BLOCK_MS = 60;

/** The first reading after `start` of a loop in which each round takes so long. */
function measure(blockMs: number): Promise<LoopReading> {
  return new Promise((resolve) => {
    let isOver = false;
    const watch = new LoopWatch({
      onTick: () => {},
      onInterval: (reading) => {
        isOver = true;
        watch.stop();
        clearInterval(held);
        resolve(reading);
      },
    });
    // The watch alone does not keep the process alive.
    const held = setInterval(() => {}, 1000);
    const block = (): void => {
      const until = performance.now() + blockMs;
      while (performance.now() < until);
      if (!isOver) setImmediate(block);
    };
    if (blockMs > 0) setImmediate(block);
    watch.start();
  });
}

test('a loop whose rounds take long is seen to be as late, and to be all busy', async () => {
  const { lagMs, workMs, busyShare } = await measure(BLOCK_MS);
  assert.ok(workMs > 0 && workMs <= lagMs, `${workMs} of ${lagMs} ms`);
  assert.ok(lagMs >= BLOCK_MS * 0.9, `${lagMs} ms`);
  assert.ok(busyShare > 0.9, String(busyShare));
});

test('an idle loop goes round at once', async () => {
  // On a busy machine one measurement may fall into a pause.
  let best = Number.POSITIVE_INFINITY;
  for (let tries = 0; tries < 10 && best > 10; tries += 1) {
    best = Math.min(best, (await measure(0)).lagMs);
  }
  assert.ok(best <= 10, `${best} ms`);
});

test('it can be stopped and started again', async () => {
  const watch = new LoopWatch({ onTick: () => {}, onInterval: () => {} });
  watch.start();
  watch.start();
  assert.equal(watch.isRunning, true);
  watch.stop();
  watch.stop();
  assert.equal(watch.isRunning, false);
});

test('what a thread has run is told apart from what it has waited for a core', () => {
  const before = readThreadTime();
  const until = performance.now() + 50;
  while (performance.now() < until);
  const after = readThreadTime();
  assert.ok(before !== null && after !== null);
  assert.ok(after.ranNs > before.ranNs);
  const from = { ranNs: 10, waitedNs: 10 };
  assert.equal(shareOfCore(from, { ranNs: 40, waitedNs: 80 }, 30), 0.3);
  assert.equal(shareOfCore(from, { ranNs: 40, waitedNs: 10 }, 30), 1);
  assert.equal(shareOfCore(from, { ranNs: 40, waitedNs: 10 }, 20), 1, 'asking takes time, too');
  assert.equal(shareOfCore(from, { ranNs: 40, waitedNs: 10 }, 60), 0.5, 'another machine had it');
  assert.equal(shareOfCore(from, { ranNs: 11, waitedNs: 109 }, 0), 0.1);
  assert.equal(shareOfCore(before, null, 1), 1, 'where nobody knows, all of it is its own');
});

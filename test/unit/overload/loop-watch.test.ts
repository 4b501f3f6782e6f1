import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LoopWatch } from '../../../src/overload/loop-watch.js';

const BLOCK_MS = 60;

interface Reading {
  readonly lagMs: number;
  readonly busyShare: number;
}

/** The first reading after `start` of a loop in which each round takes so long. */
function measure(blockMs: number): Promise<Reading> {
  return new Promise((resolve) => {
    let isOver = false;
    const watch = new LoopWatch({
      onTick: () => {},
      onInterval: (lagMs, busyShare) => {
        isOver = true;
        watch.stop();
        clearInterval(held);
        resolve({ lagMs, busyShare });
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
  const { lagMs, busyShare } = await measure(BLOCK_MS);
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

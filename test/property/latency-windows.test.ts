import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  createHistogram,
  HistogramStore,
  MEASURE,
  WorkerHistograms,
} from '../../src/observe/histograms.js';
import { LatencyWindows, WINDOWS } from '../../src/observe/latency-windows.js';

const { stepMs, steps } = WINDOWS['1m'];

test('a window’s percentiles are those of one histogram fed with the values of its time', () => {
  const valueUs = fc.integer({ min: 1, max: 100_000_000 });
  const turns = fc.array(fc.array(fc.tuple(fc.nat({ max: 2 }), valueUs), { maxLength: 20 }), {
    minLength: 1,
    maxLength: steps * 2,
  });
  fc.assert(
    fc.property(turns, (valuesByStep) => {
      const workers = [0, 1, 2].map(() => new WorkerHistograms());
      const store = new HistogramStore();
      const windows = new LatencyWindows(0);
      valuesByStep.forEach((values, step) => {
        for (const [worker, value] of values) workers[worker]?.recordDuration(0, value);
        workers.forEach((worker, index) => {
          store.takeIn(index, worker.takeSnapshot());
        });
        // Twice in a step: only the first of them ends it.
        windows.advance((step + 1) * stepMs, store.merge());
        windows.advance((step + 1) * stepMs + 1, store.merge());
      });
      const inWindow = valuesByStep.slice(-steps).flat();
      const whole = createHistogram();
      for (const [, value] of inWindow) whole.recordValue(value);
      const [read, ...others] = windows.read('1m');
      assert.equal(others.length, 0);
      if (inWindow.length === 0) return assert.equal(read, undefined);
      assert.equal(read?.measure, MEASURE.duration);
      assert.equal(
        read?.sumUs,
        inWindow.reduce((sum, [, value]) => sum + value, 0),
      );
      for (let index = 0; index < whole.countsArrayLength; index += 1) {
        assert.equal(read?.histogram.getCountAtIndex(index), whole.getCountAtIndex(index));
      }
    }),
    { numRuns: 60 },
  );
});

test('a worker that was replaced takes nothing away', () => {
  const windows = new LatencyWindows(0);
  const read = (count: number): void => {
    const worker = new WorkerHistograms();
    for (let made = 0; made < count; made += 1) worker.recordDuration(0, 1000);
    const store = new HistogramStore();
    store.takeIn(0, worker.takeSnapshot());
    windows.advance((count + 1) * stepMs, store.merge());
  };
  read(5);
  windows.advance(7 * stepMs, []);
  read(9);
  assert.ok((windows.read('1m')[0]?.histogram.totalCount ?? 0) >= 9);
});

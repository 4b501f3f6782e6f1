import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  createHistogram,
  HistogramStore,
  type MergedSeries,
} from '../../src/observe/histogram-store.js';
import { MEASURE, WorkerHistograms } from '../../src/observe/histograms.js';
import { LatencyWindows, WINDOWS } from '../../src/observe/latency-windows.js';

const { stepMs, steps } = WINDOWS['1m'];

function checkWindow(read: MergedSeries | null, values: readonly number[]): void {
  if (values.length === 0) {
    assert.equal(read, null);
    return;
  }
  assert.ok(read !== null);
  const sumUs = values.reduce((sum, value) => sum + value, 0);
  assert.equal(read.sumUs, sumUs);
  const whole = createHistogram();
  for (const value of values) whole.recordValue(value);
  for (let index = 0; index < whole.countsArrayLength; index += 1) {
    assert.equal(read.histogram.getCountAtIndex(index), whole.getCountAtIndex(index));
  }
}

test('a window’s percentiles are those of one histogram fed with the values of its time', () => {
  const valueUs = fc.integer({ min: 1, max: 100_000_000 });
  const turns = fc.array(
    fc.array(fc.tuple(fc.nat({ max: 2 }), valueUs, fc.nat({ max: 1 })), { maxLength: 20 }),
    {
      minLength: 1,
      maxLength: steps * 2,
    },
  );
  fc.assert(
    fc.property(turns, (valuesByStep) => {
      const workers = [0, 1, 2].map(() => new WorkerHistograms());
      const store = new HistogramStore();
      const windows = new LatencyWindows(0);
      valuesByStep.forEach((values, step) => {
        for (const [worker, value, status] of values) {
          workers[worker]?.recordDuration(0, value, status);
        }
        workers.forEach((worker, index) => {
          store.takeIn(index, worker.takeSnapshot());
        });
        // Twice in a step: only the first of them ends it.
        windows.advance((step + 1) * stepMs, store.merge());
        windows.advance((step + 1) * stepMs + 1, store.merge());
      });
      const read = windows.read('1m');
      for (const status of [0, 1]) {
        const values = valuesByStep
          .slice(-steps)
          .flat()
          .filter((entry) => entry[2] === status)
          .map(([, value]) => value);
        checkWindow(read.find((series) => series.status === status) ?? null, values);
      }
      assert.ok(read.every(({ measure, status }) => measure === MEASURE.duration && status < 2));
    }),
    { numRuns: 60 },
  );
});

test('a worker that was replaced takes nothing away', () => {
  const windows = new LatencyWindows(0);
  const read = (count: number): void => {
    const worker = new WorkerHistograms();
    for (let made = 0; made < count; made += 1) worker.recordDuration(0, 1000, 0);
    const store = new HistogramStore();
    store.takeIn(0, worker.takeSnapshot());
    windows.advance((count + 1) * stepMs, store.merge());
  };
  read(5);
  windows.advance(7 * stepMs, []);
  read(9);
  assert.ok((windows.read('1m')[0]?.histogram.totalCount ?? 0) >= 9);
});

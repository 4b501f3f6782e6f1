import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeMessage, encodeMessage } from '../../src/core/wire.js';
import {
  countUpTo,
  createHistogram,
  HistogramStore,
  WorkerHistograms,
} from '../../src/observe/histograms.js';

/** As many small values as large ones: evenly over the powers of two up to an hour. */
const valueUs = fc
  .tuple(fc.integer({ min: 0, max: 31 }), fc.double({ min: 1, max: 2, noNaN: true }))
  .map(([power, factor]) => Math.min(Math.round(2 ** power * factor), 3_600_000_000));

test('merged percentiles are those of one histogram fed with all values', () => {
  const workers = fc.array(fc.array(valueUs, { maxLength: 200 }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(workers, fc.integer({ min: 0, max: 5 }), (valuesByWorker, scrapeEvery) => {
      const whole = createHistogram();
      const store = new HistogramStore();
      let sumUs = 0;
      valuesByWorker.forEach((values, index) => {
        const worker = new WorkerHistograms();
        // Scrapes fall in between as they like; a message carries each snapshot.
        const scrape = (): void => {
          const { bytes } = encodeMessage({ id: 'x', snapshot: worker.takeSnapshot() });
          store.takeIn(index, (decodeMessage(bytes) as { snapshot: Uint8Array }).snapshot);
        };
        values.forEach((value, at) => {
          worker.recordDuration(3, value);
          whole.recordValue(value);
          sumUs += value;
          if (scrapeEvery > 0 && at % (scrapeEvery * 10) === 0) scrape();
        });
        scrape();
      });
      const [merged] = store.merge();
      if (whole.totalCount === 0) return assert.equal(merged, undefined);
      assert.ok(merged);
      assert.equal(merged.histogram.totalCount, whole.totalCount);
      assert.equal(merged.sumUs, sumUs);
      for (const percentile of [0, 1, 25, 50, 75, 90, 95, 99, 99.9, 99.99, 100]) {
        assert.equal(
          merged.histogram.getValueAtPercentile(percentile),
          whole.getValueAtPercentile(percentile),
        );
      }
      for (let index = 0; index < whole.countsArrayLength; index += 1) {
        assert.equal(merged.histogram.getCountAtIndex(index), whole.getCountAtIndex(index));
      }
    }),
    { numRuns: 150 },
  );
});

test('buckets never fall short of the truth, and exceed it by 1 % of the bound at most', () => {
  const bounds = [50, 100, 1_000, 25_000, 1_000_000, 600_000_000];
  fc.assert(
    fc.property(fc.array(valueUs, { maxLength: 300 }), (values) => {
      const histogram = createHistogram();
      for (const value of values) histogram.recordValue(value);
      const counts = countUpTo(histogram, bounds);
      bounds.forEach((bound, position) => {
        const count = counts[position] ?? -1;
        assert.ok(count >= values.filter((value) => value <= bound).length);
        assert.ok(count <= values.filter((value) => value <= bound * 1.01).length);
      });
    }),
  );
});

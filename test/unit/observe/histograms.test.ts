import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  countUpTo,
  createHistogram,
  HistogramStore,
  sumOverStatus,
} from '../../../src/observe/histogram-store.js';
import {
  COUNTS,
  MEASURE,
  OTHER_PLACES,
  WorkerHistograms,
} from '../../../src/observe/histograms.js';
import { STATUS_CLASSES } from '../../../src/observe/status-classes.js';

test('a worker keeps as many counts as the library reads', () => {
  assert.equal(createHistogram().countsArrayLength, COUNTS);
});

test('values out of range are kept at its ends', () => {
  const worker = new WorkerHistograms();
  for (const value of [Number.NaN, -5, 0, 0.4, 1e12, Number.POSITIVE_INFINITY])
    worker.recordAdded(value);
  const store = new HistogramStore();
  store.takeIn(0, worker.takeSnapshot());
  const [series] = store.merge();
  assert.equal(series?.histogram.totalCount, 6);
  assert.equal(series?.sumUs, 4 + 2 * 3.6e9);
  assert.ok((series?.histogram.getValueAtPercentile(100) ?? 0) >= 3.6e9);
});

test('histograms are merged once for all who ask, until more is known', () => {
  const worker = new WorkerHistograms();
  const store = new HistogramStore();
  assert.deepEqual(store.merge(), []);
  worker.recordAdded(1000);
  store.takeIn(0, worker.takeSnapshot());
  const merged = store.merge();
  assert.equal(merged[0]?.histogram.totalCount, 1);
  assert.equal(store.merge(), merged);
  store.retire(1);
  assert.equal(store.merge(), merged, 'nothing was known of it');
  store.retire(0);
  assert.equal(store.merge()[0]?.histogram.totalCount, 1, 'what is known of it stays');
  worker.recordAdded(1000);
  store.takeIn(0, worker.takeSnapshot());
  assert.equal(store.merge()[0]?.histogram.totalCount, 3);
});

test('a snapshot holds what changed, in full, and a lost one loses nothing', () => {
  const worker = new WorkerHistograms();
  worker.recordFirstByte(0, 1000);
  worker.recordDuration(0, 2000, 0);
  worker.takeSnapshot(); // lost on the way
  worker.recordFirstByte(0, 1000);
  const store = new HistogramStore();
  store.takeIn(0, worker.takeSnapshot());
  assert.deepEqual(
    store.merge().map((s) => [s.measure, s.histogram.totalCount]),
    [[MEASURE.firstByte, 2]],
  );
  assert.equal(worker.takeSnapshot().byteLength, 0);
  store.takeIn(0, worker.takeSnapshot());
  assert.equal(
    store.merge()[0]?.histogram.totalCount,
    2,
    'an empty snapshot leaves the last one standing',
  );
  worker.recordDuration(0, 2000, 0);
  store.takeIn(0, worker.takeSnapshot());
  assert.equal(store.merge().find((s) => s.measure === MEASURE.duration)?.histogram.totalCount, 2);
});

test('the number of histograms is bounded, and no value is lost', () => {
  const worker = new WorkerHistograms(6);
  for (let route = 0; route < 50; route += 1) {
    worker.recordDuration(route, 100, 0);
    worker.recordFirstByte(route, 50);
  }
  const store = new HistogramStore();
  store.takeIn(0, worker.takeSnapshot());
  const merged = store.merge();
  assert.ok(merged.length <= 6);
  assert.ok(merged.some((series) => series.place === OTHER_PLACES));
  for (const measure of [MEASURE.duration, MEASURE.firstByte]) {
    const counts = merged.filter((s) => s.measure === measure).map((s) => s.histogram.totalCount);
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      50,
    );
  }
});

test('the bound holds whatever is measured, each measure and status apart', () => {
  const histogramsMax = 40;
  const worker = new WorkerHistograms(histogramsMax);
  const values = 30;
  for (let place = 0; place < values; place += 1) {
    worker.recordFirstByte(place, 1000);
    worker.recordFirstToken(place, 1000);
    worker.recordOutputToken(place, 1000);
    worker.recordEstimate(place, 1);
    worker.recordQueue(place, 1000);
    worker.recordConnect(place, 1000);
    STATUS_CLASSES.forEach((_, status) => {
      worker.recordDuration(place, 1000, status);
    });
    worker.recordAdded(1000);
    worker.recordAddedBefore(1000);
    worker.recordAddedAfter(1000);
  }
  const store = new HistogramStore();
  while (worker.hasChanges) store.takeIn(0, worker.takeSnapshot());
  const merged = store.merge();
  assert.ok(merged.length <= histogramsMax, `${merged.length}`);
  const counts = new Map<string, number>();
  for (const { measure, status, histogram } of merged) {
    const name = `${measure} ${status}`;
    counts.set(name, (counts.get(name) ?? 0) + histogram.totalCount);
  }
  assert.equal(counts.size, Object.keys(MEASURE).length - 1 + STATUS_CLASSES.length);
  assert.deepEqual(new Set(counts.values()), new Set([values]));
  const sums = sumOverStatus(merged).filter(({ measure }) => measure === MEASURE.duration);
  const all = sums.reduce((sum, { histogram }) => sum + histogram.totalCount, 0);
  assert.equal(all, values * STATUS_CLASSES.length);
});

test('snapshots are read at any offset, and a cut one is refused', () => {
  const worker = new WorkerHistograms();
  worker.recordAdded(40);
  const snapshot = worker.takeSnapshot();
  const shifted = new Uint8Array(snapshot.byteLength + 3);
  shifted.set(snapshot, 3);
  const store = new HistogramStore();
  store.takeIn(0, shifted.subarray(3));
  assert.equal(store.merge()[0]?.histogram.totalCount, 1);
  assert.throws(() => store.takeIn(0, snapshot.subarray(0, snapshot.byteLength - 8)), RangeError);
});

test('buckets are cumulative and hold values equal to their bound', () => {
  const histogram = createHistogram();
  for (const value of [50, 1000, 1000, 5_000_000, 3_600_000_000]) histogram.recordValue(value);
  assert.deepEqual(
    countUpTo(histogram, [49, 50, 999, 1000, 5_000_000, 7_200_000_000]),
    [0, 1, 1, 3, 4, 5],
  );
});

test('a snapshot in pieces is the whole one', () => {
  const worker = new WorkerHistograms();
  for (let route = 0; route < 50; route += 1) worker.recordDuration(route, 100 + route, 0);
  const store = new HistogramStore();
  let pieces = 0;
  while (worker.hasChanges) {
    store.takeIn(0, worker.takeSnapshot());
    pieces += 1;
  }
  assert.equal(pieces, 2);
  assert.equal(store.merge().length, 50);
});

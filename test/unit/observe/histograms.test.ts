import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  countUpTo,
  createHistogram,
  HistogramStore,
  MEASURE,
  OTHER_ROUTES,
  WorkerHistograms,
} from '../../../src/observe/histograms.js';

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

test('a snapshot holds what changed, in full, and a lost one loses nothing', () => {
  const worker = new WorkerHistograms();
  worker.recordFirstByte(0, 1000);
  worker.recordDuration(0, 2000);
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
  worker.recordDuration(0, 2000);
  store.takeIn(0, worker.takeSnapshot());
  assert.equal(store.merge().find((s) => s.measure === MEASURE.duration)?.histogram.totalCount, 2);
});

test('the number of histograms is bounded, and no value is lost', () => {
  const worker = new WorkerHistograms(6);
  for (let route = 0; route < 50; route += 1) {
    worker.recordDuration(route, 100);
    worker.recordFirstByte(route, 50);
  }
  const store = new HistogramStore();
  store.takeIn(0, worker.takeSnapshot());
  const merged = store.merge();
  assert.ok(merged.length <= 6);
  assert.ok(merged.some((series) => series.route === OTHER_ROUTES));
  for (const measure of [MEASURE.duration, MEASURE.firstByte]) {
    const counts = merged.filter((s) => s.measure === measure).map((s) => s.histogram.totalCount);
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      50,
    );
  }
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
  for (let route = 0; route < 50; route += 1) worker.recordDuration(route, 100 + route);
  const store = new HistogramStore();
  let pieces = 0;
  while (worker.hasChanges) {
    store.takeIn(0, worker.takeSnapshot());
    pieces += 1;
  }
  assert.equal(pieces, 2);
  assert.equal(store.merge().length, 50);
});

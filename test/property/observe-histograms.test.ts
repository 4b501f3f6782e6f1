import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { JsHistogram } from 'hdr-histogram-js';
import { decodeMessage, encodeMessage } from '../../src/core/wire.js';
import {
  countUpTo,
  createHistogram,
  HistogramStore,
  type MergedSeries,
  sumOverStatus,
} from '../../src/observe/histogram-store.js';
import { ALL_PLACES, MEASURE, WorkerHistograms } from '../../src/observe/histograms.js';
import { STATUS_CLASSES } from '../../src/observe/status-classes.js';

/** As many small values as large ones: evenly over the powers of two up to an hour. */
const valueUs = fc
  .tuple(fc.integer({ min: 0, max: 31 }), fc.double({ min: 1, max: 2, noNaN: true }))
  .map(([power, factor]) => Math.min(Math.round(2 ** power * factor), 3_600_000_000));

/** Each way to record, what it stands for, and by which place. */
const WAYS: readonly (readonly [
  key: string,
  record: (worker: WorkerHistograms, place: number, us: number) => void,
  hasPlace: boolean,
])[] = [
  ['firstByte', (worker, place, us) => worker.recordFirstByte(place, us), true],
  ['firstToken', (worker, place, us) => worker.recordFirstToken(place, us), true],
  ['outputToken', (worker, place, us) => worker.recordOutputToken(place, us), true],
  ['queue', (worker, place, us) => worker.recordQueue(place, us), true],
  ['connect', (worker, place, us) => worker.recordConnect(place, us), true],
  ['added', (worker, _place, us) => worker.recordAdded(us), false],
  ['addedBefore', (worker, _place, us) => worker.recordAddedBefore(us), false],
  ['addedAfter', (worker, _place, us) => worker.recordAddedAfter(us), false],
  ...STATUS_CLASSES.map((_, status) => {
    const record = (worker: WorkerHistograms, place: number, us: number): void =>
      worker.recordDuration(place, us, status);
    return [`duration ${status}`, record, true] as const;
  }),
];
const MEASURE_NAMES = new Map(Object.entries(MEASURE).map(([name, measure]) => [measure, name]));

/** What one histogram that was fed with all values would be, by measure, status and place. */
class Whole {
  readonly byKey = new Map<string, { histogram: JsHistogram; sumUs: number }>();

  record(key: string, value: number): void {
    const known = this.byKey.get(key) ?? { histogram: createHistogram(), sumUs: 0 };
    known.histogram.recordValue(value);
    known.sumUs += value;
    this.byKey.set(key, known);
  }

  check(merged: readonly MergedSeries[]): void {
    assert.equal(merged.length, this.byKey.size);
    for (const { measure, place, status, sumUs, histogram } of merged) {
      const name = MEASURE_NAMES.get(measure) ?? '';
      const key = `${status < 0 ? name : `${name} ${status}`}@${place}`;
      const whole = this.byKey.get(key);
      assert.ok(whole !== undefined, key);
      assert.equal(sumUs, whole.sumUs, key);
      checkEqual(histogram, whole.histogram);
    }
  }
}

function checkEqual(merged: JsHistogram, whole: JsHistogram): void {
  assert.equal(merged.totalCount, whole.totalCount);
  for (const percentile of [0, 1, 25, 50, 75, 90, 95, 99, 99.9, 99.99, 100]) {
    assert.equal(merged.getValueAtPercentile(percentile), whole.getValueAtPercentile(percentile));
  }
  for (let index = 0; index < whole.countsArrayLength; index += 1) {
    assert.equal(merged.getCountAtIndex(index), whole.getCountAtIndex(index));
  }
}

test('merged percentiles are those of one histogram fed with all values, of every measure', () => {
  const value = fc.tuple(fc.nat({ max: WAYS.length - 1 }), fc.nat({ max: 2 }), valueUs);
  const workers = fc.array(fc.array(value, { maxLength: 200 }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(workers, fc.integer({ min: 0, max: 5 }), (valuesByWorker, scrapeEvery) => {
      const whole = new Whole();
      const durations = new Whole();
      const store = new HistogramStore();
      valuesByWorker.forEach((values, index) => {
        const worker = new WorkerHistograms();
        // Scrapes fall in between as they like; a message carries each snapshot.
        const scrape = (): void => {
          while (worker.hasChanges) {
            const { bytes } = encodeMessage({ id: 'x', snapshot: worker.takeSnapshot() });
            store.takeIn(index, (decodeMessage(bytes) as { snapshot: Uint8Array }).snapshot);
          }
        };
        values.forEach(([way, place, us], at) => {
          const [key, record, hasPlace] = WAYS[way] as (typeof WAYS)[number];
          record(worker, place, us);
          whole.record(`${key}@${hasPlace ? place : ALL_PLACES}`, us);
          if (key.startsWith('duration')) durations.record(`duration@${place}`, us);
          if (scrapeEvery > 0 && at % (scrapeEvery * 10) === 0) scrape();
        });
        scrape();
        // A thread that ends leaves what it measured.
        if (index % 2 === 1) store.retire(index);
      });
      const merged = store.merge();
      whole.check(merged);
      durations.check(sumOverStatus(merged).filter(({ measure }) => measure === MEASURE.duration));
    }),
    { numRuns: 100 },
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

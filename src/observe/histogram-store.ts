/** Latency histograms of all workers together, as the library reads them; what the workers do is in histograms.ts. */
import { build, Float64Histogram, type JsHistogram } from 'hdr-histogram-js';
import {
  ANY_STATUS,
  HEAD_LENGTH,
  HIGHEST_US,
  LOWEST_US,
  type Measure,
  nameSeries,
  type SeriesKey,
} from './histograms.js';

export function createHistogram(): Float64Histogram {
  const histogram = build({
    bitBucketSize: 64,
    autoResize: false,
    lowestDiscernibleValue: LOWEST_US,
    highestTrackableValue: HIGHEST_US,
    numberOfSignificantValueDigits: 2,
  });
  if (!(histogram instanceof Float64Histogram)) {
    throw new TypeError('expected counts of 64 bits');
  }
  return histogram;
}

interface Known {
  readonly key: SeriesKey;
  readonly sumUs: number;
  /** Index in the histogram of the first of `counts`. */
  readonly first: number;
  readonly counts: Float64Array;
}

/** One merged histogram. */
export interface MergedSeries extends SeriesKey {
  readonly sumUs: number;
  readonly histogram: JsHistogram;
}

interface Sum extends SeriesKey {
  sumUs: number;
  readonly histogram: JsHistogram;
}

/** Of one key all together, by its name. */
export type Sums = Map<string, Sum>;

/** What there is of it so far; nothing, the first time. */
export function openSum(sums: Sums, { measure, place, status }: SeriesKey): Sum {
  const name = nameSeries({ measure, place, status });
  let sum = sums.get(name);
  if (sum === undefined) {
    sum = { measure, place, status, sumUs: 0, histogram: createHistogram() };
    sums.set(name, sum);
  }
  return sum;
}

/** The primary's side: keeps each worker's last snapshot, so that a worker that is late is shown as last known. */
export class HistogramStore {
  readonly #byWorker = new Map<number, Map<string, Known>>();
  /** Of workers that were replaced, all together. */
  readonly #past = new Map<string, Known>();
  /** Until something else is known. */
  #merged: readonly MergedSeries[] | null = null;

  takeIn(worker: number, snapshot: Uint8Array): void {
    this.#merged = null;
    // Copied, because a view inside a message does not begin on a multiple of eight.
    const values = new Float64Array(Uint8Array.from(snapshot).buffer);
    let known = this.#byWorker.get(worker);
    if (known === undefined) {
      known = new Map();
      this.#byWorker.set(worker, known);
    }
    let at = 0;
    while (at < values.length) {
      const end = at + HEAD_LENGTH + values[at + 5]!;
      if (!(end <= values.length)) throw new RangeError('a snapshot of histograms is cut short');
      const measure = values[at]! as Measure;
      const key = { measure, place: values[at + 1]!, status: values[at + 2]! };
      known.set(nameSeries(key), {
        key,
        sumUs: values[at + 3]!,
        first: values[at + 4]!,
        counts: values.subarray(at + HEAD_LENGTH, end),
      });
      at = end;
    }
  }

  /** Its thread has ended, and another one with the same index begins at nothing: what is known of it stays known. */
  retire(worker: number): void {
    const known = this.#byWorker.get(worker);
    if (known === undefined) return;
    this.#merged = null;
    this.#byWorker.delete(worker);
    for (const [name, { key, sumUs, first, counts }] of known) {
      const past = this.#past.get(name);
      if (past === undefined) {
        this.#past.set(name, { key, sumUs, first, counts });
        continue;
      }
      const begin = Math.min(first, past.first);
      const end = Math.max(first + counts.length, past.first + past.counts.length);
      const sums = new Float64Array(end - begin);
      for (const part of [past, { first, counts }]) {
        part.counts.forEach((count, at) => {
          sums[part.first - begin + at]! += count;
        });
      }
      this.#past.set(name, { key, sumUs: past.sumUs + sumUs, first: begin, counts: sums });
    }
  }

  /**
   * Equal, count for count, to one histogram that was fed with the values of all workers. Nobody changes what is given: it
   * is the same until more is known, because a sample a second is made of it, and workers are asked seldomer.
   */
  merge(): readonly MergedSeries[] {
    this.#merged ??= this.#mergeAll();
    return this.#merged;
  }

  #mergeAll(): MergedSeries[] {
    const merged: Sums = new Map();
    for (const known of [this.#past, ...this.#byWorker.values()]) {
      for (const { key, sumUs, first, counts } of known.values()) {
        const series = openSum(merged, key);
        series.sumUs += sumUs;
        addCounts(series.histogram, first, counts);
      }
    }
    return [...merged.values()];
  }
}

/**
 * Adds counts that lie at indexes one after the other. By index and not by value, for which the library would take a
 * logarithm each: the primary does this for all targets once a second.
 */
function addCounts(histogram: JsHistogram, first: number, counts: Float64Array): void {
  for (let at = 0; at < counts.length; at += 1) {
    const count = counts[at]!;
    if (count !== 0) addCount(histogram, first + at, count);
  }
  noteRange(histogram, first, first + counts.length - 1);
}

/** To be followed by noteRange(), once. */
export function addCount(histogram: JsHistogram, index: number, count: number): void {
  histogram.addToCountAtIndex(index, count);
  histogram.addToTotalCount(count);
}

/** Both of them have counts. */
export function noteRange(histogram: JsHistogram, first: number, last: number): void {
  histogram.updateMinAndMax(histogram.valueFromIndex(first));
  histogram.updateMinAndMax(histogram.valueFromIndex(last));
}

/**
 * How many values are at most each bound (ascending, in µs), as Prometheus's `le` wants it. A count that
 * spans a bound goes below it, so a value equal to a bound is always in; the error is below 1 % of the bound.
 */
export function countUpTo(histogram: JsHistogram, boundsUs: readonly number[]): number[] {
  const counts: number[] = [];
  let index = 0;
  let sum = 0;
  for (const boundUs of boundsUs) {
    const lastIndex = histogram.countsArrayIndex(Math.min(boundUs, HIGHEST_US));
    for (; index <= lastIndex; index += 1) sum += histogram.getCountAtIndex(index);
    counts.push(sum);
  }
  return counts;
}

/** Series that are alike but for the status, together; equal to one histogram that was fed with all their values. */
export function sumOverStatus(merged: readonly MergedSeries[]): MergedSeries[] {
  const sums: Sums = new Map();
  for (const { measure, place, sumUs, histogram } of merged) {
    const sum = openSum(sums, { measure, place, status: ANY_STATUS });
    sum.sumUs += sumUs;
    sum.histogram.add(histogram);
  }
  return [...sums.values()];
}

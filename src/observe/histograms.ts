/**
 * Latency histograms: each worker records into its own, the primary asks for snapshots at a scrape and
 * merges them. Microseconds, from 1 µs to 1 h, two significant digits: a value is known to 1 %, and one
 * histogram costs 27 KB (3 328 counts of 8 bytes; 32-bit counts overflow within days on a busy node).
 *
 * A worker keeps counts only, in the places that the library would put them: the library's own way there is two powers
 * and a logarithm in floating point, half a microsecond for an exchange. Merging and reading is the library's.
 *
 * A snapshot holds the range of counts in use, and only of histograms that changed since the last one. The library's own encoding runs through deflate (0.1 ms for each histogram), which would hold a
 * worker's loop up for as long as there are routes.
 */
import { build, Float64Histogram, type JsHistogram } from 'hdr-histogram-js';
import { BOUNDS } from '../core/bounds.js';

const LOWEST_US = 1;
const HIGHEST_US = 3_600_000_000;

/** What is measured. The numbers stand in snapshots. `estimate` is no time but a ratio, in millionths. */
export const MEASURE = { firstByte: 0, duration: 1, added: 2, estimate: 3 } as const;
export type Measure = (typeof MEASURE)[keyof typeof MEASURE];

/** In place of a route's index: the whole worker, whatever the route. */
export const ALL_ROUTES = -1;
/** In place of a route's index: routes that came after BOUNDS.histogramsMax was reached. */
export const OTHER_ROUTES = -2;

/** Histograms in one snapshot: some 300 KB at most, copied in well under 1 ms. */
const SNAPSHOT_SERIES_MAX = 32;

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

const { countsArrayLength: COUNTS, subBucketHalfCountMagnitude: HALF_MAGNITUDE } =
  createHistogram();
const HALF_COUNT = 1 << HALF_MAGNITUDE;

/**
 * Where the library counts a value: buckets of 128 places each, every one twice as wide as the one before it, except the
 * first, which has 256 places of one microsecond.
 *
 * @param value whole, from 0 to 2^32 - 1.
 */
export function findCountIndex(value: number): number {
  const bucket = Math.max(0, 31 - Math.clz32(value) - HALF_MAGNITUDE);
  return bucket * HALF_COUNT + (value >>> bucket);
}

/** The counts of a histogram, and the sum of what went in, which the counts alone give only to 1 %. */
class Series {
  readonly counts = new Float64Array(COUNTS);
  sumUs = 0;
  isChanged = false;
  /** The range in use; to look for it would mean to walk over all counts at every scrape. */
  first = COUNTS;
  last = 0;

  constructor(
    readonly measure: Measure,
    readonly route: number,
  ) {}

  record(valueUs: number): void {
    // Written so that NaN, too, fails the comparison and counts as the least.
    const inRangeUs = valueUs > LOWEST_US ? Math.min(Math.round(valueUs), HIGHEST_US) : LOWEST_US;
    const index = findCountIndex(inRangeUs);
    this.counts[index] = this.counts[index]! + 1;
    if (index < this.first) this.first = index;
    if (index > this.last) this.last = index;
    this.sumUs += inRangeUs;
    this.isChanged = true;
  }
}

/** A worker's side. */
export class WorkerHistograms {
  readonly #added = new Series(MEASURE.added, ALL_ROUTES);
  readonly #firstByte: (Series | undefined)[] = [];
  readonly #duration: (Series | undefined)[] = [];
  readonly #estimate: (Series | undefined)[] = [];
  readonly #all: Series[] = [this.#added];
  readonly #others = new Map<Measure, Series>();
  readonly #histogramsMax: number;

  constructor(histogramsMax: number = BOUNDS.histogramsMax) {
    this.#histogramsMax = histogramsMax;
  }

  recordFirstByte(route: number, valueUs: number): void {
    (this.#firstByte[route] ?? this.#open(this.#firstByte, MEASURE.firstByte, route)).record(
      valueUs,
    );
  }

  recordDuration(route: number, valueUs: number): void {
    (this.#duration[route] ?? this.#open(this.#duration, MEASURE.duration, route)).record(valueUs);
  }

  /** Tokens that were estimated before a call, by those that the provider counted. */
  recordEstimate(route: number, ratio: number): void {
    const series = this.#estimate[route] ?? this.#open(this.#estimate, MEASURE.estimate, route);
    series.record(ratio * 1e6);
  }

  /** Time that Weir itself added to an exchange. */
  recordAdded(valueUs: number): void {
    this.#added.record(valueUs);
  }

  #open(list: (Series | undefined)[], measure: Measure, route: number): Series {
    let series: Series | undefined;
    // One for each measure is set aside for the routes that find no place.
    if (this.#all.length + 3 > this.#histogramsMax) {
      series = this.#others.get(measure);
      if (series === undefined) {
        series = new Series(measure, OTHER_ROUTES);
        this.#others.set(measure, series);
        this.#all.push(series);
      }
    } else {
      series = new Series(measure, route);
      this.#all.push(series);
    }
    list[route] = series;
    return series;
  }

  /** Whether the next snapshot would hold anything. */
  get hasChanges(): boolean {
    return this.#all.some((series) => series.isChanged);
  }

  /**
   * What changed since the last snapshot, in full (not as a difference: losing a snapshot loses nothing).
   * Float64 values: measure, route, sum, index of the first count, number of counts, the counts. They are
   * copied as they lie in memory, because walking over them costs milliseconds in a worker's first scrape.
   *
   * With many routes a worker takes `seriesMax` at a time, in turns of its loop, until hasChanges is false.
   */
  takeSnapshot(seriesMax: number = SNAPSHOT_SERIES_MAX): Uint8Array<ArrayBuffer> {
    const changed = this.#all.filter((series) => series.isChanged).slice(0, seriesMax);
    const ranges = changed.map((series) => {
      series.isChanged = false;
      const { first, last } = series;
      return { series, first, counts: series.counts.subarray(first, last + 1) };
    });
    const length = ranges.reduce((sum, { counts }) => sum + HEAD_LENGTH + counts.length, 0);
    const values = new Float64Array(length);
    let at = 0;
    for (const { series, first, counts } of ranges) {
      values.set([series.measure, series.route, series.sumUs, first, counts.length], at);
      values.set(counts, at + HEAD_LENGTH);
      at += HEAD_LENGTH + counts.length;
    }
    return new Uint8Array(values.buffer);
  }
}

/** Values before the counts of each histogram in a snapshot. */
const HEAD_LENGTH = 5;

interface Known {
  readonly sumUs: number;
  /** Index in the histogram of the first of `counts`. */
  readonly first: number;
  readonly counts: Float64Array;
}

/** One merged histogram. */
export interface MergedSeries {
  readonly measure: Measure;
  readonly route: number;
  readonly sumUs: number;
  readonly histogram: JsHistogram;
}

/** The primary's side: keeps each worker's last snapshot, so that a worker that is late is shown as last known. */
export class HistogramStore {
  readonly #byWorker = new Map<number, Map<string, Known>>();
  /** Of workers that were replaced, all together. */
  readonly #past = new Map<string, Known>();

  takeIn(worker: number, snapshot: Uint8Array): void {
    // Copied, because a view inside a message does not begin on a multiple of eight.
    const values = new Float64Array(Uint8Array.from(snapshot).buffer);
    let known = this.#byWorker.get(worker);
    if (known === undefined) {
      known = new Map();
      this.#byWorker.set(worker, known);
    }
    let at = 0;
    while (at < values.length) {
      const end = at + HEAD_LENGTH + values[at + 4]!;
      if (!(end <= values.length)) throw new RangeError('a snapshot of histograms is cut short');
      known.set(`${values[at]}:${values[at + 1]}`, {
        sumUs: values[at + 2]!,
        first: values[at + 3]!,
        counts: values.subarray(at + HEAD_LENGTH, end),
      });
      at = end;
    }
  }

  /** Its thread has ended, and another one with the same index begins at nothing: what is known of it stays known. */
  retire(worker: number): void {
    const known = this.#byWorker.get(worker);
    if (known === undefined) return;
    this.#byWorker.delete(worker);
    for (const [key, { sumUs, first, counts }] of known) {
      const past = this.#past.get(key);
      if (past === undefined) {
        this.#past.set(key, { sumUs, first, counts });
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
      this.#past.set(key, { sumUs: past.sumUs + sumUs, first: begin, counts: sums });
    }
  }

  /** Equal, count for count, to one histogram that was fed with the values of all workers. */
  merge(): MergedSeries[] {
    const merged = new Map<
      string,
      { measure: Measure; route: number; sumUs: number; histogram: JsHistogram }
    >();
    for (const known of [this.#past, ...this.#byWorker.values()]) {
      for (const [key, { sumUs, first, counts }] of known) {
        let series = merged.get(key);
        if (series === undefined) {
          const [measure, route] = key.split(':').map(Number) as [Measure, number];
          series = { measure, route, sumUs: 0, histogram: createHistogram() };
          merged.set(key, series);
        }
        series.sumUs += sumUs;
        addCounts(series.histogram, first, counts);
      }
    }
    return [...merged.values()];
  }
}

function addCounts(histogram: JsHistogram, first: number, counts: Float64Array): void {
  for (let at = 0; at < counts.length; at += 1) {
    const count = counts[at]!;
    if (count !== 0) histogram.recordValueWithCount(histogram.valueFromIndex(first + at), count);
  }
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

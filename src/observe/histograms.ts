/**
 * Latency histograms: each worker records into its own, the primary asks for snapshots at a scrape and
 * merges them (histogram-store.ts). Microseconds, from 1 µs to 1 h, two significant digits: a value is known to 1 %, and one
 * histogram costs 27 KB (3 328 counts of 8 bytes; 32-bit counts overflow within days on a busy node).
 *
 * A worker keeps counts only, in the places that the library would put them: the library's own way there is two powers
 * and a logarithm in floating point, half a microsecond for an exchange. Merging and reading is the library's,
 * which a worker need not load for it.
 *
 * A snapshot holds the range of counts in use, and only of histograms that changed since the last one. The library's own encoding runs through deflate (0.1 ms for each histogram), which would hold a
 * worker's loop up for as long as there are routes.
 */
import { BOUNDS } from '../core/bounds.js';
import { STATUS_CLASSES } from './status-classes.js';

export const LOWEST_US = 1;
export const HIGHEST_US = 3_600_000_000;

/**
 * What is measured; docs/dashboard.md says from which moment to which. The numbers stand in snapshots. `estimate` is no
 * time but a ratio, in millionths.
 */
export const MEASURE = {
  firstByte: 0,
  duration: 1,
  added: 2,
  estimate: 3,
  firstToken: 4,
  outputToken: 5,
  addedBefore: 6,
  addedAfter: 7,
  queue: 8,
  connect: 9,
} as const;
export type Measure = (typeof MEASURE)[keyof typeof MEASURE];

/** In place of a route's or provider's index: the whole worker, whatever the route. */
export const ALL_PLACES = -1;
/** In place of a route's or provider's index: those that came after BOUNDS.histogramsMax was reached. */
export const OTHER_PLACES = -2;
/** In place of a place in STATUS_CLASSES: whatever was answered. */
export const ANY_STATUS = -1;

/** What tells a histogram from others. */
export interface SeriesKey {
  readonly measure: Measure;
  /** Index of a route, of `queue` and `connect` of a provider; or one of the two above. */
  readonly place: number;
  /** Place in STATUS_CLASSES, of durations; else ANY_STATUS. */
  readonly status: number;
}

export function nameSeries({ measure, place, status }: SeriesKey): string {
  return `${measure}:${place}:${status}`;
}

/** Histograms in one snapshot: some 300 KB at most, copied in well under 1 ms. */
const SNAPSHOT_SERIES_MAX = 32;

/** As many counts as the library has for this range and these digits, and half of a bucket as a power of two. */
export const COUNTS = 3328;
const HALF_MAGNITUDE = 7;
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

/** Places before the counts of a histogram, in a cache line of their own; the sum is what the counts give only to 1 %. */
const SUM_US = 0;
/** The range in use; to look for it would mean to walk over all counts at every scrape. */
const FIRST = 1;
const LAST = 2;
const IS_CHANGED = 3;
const IS_OPEN = 4;
const HEADER = 8;
const STRIDE = HEADER + COUNTS;

/** @param base where the histogram begins in `values`. */
function recordAt(values: Float64Array, base: number, valueUs: number): void {
  // Written so that NaN, too, fails the comparison and counts as the least.
  const inRangeUs = valueUs > LOWEST_US ? Math.min(Math.round(valueUs), HIGHEST_US) : LOWEST_US;
  const index = findCountIndex(inRangeUs);
  const at = base + HEADER + index;
  values[at] = values[at]! + 1;
  if (index < values[base + FIRST]!) values[base + FIRST] = index;
  if (index > values[base + LAST]!) values[base + LAST] = index;
  values[base + SUM_US] = values[base + SUM_US]! + inRangeUs;
  values[base + IS_CHANGED] = 1;
}

/** A histogram that is open: what tells it from others, and where its values are. */
class Series implements SeriesKey {
  constructor(
    readonly measure: Measure,
    readonly place: number,
    readonly status: number,
    readonly values: Float64Array = new Float64Array(STRIDE),
    readonly base: number = 0,
  ) {
    values[base + FIRST] = COUNTS;
    values[base + IS_OPEN] = 1;
  }

  get isChanged(): boolean {
    return this.values[this.base + IS_CHANGED] === 1;
  }

  record(valueUs: number): void {
    recordAt(this.values, this.base, valueUs);
  }
}

/** Histograms whose memory is one; the system gives it out page by page, as they come into use. A power of 2. */
const CHUNK = 8;

/**
 * By route or provider. Values of several lie in one array, so that what is looked at on the way to a count is the same
 * for all of them and stays in the cache: with many routes only the counts and what stands before them are cold.
 */
class SeriesList {
  readonly measure: Measure;
  readonly status: number;
  readonly #chunks: (Float64Array | undefined)[] = [];
  /** Of those that found no place. */
  others: Series | null = null;

  constructor(measure: Measure, status: number = ANY_STATUS) {
    this.measure = measure;
    this.status = status;
  }

  /** @returns false where the histogram is not open. */
  record(place: number, valueUs: number): boolean {
    const values = this.#chunks[Math.floor(place / CHUNK)];
    const base = (place % CHUNK) * STRIDE;
    if (values === undefined || values[base + IS_OPEN] !== 1) return false;
    recordAt(values, base, valueUs);
    return true;
  }

  /** Once for each place. */
  open(place: number): Series {
    const chunk = Math.floor(place / CHUNK);
    const values = this.#chunks[chunk] ?? new Float64Array(STRIDE * CHUNK);
    this.#chunks[chunk] = values;
    return new Series(this.measure, place, this.status, values, (place % CHUNK) * STRIDE);
  }
}

/** Lists in WorkerHistograms: each may need one histogram for those that find no place. */
const LISTS = 6 + STATUS_CLASSES.length;

/** A worker's side. */
export class WorkerHistograms {
  readonly #added = new Series(MEASURE.added, ALL_PLACES, ANY_STATUS);
  readonly #addedBefore = new Series(MEASURE.addedBefore, ALL_PLACES, ANY_STATUS);
  readonly #addedAfter = new Series(MEASURE.addedAfter, ALL_PLACES, ANY_STATUS);
  readonly #firstByte = new SeriesList(MEASURE.firstByte);
  readonly #firstToken = new SeriesList(MEASURE.firstToken);
  readonly #outputToken = new SeriesList(MEASURE.outputToken);
  readonly #estimate = new SeriesList(MEASURE.estimate);
  readonly #queue = new SeriesList(MEASURE.queue);
  readonly #connect = new SeriesList(MEASURE.connect);
  readonly #durations = STATUS_CLASSES.map((_, at) => new SeriesList(MEASURE.duration, at));
  readonly #all: Series[] = [this.#added, this.#addedBefore, this.#addedAfter];
  readonly #histogramsMax: number;

  constructor(histogramsMax: number = BOUNDS.histogramsMax) {
    this.#histogramsMax = histogramsMax;
  }

  recordFirstByte(route: number, valueUs: number): void {
    this.#record(this.#firstByte, route, valueUs);
  }

  recordFirstToken(route: number, valueUs: number): void {
    this.#record(this.#firstToken, route, valueUs);
  }

  /** Time for each token after the first one. */
  recordOutputToken(route: number, valueUs: number): void {
    this.#record(this.#outputToken, route, valueUs);
  }

  /** @param status place in STATUS_CLASSES. */
  recordDuration(route: number, valueUs: number, status: number): void {
    this.#record(this.#durations[status] as SeriesList, route, valueUs);
  }

  /** Tokens that were estimated before a call, by those that the provider counted. */
  recordEstimate(route: number, ratio: number): void {
    this.#record(this.#estimate, route, ratio * 1e6);
  }

  /** Time in the queue for a connection to a provider. */
  recordQueue(provider: number, valueUs: number): void {
    this.#record(this.#queue, provider, valueUs);
  }

  /** Time that it took to open a connection to a provider. */
  recordConnect(provider: number, valueUs: number): void {
    this.#record(this.#connect, provider, valueUs);
  }

  /** Time that Weir itself added to an exchange. */
  recordAdded(valueUs: number): void {
    this.#added.record(valueUs);
  }

  /** The part of it before the provider had the request, without waiting. */
  recordAddedBefore(valueUs: number): void {
    this.#addedBefore.record(valueUs);
  }

  /** The part of it after the provider had begun to answer. */
  recordAddedAfter(valueUs: number): void {
    this.#addedAfter.record(valueUs);
  }

  #record(list: SeriesList, place: number, valueUs: number): void {
    if (!list.record(place, valueUs)) {
      this.#open(list, place).record(valueUs);
    }
  }

  #open(list: SeriesList, place: number): Series {
    if (this.#all.length + LISTS >= this.#histogramsMax) {
      return this.#openOthers(list);
    }
    const series = list.open(place);
    this.#all.push(series);
    return series;
  }

  #openOthers(list: SeriesList): Series {
    if (list.others === null) {
      list.others = new Series(list.measure, OTHER_PLACES, list.status);
      this.#all.push(list.others);
    }
    return list.others;
  }

  /** Whether the next snapshot would hold anything. */
  get hasChanges(): boolean {
    return this.#all.some((series) => series.isChanged);
  }

  /**
   * What changed since the last snapshot, in full (not as a difference: losing a snapshot loses nothing).
   * Float64 values: measure, place, status, sum, index of the first count, number of counts, the counts. They are
   * copied as they lie in memory, because walking over them costs milliseconds in a worker's first scrape.
   *
   * With many routes a worker takes `seriesMax` at a time, in turns of its loop, until hasChanges is false.
   */
  takeSnapshot(seriesMax: number = SNAPSHOT_SERIES_MAX): Uint8Array<ArrayBuffer> {
    const changed = this.#all.filter((series) => series.isChanged).slice(0, seriesMax);
    const ranges = changed.map((series) => {
      const { values, base } = series;
      values[base + IS_CHANGED] = 0;
      const first = values[base + FIRST]!;
      const from = base + HEADER;
      return {
        series,
        first,
        counts: values.subarray(from + first, from + values[base + LAST]! + 1),
      };
    });
    const length = ranges.reduce((sum, { counts }) => sum + HEAD_LENGTH + counts.length, 0);
    const values = new Float64Array(length);
    let at = 0;
    for (const { series, first, counts } of ranges) {
      const { measure, place, status } = series;
      const sumUs = series.values[series.base + SUM_US]!;
      values.set([measure, place, status, sumUs, first, counts.length], at);
      values.set(counts, at + HEAD_LENGTH);
      at += HEAD_LENGTH + counts.length;
    }
    return new Uint8Array(values.buffer);
  }
}

/** Values before the counts of each histogram in a snapshot. */
export const HEAD_LENGTH = 6;

/**
 * What the dashboard shows, a sample a second, sent to all who watch: made once, whoever many they are, and in this thread
 * alone. Workers are asked for their histograms as for a scrape, at most once a second, and seldom while nobody watches.
 */
import type { ServerResponse } from 'node:http';
import { BOUNDS } from '../core/bounds.js';
import { nowMs, wallClockMs } from '../core/clock.js';
import { countUpTo, type MergedSeries } from '../observe/histogram-store.js';
import { MEASURE, type Measure } from '../observe/histograms.js';
import type { LatencyWindows } from '../observe/latency-windows.js';
import type { LivePercentiles, LiveSample, LiveShape } from '../observe/live-sample.js';

export const HEAT_BOUNDS_MS = [
  0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000, 120_000,
];
export const PERCENTILES = [50, 75, 90, 95, 99, 99.9, 99.99, 100];

const SAMPLE_MS = 1000;
/** While nobody watches, every so many samples bring new latencies. */
const UNWATCHED_STEP = 5;

/** What comes from elsewhere; all of it is read in the primary. */
export interface LiveSources {
  readonly readShape: () => LiveShape;
  /** All of a sample that is not about latencies. `isWatched`: also what is dear to read. */
  readonly readFigures: (isWatched: boolean) => Omit<LiveSample, LatencyFields>;
  /** Asks the workers for their histograms; resolves when they are in, or late. */
  readonly collect: () => Promise<void>;
  readonly readHistograms: () => readonly MergedSeries[];
  readonly windows: LatencyWindows;
}

type LatencyFields =
  | 'atMs'
  | 'heat'
  | 'firstByte'
  | 'firstToken'
  | 'outputToken'
  | 'duration'
  | 'added';

export class LiveFeed {
  readonly #sources: LiveSources;
  readonly #watchers = new Set<ServerResponse>();
  /** Samples as they were sent, the oldest first. */
  readonly #history: string[] = [];
  #historyBytes = 0;
  #heatBefore: readonly number[] = HEAT_BOUNDS_MS.map(() => 0);
  #timer: NodeJS.Timeout | null = null;
  #samples = 0;
  #isSampling = false;

  constructor(sources: LiveSources) {
    this.#sources = sources;
  }

  start(): void {
    this.#timer = setInterval(() => void this.#sample(), SAMPLE_MS).unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    for (const watcher of this.#watchers) watcher.end();
    this.#watchers.clear();
  }

  /** Answers with an event stream that lasts until its reader goes. @returns false when too many watch already. */
  watch(response: ServerResponse): boolean {
    if (this.#watchers.size >= BOUNDS.liveWatchersMax) return false;
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
    this.#watchers.add(response);
    response.on('close', () => this.#watchers.delete(response));
    response.on('error', () => this.#watchers.delete(response));
    response.write(event('shape', JSON.stringify(this.#sources.readShape())));
    response.write(event('history', `[${this.#history.join(',')}]`));
    return true;
  }

  get watcherCount(): number {
    return this.#watchers.size;
  }

  async #sample(): Promise<void> {
    // A worker that is late must not make two samples overtake each other.
    if (this.#isSampling) return;
    this.#isSampling = true;
    try {
      const isWatched = this.#watchers.size > 0;
      this.#samples += 1;
      if (isWatched || this.#samples % UNWATCHED_STEP === 0) await this.#sources.collect();
      this.#send(this.#read(isWatched));
    } finally {
      this.#isSampling = false;
    }
  }

  #read(isWatched: boolean): LiveSample {
    const { windows, readHistograms, readFigures } = this.#sources;
    const merged = readHistograms();
    windows.advance(nowMs(), merged);
    const minute = isWatched ? windows.read('1m') : [];
    return {
      atMs: Math.round(wallClockMs()),
      ...readFigures(isWatched),
      heat: this.#readHeat(merged),
      firstByte: summarize(minute, MEASURE.firstByte),
      firstToken: summarize(minute, MEASURE.firstToken),
      outputToken: summarize(minute, MEASURE.outputToken),
      duration: summarize(minute, MEASURE.duration),
      added: summarize(minute, MEASURE.added),
    };
  }

  #readHeat(merged: readonly MergedSeries[]): number[] {
    const boundsUs = HEAT_BOUNDS_MS.slice(1).map((bound) => bound * 1000);
    const upTo = HEAT_BOUNDS_MS.map(() => 0);
    for (const { measure, histogram } of merged) {
      if (measure !== MEASURE.duration) continue;
      countUpTo(histogram, boundsUs).forEach((count, row) => {
        upTo[row] = (upTo[row] ?? 0) + count;
      });
      upTo[boundsUs.length] = (upTo[boundsUs.length] ?? 0) + histogram.totalCount;
    }
    const now = upTo.map((count, row) => count - (row === 0 ? 0 : (upTo[row - 1] ?? 0)));
    const heat = now.map((count, row) => Math.max(0, count - (this.#heatBefore[row] ?? 0)));
    this.#heatBefore = now;
    return heat;
  }

  #send(sample: LiveSample): void {
    const text = JSON.stringify(sample);
    const message = event('sample', text);
    for (const watcher of this.#watchers) {
      if (watcher.writableLength > BOUNDS.liveUnreadBytesMax) {
        watcher.destroy();
        this.#watchers.delete(watcher);
      } else {
        watcher.write(message);
      }
    }
    // The history is for curves; what a page shows of this moment alone is not kept.
    const kept = JSON.stringify({ ...sample, targets: [], limits: [], workers: [] });
    this.#history.push(kept);
    this.#historyBytes += kept.length;
    while (
      this.#history.length > BOUNDS.liveHistoryMax ||
      (this.#historyBytes > BOUNDS.liveHistoryBytesMax && this.#history.length > 1)
    ) {
      this.#historyBytes -= this.#history.shift()?.length ?? 0;
    }
  }
}

function event(name: string, data: string): string {
  return `event: ${name}\ndata: ${data}\n\n`;
}

/** All routes together, whatever was answered. */
function summarize(series: readonly MergedSeries[], measure: Measure): LivePercentiles | null {
  const [first, ...others] = series.filter((one) => one.measure === measure);
  if (first === undefined) return null;
  const { histogram } = first;
  let sumUs = first.sumUs;
  for (const other of others) {
    histogram.add(other.histogram);
    sumUs += other.sumUs;
  }
  const count = histogram.totalCount;
  return {
    count,
    mean: sumUs / count / 1000,
    values: PERCENTILES.map((percentile) => histogram.getValueAtPercentile(percentile) / 1000),
  };
}

/**
 * What the latencies were lately: the merged histograms of the last minute and of the last quarter of an hour, beside those
 * since the start. A window is the sum of the steps in it, and a step the difference of two mergings, so a window's
 * percentiles are those of one histogram that was fed with all values of its time, whichever worker measured them.
 */
import { addCount, type MergedSeries, noteRange, openSum, type Sums } from './histogram-store.js';
import { nameSeries, type SeriesKey } from './histograms.js';

export const WINDOWS = {
  '1m': { stepMs: 5_000, steps: 12 },
  '15m': { stepMs: 60_000, steps: 15 },
} as const;
export type WindowName = keyof typeof WINDOWS;

/** The counts that came since the step before, where there are any: indexes in the histogram and how many. */
interface Step extends SeriesKey {
  readonly sumUs: number;
  readonly indexes: Uint16Array;
  readonly counts: Float64Array;
}

interface Ring {
  readonly stepMs: number;
  readonly steps: Step[][];
  readonly stepsMax: number;
  /** What stood when the last step ended. */
  last: ReadonlyMap<string, MergedSeries>;
  nextMs: number;
}

export class LatencyWindows {
  readonly #rings: ReadonlyMap<WindowName, Ring>;

  /** @param nowMs of core/clock.ts, as in advance(). */
  constructor(nowMs: number) {
    this.#rings = new Map(
      (Object.keys(WINDOWS) as WindowName[]).map((name): [WindowName, Ring] => {
        const { stepMs, steps } = WINDOWS[name];
        const ring = {
          stepMs,
          steps: [],
          stepsMax: steps,
          last: new Map(),
          nextMs: nowMs + stepMs,
        };
        return [name, ring];
      }),
    );
  }

  /** Ends the steps whose time has come. `merged` is what stands now, since the start. */
  advance(nowMs: number, merged: readonly MergedSeries[]): void {
    for (const ring of this.#rings.values()) {
      if (nowMs < ring.nextMs) continue;
      // After a pause of the process one long step stands for all that were missed.
      ring.nextMs = nowMs + ring.stepMs;
      const now = new Map(merged.map((series) => [nameSeries(series), series]));
      ring.steps.push(
        merged.flatMap((series) => subtract(series, ring.last.get(nameSeries(series)) ?? null)),
      );
      if (ring.steps.length > ring.stepsMax) ring.steps.shift();
      ring.last = now;
    }
  }

  /** The whole steps of a window; what came since the last of them is not in it. */
  read(name: WindowName): MergedSeries[] {
    const sums: Sums = new Map();
    for (const step of this.#rings.get(name)?.steps.flat() ?? []) {
      const sum = openSum(sums, step);
      sum.sumUs += step.sumUs;
      const { histogram } = sum;
      step.indexes.forEach((index, at) => {
        addCount(histogram, index, step.counts[at] ?? 0);
      });
      noteRange(histogram, step.indexes[0] ?? 0, step.indexes.at(-1) ?? 0);
    }
    return [...sums.values()];
  }
}

function subtract(now: MergedSeries, before: MergedSeries | null): Step[] {
  const indexes: number[] = [];
  const counts: number[] = [];
  const { histogram } = now;
  const last = histogram.countsArrayIndex(histogram.maxValue);
  for (
    let index = histogram.countsArrayIndex(histogram.minNonZeroValue);
    index <= last;
    index += 1
  ) {
    // A worker that was replaced begins at nothing; less than before is no step.
    const count =
      histogram.getCountAtIndex(index) - (before?.histogram.getCountAtIndex(index) ?? 0);
    if (count > 0) {
      indexes.push(index);
      counts.push(count);
    }
  }
  if (indexes.length === 0) return [];
  const sumUs = Math.max(0, now.sumUs - (before?.sumUs ?? 0));
  const { measure, place, status } = now;
  const step = { indexes: Uint16Array.from(indexes), counts: Float64Array.from(counts) };
  return [{ measure, place, status, sumUs, ...step }];
}

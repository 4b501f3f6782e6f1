/**
 * What the latencies were lately: the merged histograms of the last minute and of the last quarter of an hour, beside those
 * since the start. A window is the sum of the steps in it, and a step the difference of two mergings, so a window's
 * percentiles are those of one histogram that was fed with all values of its time, whichever worker measured them.
 */
import type { JsHistogram } from 'hdr-histogram-js';
import { createHistogram, type Measure, type MergedSeries } from './histograms.js';

export const WINDOWS = {
  '1m': { stepMs: 5_000, steps: 12 },
  '15m': { stepMs: 60_000, steps: 15 },
} as const;
export type WindowName = keyof typeof WINDOWS;

/** The counts that came since the step before, where there are any: places in the histogram and how many. */
interface Step {
  readonly measure: Measure;
  readonly route: number;
  readonly sumUs: number;
  readonly places: Uint16Array;
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
      const now = new Map(merged.map((series) => [keyOf(series), series]));
      ring.steps.push(
        merged.flatMap((series) => subtract(series, ring.last.get(keyOf(series)) ?? null)),
      );
      if (ring.steps.length > ring.stepsMax) ring.steps.shift();
      ring.last = now;
    }
  }

  /** The whole steps of a window; what came since the last of them is not in it. */
  read(name: WindowName): MergedSeries[] {
    const sums = new Map<
      string,
      { measure: Measure; route: number; sumUs: number; histogram: JsHistogram }
    >();
    for (const step of this.#rings.get(name)?.steps.flat() ?? []) {
      const key = keyOf(step);
      let sum = sums.get(key);
      if (sum === undefined) {
        const { measure, route } = step;
        sum = { measure, route, sumUs: 0, histogram: createHistogram() };
        sums.set(key, sum);
      }
      sum.sumUs += step.sumUs;
      const { histogram } = sum;
      step.places.forEach((place, at) => {
        histogram.recordValueWithCount(histogram.valueFromIndex(place), step.counts[at] ?? 0);
      });
    }
    return [...sums.values()];
  }
}

function keyOf({ measure, route }: { readonly measure: Measure; readonly route: number }): string {
  return `${measure}:${route}`;
}

function subtract(now: MergedSeries, before: MergedSeries | null): Step[] {
  const places: number[] = [];
  const counts: number[] = [];
  const { histogram } = now;
  for (let place = 0; place < histogram.countsArrayLength; place += 1) {
    // A worker that was replaced begins at nothing; less than before is no step.
    const count =
      histogram.getCountAtIndex(place) - (before?.histogram.getCountAtIndex(place) ?? 0);
    if (count > 0) {
      places.push(place);
      counts.push(count);
    }
  }
  if (places.length === 0) return [];
  const sumUs = Math.max(0, now.sumUs - (before?.sumUs ?? 0));
  const { measure, route } = now;
  return [
    { measure, route, sumUs, places: Uint16Array.from(places), counts: Float64Array.from(counts) },
  ];
}

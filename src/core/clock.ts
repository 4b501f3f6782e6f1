/**
 * The one place that reads time. Tests replace it; nothing else calls Date.now().
 * Reading a clock costs 60 to 200 ns, so hot code reads it once a turn and passes the value down.
 */
// Imported, because the global of this name is an accessor, which V8 asks at each reading.
import { performance } from 'node:perf_hooks';

/** Milliseconds since the process's time origin, with a fraction. Never runs backwards. */
export function nowMs(): number {
  return performance.now();
}

const CLOCK_TRIES = 16;

/**
 * performance.now() counts from each thread's own start; this is what it lies behind the machine's monotonic clock. The
 * two are read one after the other, and a thread may be made to wait in between: of several tries the quickest counts,
 * or threads would disagree by milliseconds about what time it is.
 */
const SINCE_BOOT_MS = measureSinceBoot();

function measureSinceBoot(): number {
  let sinceBootMs = 0;
  let leastNs = Number.POSITIVE_INFINITY;
  for (let tries = 0; tries < CLOCK_TRIES; tries += 1) {
    const before = process.hrtime.bigint();
    const ownMs = performance.now();
    const tookNs = Number(process.hrtime.bigint() - before);
    if (tookNs < leastNs) {
      leastNs = tookNs;
      sinceBootMs = (Number(before) + tookNs / 2) / 1e6 - ownMs;
    }
  }
  return sinceBootMs;
}

/** The same moment on a clock that all threads share. */
export function toSharedMs(ms: number): number {
  return ms + SINCE_BOOT_MS;
}

/** How long the difference of the two clocks is believed; the time of day may be set anew. */
const DAY_TIME_MS = 1000;

/** Tells the time of day of moments of nowMs(): reading both clocks for each would cost more than what is told. */
export class DayTime {
  #aheadMs = 0;
  #untilMs = Number.NEGATIVE_INFINITY;

  /** @param atMs of nowMs(), now or not long ago. @returns milliseconds since the Unix epoch, with a fraction. */
  of(atMs: number): number {
    if (atMs >= this.#untilMs) {
      this.#aheadMs = wallClockMs() - nowMs();
      this.#untilMs = atMs + DAY_TIME_MS;
    }
    return atMs + this.#aheadMs;
  }
}

/** Milliseconds since the Unix epoch; for log lines and names only, never for measuring. */
export function wallClockMs(): number {
  return Date.now();
}

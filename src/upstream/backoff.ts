/**
 * How long to wait before another attempt: exponential, with full jitter, so that callers who failed together do not
 * come back together (Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
 */

/** Beyond it doubling changes nothing that a number can hold, and nothing that a wait may be. */
const DOUBLINGS_MAX = 40;

export class Backoff {
  readonly #baseMs: number;
  readonly #maxMs: number;
  readonly #random: () => number;

  /**
   * @param baseMs the longest wait before the second attempt; doubled for each after it.
   * @param maxMs the longest wait of all.
   * @param random from 0 up to 1, without the 1.
   */
  constructor(baseMs: number, maxMs: number, random: () => number = Math.random) {
    this.#baseMs = baseMs;
    this.#maxMs = maxMs;
    this.#random = random;
  }

  /** @param attempt how many attempts have been made: 1 before the second. */
  delayMs(attempt: number): number {
    const doublings = attempt > 1 ? Math.min(attempt - 1, DOUBLINGS_MAX) : 0;
    return this.#random() * Math.min(this.#maxMs, this.#baseMs * 2 ** doublings);
  }
}

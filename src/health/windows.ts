/**
 * Requests and failures of the last window, for the failure rate. Each thread counts in a column of its own, by plain
 * additions; only who has just seen a failure adds the columns up. A window is two halves that take turns: the sum of
 * the present one and the one before covers between half a window and a whole one.
 */
import { type Layout, TARGET_WORDS, WINDOW, WINDOW_WORDS } from './layout.js';
import { TURNS } from './state-word.js';

export class FailureWindows {
  readonly #words: Int32Array;
  readonly #layout: Layout;
  readonly #columns: number;
  /** This thread's first word. */
  readonly #own: number;
  /** Of the last sum(). */
  requests = 0;
  failures = 0;

  constructor(buffer: SharedArrayBuffer, layout: Layout, columns: number, column: number) {
    this.#words = new Int32Array(buffer);
    this.#layout = layout;
    this.#columns = columns;
    this.#own = layout.columns + layout.columnStride * column;
  }

  /** @param turn of the target: what was counted before its last ejection does not count any more. */
  count(index: number, turn: number, ageMs: number, windowMs: number, isFailure: boolean): void {
    const words = this.#words;
    const half = Math.floor((2 * ageMs) / windowMs);
    const at = this.#own + index * TARGET_WORDS + (half % 2) * WINDOW_WORDS;
    const key = toKey(half, turn);
    if (words[at + WINDOW.key] !== key) {
      // In this order: whoever reads in between finds a window that is over, not one with another's counts.
      Atomics.store(words, at + WINDOW.requests, 0);
      Atomics.store(words, at + WINDOW.failures, 0);
      Atomics.store(words, at + WINDOW.key, key);
    }
    words[at + WINDOW.requests]! += 1;
    if (isFailure) words[at + WINDOW.failures]! += 1;
  }

  /** Leaves the sums of all threads in `requests` and `failures`. */
  sum(index: number, turn: number, ageMs: number, windowMs: number): void {
    const words = this.#words;
    const half = Math.floor((2 * ageMs) / windowMs);
    this.requests = 0;
    this.failures = 0;
    for (let column = 0; column < this.#columns; column += 1) {
      const first =
        this.#layout.columns + this.#layout.columnStride * column + index * TARGET_WORDS;
      for (let back = 0; back < 2 && back <= half; back += 1) {
        const at = first + ((half - back) % 2) * WINDOW_WORDS;
        if (words[at + WINDOW.key] === toKey(half - back, turn)) {
          this.requests += words[at + WINDOW.requests]!;
          this.failures += words[at + WINDOW.failures]!;
        }
      }
    }
  }
}

/** Compared for equality only, so that it may run over. */
function toKey(half: number, turn: number): number {
  return (half * TURNS + turn) | 0;
}

/**
 * Keeps further attempts below a share of first ones, so that Weir does not double the load of providers that fail
 * because of it. Each worker has one for all its exchanges, and each worker keeping to the share keeps the gateway to it.
 */
import { BOUNDS } from '../core/bounds.js';

/** Counted in hundredths of an attempt, because percentages then add up exactly. */
const ATTEMPT = 100;

export class RetryBudget {
  readonly #percent: number;
  readonly #onRefused: () => void;
  #saved: number;

  /**
   * @param percent further attempts for each hundred first ones; 0: none at all.
   * @param onRefused for each that is not made.
   */
  constructor(percent: number, onRefused: () => void = () => {}) {
    this.#percent = percent;
    this.#onRefused = onRefused;
    this.#saved = percent > 0 ? BOUNDS.retryBudgetFloor * ATTEMPT : 0;
  }

  /** The first attempt of an exchange is made. */
  noteFirst(): void {
    this.#saved = Math.min(this.#saved + this.#percent, BOUNDS.retryBudgetSavedMax * ATTEMPT);
  }

  /** @returns true when a further attempt may be made, which is paid for by asking. */
  tryTake(): boolean {
    if (this.#saved < ATTEMPT) {
      this.#onRefused();
      return false;
    }
    this.#saved -= ATTEMPT;
    return true;
  }
}

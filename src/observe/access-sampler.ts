/**
 * Which exchanges that ended well have a line, where only a share of them shall. One worker's, of one configuration.
 *
 * Of n of them it takes n times the share, rounded down or up, and not every so-manieth, which would see only one kind of
 * call where two kinds take turns: the line of exchanges is cut into stretches that hold one line each, and where in its
 * stretch that one lies is drawn anew. So a random number is drawn once a line, and not once an exchange.
 */
import type { Exchange } from '../exchange.js';

/** A stretch. Sums of parts of it are whole numbers, so nothing is lost to rounding however long it goes on. */
const STRETCH = 1e15;
const FAILED_FROM = 400;

export class AccessSampler {
  /** Above 0 and below 1. */
  readonly share: number;
  /** What one exchange covers of a stretch. */
  readonly #step: number;
  readonly #random: () => number;
  /** How much of the stretch has gone by. Below 0 where its line was taken before its end. */
  #passed = 0;
  /** Where the stretch's line lies. */
  #place: number;

  /** @param random from 0 to 1, 1 excluded. */
  constructor(share: number, random: () => number = Math.random) {
    this.share = share;
    this.#step = Math.max(1, Math.round(share * STRETCH));
    this.#random = random;
    this.#place = this.#draw();
  }

  /** Whether the next one has a line. */
  take(): boolean {
    this.#passed += this.#step;
    if (this.#passed < this.#place) {
      return false;
    }
    this.#passed -= STRETCH;
    this.#place = this.#draw();
    return true;
  }

  /** From 1 to the stretch's end. */
  #draw(): number {
    return 1 + Math.floor(this.#random() * STRETCH);
  }
}

/** There is nothing to tell of it: its answer was given whole, it is no error, and its first attempt was its only one. */
export function isUneventful({ ended, error, status, attempts }: Exchange): boolean {
  return (
    ended?.reason === 'complete' &&
    error === null &&
    attempts === null &&
    status !== null &&
    status < FAILED_FROM
  );
}

/**
 * How many exchanges a worker runs at a time while its event loop is too slow. Work in progress is what is bounded, not
 * arrivals: a stream that was let in costs time until it ends, which may be minutes, so a bound on arrivals would learn
 * too late what it has done, and swing.
 *
 * There is no bound until the loop has been late for a while. Then it is set a little below what runs, and from there it
 * goes down while the loop is late, and up while it is not and somebody was refused: faster the more idle time the loop
 * has, for being late tells nothing before there is none left. It never goes further below what runs than one step,
 * so it can't run away from streams that take their time to end. Pure: whoever calls it has the clock.
 */
import { BOUNDS } from '../core/bounds.js';

/** What was seen in one interval of BOUNDS.lagIntervalMs or a bit more. */
export interface LoopInterval {
  /** How long it was: where a round takes longer than an interval should, as long as the round. */
  readonly ms: number;
  /** How much work one round of the loop held, on the mean. */
  readonly lagMs: number;
  /** Share of the time in which the loop did not wait for anything, 0 to 1. */
  readonly busyShare: number;
  /** The most exchanges that ran at a time. */
  readonly inFlightMax: number;
  /** Somebody was refused because of the limit. */
  readonly wasBinding: boolean;
}

export const NO_LIMIT = 2 ** 31 - 1;

/**
 * Together, in a row, before anything is done. A long garbage collection, a huge body, or a hundred clients that come at
 * once to a worker whose code is not compiled yet is no overload; all of that is over by then.
 */
const LATE_MS_MIN = 500;
/** What the first late interval counts at most, however long it was: it may have been a pause. */
const FIRST_LATE_MS_MAX = 100;
/** In a row without a refusal and not late, until there is no limit any more: 2 seconds. */
const CALM_INTERVALS = 20;
const FIRST_STEP = 0.9;
/** Down at most so much in a hundred milliseconds: where a round takes twice what it may, or longer. */
const DOWN_SHARE = 0.2;
/** By a late interval after one that was not, at most to so much: a pause is over as soon as it is seen. */
const FIRST_DOWN = 0.95;
/** And at most to so much at once. */
const STEP_MIN = 0.5;
/** Up by so much of the limit in an interval: with a loop that is all busy, and more with one that is not. */
const UP_SHARE = 0.02;
const UP_SHARE_OF_IDLE = 0.08;

export class LagLimit {
  /** What a round may take. */
  readonly targetMs: number;
  #limit = NO_LIMIT;
  #lateMs = 0;
  #calmIntervals = 0;

  constructor(targetMs: number) {
    this.targetMs = targetMs;
  }

  /** Exchanges at a time; NO_LIMIT where the loop keeps up. A whole number, at least BOUNDS.exchangesKeptMin. */
  get limit(): number {
    return this.#limit === NO_LIMIT ? NO_LIMIT : Math.floor(this.#limit);
  }

  take(interval: LoopInterval): void {
    const isLate = interval.lagMs > this.targetMs;
    const isFirst = this.#lateMs === 0;
    if (!isLate) this.#lateMs = 0;
    else this.#lateMs += isFirst ? Math.min(interval.ms, FIRST_LATE_MS_MAX) : interval.ms;
    if (this.#limit === NO_LIMIT) {
      if (this.#lateMs >= LATE_MS_MIN) {
        this.#setBelow(interval, scaleStep(FIRST_STEP, interval.ms));
      }
    } else if (isLate) {
      this.#calmIntervals = 0;
      const excess = Math.min(1, (interval.lagMs - this.targetMs) / this.targetMs);
      const step = scaleStep(1 - DOWN_SHARE * excess, interval.ms);
      this.#setBelow(interval, isFirst ? Math.max(FIRST_DOWN, step) : step);
    } else {
      this.#rise(interval);
    }
  }

  #rise({ lagMs, busyShare, wasBinding }: LoopInterval): void {
    this.#calmIntervals = wasBinding ? 0 : this.#calmIntervals + 1;
    if (this.#calmIntervals >= CALM_INTERVALS) {
      this.#limit = NO_LIMIT;
      this.#calmIntervals = 0;
    } else if (wasBinding) {
      const share = UP_SHARE + UP_SHARE_OF_IDLE * (1 - busyShare);
      // Squared, because a loop that is nearly full gets late all at once.
      const room = 1 - lagMs / this.targetMs;
      const rise = this.#limit * share * room * room;
      this.#limit = Math.min(NO_LIMIT - 1, this.#limit + Math.max(1, rise));
    }
  }

  /** A limit that somebody was refused for is what keeps the rest down, though lower priorities have but a part of it. */
  #setBelow({ inFlightMax, wasBinding }: LoopInterval, share: number): void {
    const isBinding = wasBinding && this.#limit !== NO_LIMIT;
    const exchanges = isBinding ? Math.max(inFlightMax, this.#limit) : inFlightMax;
    this.#limit = Math.min(this.#limit, Math.max(BOUNDS.exchangesKeptMin, exchanges * share));
  }
}

/** A step that was meant for an interval of the usual length, for a longer one. */
function scaleStep(step: number, ms: number): number {
  return Math.max(STEP_MIN, step ** Math.max(1, ms / BOUNDS.lagIntervalMs));
}

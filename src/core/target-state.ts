/**
 * What stages tell each other about targets while they run. A target is one place in one model's list; all of the
 * gateway's are numbered, models in the configuration's order and then targets in theirs (`Target.index`).
 */

/** Whether a target may have requests; the same in all workers. Times are shared milliseconds (core/clock.ts). */
export interface TargetHealth {
  /**
   * Another number after anything that makes a target less usable than it was. Time alone does not: a target that is
   * usable with its whole weight stays so while this stands.
   */
  readonly changes: number;
  /** Not ejected, not drained; of one that is half-open: whether it may have the next trial. Takes nothing. */
  isUsable(index: number, nowMs: number): boolean;
  /** From 0 to 1: the share of its usual weight; below 1 while its provider throttles. */
  weightFactor(index: number, nowMs: number): number;
  /**
   * An attempt is made: of a half-open target this is the trial.
   * @returns false where the target is ejected, and the attempt not its trial.
   */
  noteAttempt(index: number, nowMs: number): boolean;
  /** An attempt ended well, as far as the target is concerned. */
  noteSuccess(index: number, nowMs: number): void;
  noteFailure(index: number, nowMs: number): void;
  /** @param untilMs when the provider said that it may be asked again; 0: it did not say. */
  noteThrottled(index: number, nowMs: number, untilMs: number): void;
  /** An attempt that began while the target was ejected, and not as its trial, ended well: so the target is well. */
  noteRevived(index: number, nowMs: number): void;
  /** An attempt ended without saying anything about the target: its caller left. Gives a trial back. */
  noteNothing(index: number, nowMs: number): void;
}

/** How busy and how fast a target is, in all workers together. */
export interface TargetLoad {
  /** An attempt begins. */
  begin(index: number): void;
  /** It is over, whichever way: exactly once for each begin(). */
  end(index: number): void;
  /**
   * @param firstMs from the request sent to the first token, or to the head where it has none.
   * @param tokensPerSecond of the answer after it; 0: not known.
   */
  recordAnswer(index: number, firstMs: number, tokensPerSecond: number, nowMs: number): void;
}

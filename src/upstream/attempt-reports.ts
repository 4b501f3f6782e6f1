/** Tells whoever keeps account of targets, the counters and the access log what became of each attempt. One worker's. */
import { BOUNDS } from '../core/bounds.js';
import { toSharedMs } from '../core/clock.js';
import type { TargetHealth, TargetLoad } from '../core/target-state.js';
import type { Exchange } from '../exchange.js';
import type { Target } from '../route/models.js';
import { type AttemptOutcome, isFailure } from './attempt-outcomes.js';
import { FAILURE_CLASSES } from './failure-classes.js';

export class AttemptReports {
  readonly #health: TargetHealth;
  readonly #load: TargetLoad;
  readonly #count: (target: Target, outcome: AttemptOutcome) => void;
  /** By `Target.index`: when an answer of its began to go to a client. */
  readonly #answeredMs: Float64Array;

  /** @param targets how many there are, of all models. */
  constructor(
    targets: number,
    health: TargetHealth,
    load: TargetLoad,
    count: (target: Target, outcome: AttemptOutcome) => void,
  ) {
    this.#health = health;
    this.#load = load;
    this.#count = count;
    this.#answeredMs = new Float64Array(targets);
  }

  /** An answer of the target goes to its client. */
  noteAnswering(target: Target, atMs: number): void {
    this.#answeredMs[target.index] = atMs;
  }

  /**
   * A hedge has answered in place of a target, which will never be waited for long enough to fail by itself. Where it has
   * answered nobody since it was asked it is blamed; a target that is only slower than its hedge answers others.
   */
  noteSilence(target: Target, sinceMs: number, atMs: number): void {
    if (this.#answeredMs[target.index]! < sinceMs) {
      this.#health.noteFailure(target.index, toSharedMs(atMs));
    }
  }

  /** @returns false where the target is ejected, and the attempt not its trial. */
  begin(exchange: Exchange, target: Target, atMs: number): boolean {
    exchange.attemptsMade += 1;
    return this.beginDirect(target, atMs);
  }

  /** An attempt for which begin() has returned false went well. */
  noteRevived(target: Target, atMs: number): void {
    this.#health.noteRevived(target.index, toSharedMs(atMs));
  }

  /**
   * Exactly once for each begin().
   *
   * @param isAnswered the provider said it itself.
   * @param retryAfterMs what the provider asked for; below 0: nothing.
   * @param atMs now.
   */
  end(
    exchange: Exchange,
    target: Target,
    startedMs: number,
    outcome: AttemptOutcome,
    isAnswered: boolean,
    retryAfterMs: number,
    atMs: number,
  ): void {
    this.endDirect(target, outcome, isAnswered, retryAfterMs, atMs);
    const isOnly = exchange.attempts === null && exchange.attemptsMade === 1;
    if (isOnly && (outcome === 'ok' || !isFailure(outcome))) {
      return;
    }
    exchange.attempts ??= [];
    if (exchange.attempts.length < BOUNDS.attemptRecordsMax) {
      const model = target.model ?? exchange.model;
      const ms = atMs - startedMs;
      exchange.attempts.push({ provider: target.provider, model, className: outcome, ms });
    }
  }

  /** Of an exchange that makes no other: it tells no more of its attempts. */
  beginDirect(target: Target, atMs: number): boolean {
    const isInTurn = this.#health.noteAttempt(target.index, toSharedMs(atMs));
    this.#load.begin(target.index);
    return isInTurn;
  }

  /** Exactly once for each beginDirect(); parameters as of end(). */
  endDirect(
    target: Target,
    outcome: AttemptOutcome,
    isAnswered: boolean,
    retryAfterMs: number,
    atMs: number,
  ): void {
    this.#load.end(target.index);
    this.#count(target, outcome);
    this.#judge(target.index, outcome, isAnswered, retryAfterMs, toSharedMs(atMs));
  }

  /** An answer that was passed on whole, of an exchange that is settled: how quick its target was. */
  recordAnswer(exchange: Exchange, target: Target): void {
    const { settled, sentMs, headMs, upstreamDoneMs: atMs } = exchange;
    const tokens = settled === null || settled.isEstimated ? 0 : settled.usage.outputTokens;
    const seconds = (atMs - headMs) / 1000;
    const pace = tokens > 0 && seconds > 0 ? tokens / seconds : 0;
    this.#load.recordAnswer(target.index, headMs - sentMs, pace, toSharedMs(atMs));
  }

  #judge(
    index: number,
    outcome: AttemptOutcome,
    isAnswered: boolean,
    retryAfterMs: number,
    atMs: number,
  ): void {
    if (outcome === 'ok') {
      this.#health.noteSuccess(index, atMs);
      return;
    }
    const harms = isFailure(outcome) ? FAILURE_CLASSES[outcome].harms : 'nothing';
    if (harms === 'health') {
      this.#health.noteFailure(index, atMs);
    } else if (harms === 'throttle') {
      this.#health.noteThrottled(index, atMs, retryAfterMs < 0 ? 0 : atMs + retryAfterMs);
    } else if (isAnswered) {
      // It answered, and the request was at fault.
      this.#health.noteSuccess(index, atMs);
    } else {
      this.#health.noteNothing(index, atMs);
    }
  }
}

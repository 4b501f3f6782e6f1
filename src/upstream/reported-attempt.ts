/** A call to a target and what is told of it: to whom, and that once. */
import { BOUNDS } from '../core/bounds.js';
import { nowMs, wallClockMs } from '../core/clock.js';
import type { Exchange } from '../exchange.js';
import type { Target } from '../route/models.js';
import type { AttemptOutcome } from './attempt-outcomes.js';
import type { AttemptParts } from './attempt-parts.js';
import { holdsTokens } from './call-timeouts.js';
import {
  classifyError,
  classifyStatus,
  FAILURE_CLASSES,
  FAILURES_FROM,
  type FailureClassName,
} from './failure-classes.js';
import { type FoundFailure, type HeldAnswer, HeldError, HeldStream } from './held-answer.js';
import type { ResponseHead } from './response-head.js';
import { readRetryAfterMs } from './retry-after.js';
import { mayHoldError } from './stream-error.js';

const METHOD_WITHOUT_BODIES = 'HEAD';

export abstract class ReportedAttempt {
  protected readonly parts: AttemptParts;
  protected readonly exchange: Exchange;
  target: Target;
  startedMs = 0;
  /** 0: the request has not been written. */
  sentMs = 0;
  /** Of the time from startedMs to sentMs, as the call tells it. */
  #waitedMs = 0;
  protected isReported = true;
  /** The target was ejected when it was asked, and this is not its trial. */
  #isOutOfTurn = false;
  /** Of its answer; null: there is none yet. */
  head: ResponseHead | null = null;
  headMs = 0;
  /** What of the answer is not to go on yet; null: nothing. */
  held: HeldAnswer | null = null;

  constructor(parts: AttemptParts, exchange: Exchange, target: Target) {
    this.parts = parts;
    this.exchange = exchange;
    this.target = target;
  }

  protected open(atMs: number): void {
    this.startedMs = atMs;
    this.sentMs = 0;
    this.isReported = false;
    this.head = null;
    this.held = null;
    const { exchange, target } = this;
    this.#isOutOfTurn = !this.parts.reports.begin(exchange, target, atMs);
    exchange.trace?.beginAttempt(target.provider, target.model ?? exchange.model, atMs);
  }

  protected noteSent(atMs: number, waitedMs: number): void {
    this.sentMs = atMs;
    this.#waitedMs = waitedMs;
  }

  /** Since the request could be passed on; while another call was waited for, too. */
  protected get waitedInAllMs(): number {
    return this.startedMs - this.exchange.readyMs + this.#waitedMs;
  }

  /** @param isAnswered the provider said it itself. */
  report(
    outcome: AttemptOutcome,
    isAnswered: boolean,
    retryAfterMs = -1,
    atMs: number = nowMs(),
  ): void {
    if (!this.isReported) {
      this.isReported = true;
      const { reports } = this.parts;
      const { exchange, target, startedMs } = this;
      reports.end(exchange, target, startedMs, outcome, isAnswered, retryAfterMs, atMs);
      if (this.#isOutOfTurn && outcome === 'ok') reports.noteRevived(target, atMs);
      if (exchange.trace !== null) this.#trace(outcome, atMs);
    }
  }

  /** The answer is passed on whole. Before the exchange ends, because the access log and a trace tell of it. */
  protected reportWhole(atMs: number): void {
    this.report('ok', true, -1, atMs);
    this.exchange.isPaced = this.parts.plans.comparesPace;
  }

  #trace(outcome: AttemptOutcome, endedMs: number): void {
    const { exchange, target, startedMs, sentMs, head, headMs } = this;
    const answered = head === null ? { headMs: 0, status: 0 } : { headMs, status: head.status };
    const end = { ...answered, sentMs, outcome, endedMs };
    exchange.trace?.endAttempt(target.provider, startedMs, end);
  }

  /** The hedge, made because this one was slow, is the one that answers. */
  protected reportOutrun(atMs: number): void {
    this.parts.reports.noteSilence(this.target, this.startedMs, atMs);
    this.report('outrun', false, -1, atMs);
  }

  /** @returns how long the provider wants to be left alone; -1: it did not say. */
  protected reportAnswer(className: FailureClassName, head: ResponseHead): number {
    const retryAfterMs = readRetryAfterMs(head.lines, wallClockMs());
    this.report(className, true, retryAfterMs);
    return retryAfterMs;
  }

  /** The exchange ended before it; where its time was over, the relay has said so by now. */
  protected reportGivenUp(): void {
    const { error } = this.exchange;
    this.report((error === null ? null : classifyError(error)) ?? 'aborted', false);
  }

  /** null: it is no failure. */
  protected classifyHead({ status }: ResponseHead): FailureClassName | null {
    return status < FAILURES_FROM ? null : classifyStatus(status, this.hasOwnCredential);
  }

  /** Weir's own credential goes to the target, not the caller's. */
  protected get hasOwnCredential(): boolean {
    return this.parts.forwarder.configOf(this.target.provider).apiKey !== null;
  }

  /**
   * Holds what only announces content until that comes, because another target can still answer instead; and an error
   * whose body tells its class.
   *
   * @param className of the head.
   */
  protected hold(
    head: ResponseHead,
    className: FailureClassName | null,
    isHedged: boolean,
  ): HeldAnswer | null {
    const { createWatch, forwarder } = this.parts;
    if (className !== null) {
      const mayBeHeld =
        head.contentLength <= BOUNDS.heldAnswerBytesMax &&
        this.exchange.head.method !== METHOD_WITHOUT_BODIES;
      return mayBeHeld && FAILURE_CLASSES[className].needsBody
        ? new HeldError(head, this.hasOwnCredential)
        : null;
    }
    const isAwaited =
      createWatch !== null &&
      holdsTokens(head) &&
      (isHedged || forwarder.waitsForToken(this.target));
    return isAwaited ? new HeldStream(createWatch(), this.hasOwnCredential) : null;
  }

  /** Whether the first bytes of a stream may be an error in spite of its status. */
  protected mayHoldError(chunk: Buffer): boolean {
    return this.head !== null && holdsTokens(this.head) && mayHoldError(chunk);
  }

  /** What an answer was found to be after its head. */
  protected reportFound({ className, retryAfterMs }: FoundFailure): void {
    this.report(className, true, retryAfterMs);
  }

  /** Takes over the exchange's first call, which was to be reported when the exchange is over. */
  protected assumeFirst(): void {
    const { exchange } = this;
    exchange.isDirect = false;
    this.startedMs = exchange.readyMs;
    this.sentMs = exchange.sentMs;
    this.#waitedMs = exchange.waitedMs;
    this.#isOutOfTurn = exchange.isOutOfTurn;
    this.isReported = false;
  }

  /** Takes over what another has begun and got, and its report with it. */
  protected assume(other: ReportedAttempt): void {
    this.head = other.head;
    this.headMs = other.headMs;
    this.held = other.held;
    this.target = other.target;
    this.startedMs = other.startedMs;
    this.sentMs = other.sentMs;
    this.#waitedMs = other.#waitedMs;
    this.isReported = false;
    this.#isOutOfTurn = other.#isOutOfTurn;
    other.isReported = true;
  }
}

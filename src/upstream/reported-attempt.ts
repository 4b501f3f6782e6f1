/** A call to a target and what is told of it: to whom, and that once. */
import { nowMs, wallClockMs } from '../core/clock.js';
import type { Exchange } from '../exchange.js';
import type { Target } from '../route/models.js';
import type { AttemptOutcome } from './attempt-outcomes.js';
import type { AttemptParts } from './attempt-parts.js';
import { holdsTokens } from './call-timeouts.js';
import { classifyStatus, type FailureClassName } from './failure-classes.js';
import type { ResponseHead } from './response-head.js';
import { readRetryAfterMs } from './retry-after.js';

const FAILURES_FROM = 400;

export abstract class ReportedAttempt {
  protected readonly parts: AttemptParts;
  protected readonly exchange: Exchange;
  target: Target;
  startedMs = 0;
  /** 0: the request has not been written. */
  sentMs = 0;
  protected isReported = true;

  constructor(parts: AttemptParts, exchange: Exchange, target: Target) {
    this.parts = parts;
    this.exchange = exchange;
    this.target = target;
  }

  protected open(atMs: number): void {
    this.startedMs = atMs;
    this.sentMs = 0;
    this.isReported = false;
    this.parts.reports.begin(this.exchange, this.target, atMs);
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
    }
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

  /** null: it is no failure. */
  protected classifyHead({ status }: ResponseHead): FailureClassName | null {
    return status < FAILURES_FROM ? null : classifyStatus(status, this.hasOwnCredential);
  }

  /** Weir's own credential goes to the target, not the caller's. */
  protected get hasOwnCredential(): boolean {
    return this.parts.forwarder.configOf(this.target.provider).apiKey !== null;
  }

  /** What of it only announces content is held until that comes, because another target can still answer instead. */
  protected awaitsToken(head: ResponseHead, isHedged: boolean): boolean {
    return holdsTokens(head) && (isHedged || this.parts.forwarder.waitsForToken(this.target));
  }

  /** Takes over what another has begun, and its report with it. */
  protected assume(other: ReportedAttempt): void {
    this.target = other.target;
    this.startedMs = other.startedMs;
    this.sentMs = other.sentMs;
    this.isReported = false;
    other.isReported = true;
  }
}

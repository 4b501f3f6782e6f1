/** A second call beside the first, for the time that it is not known which will answer. */
import type { Exchange } from '../exchange.js';
import type { Target } from '../route/models.js';
import type { AttemptOutcome } from './attempt-outcomes.js';
import type { AttemptParts } from './attempt-parts.js';
import type { UpstreamCall, UpstreamObserver } from './call.js';
import type { ResponseHead } from './response-head.js';

/** Who began both. */
export interface HedgeOwner {
  onHedgeHead(hedge: HedgedCall, head: ResponseHead, atMs: number): void;
  /** It may come before begin() has returned. */
  onHedgeFailure(hedge: HedgedCall, failure: unknown): void;
}

export class HedgedCall implements UpstreamObserver {
  readonly #owner: HedgeOwner;
  readonly #parts: AttemptParts;
  readonly #exchange: Exchange;
  readonly target: Target;
  readonly startedMs: number;
  sentMs = 0;
  /** null: it could not even be begun. */
  call: UpstreamCall | null = null;

  constructor(
    owner: HedgeOwner,
    parts: AttemptParts,
    exchange: Exchange,
    target: Target,
    startedMs: number,
  ) {
    this.#owner = owner;
    this.#parts = parts;
    this.#exchange = exchange;
    this.target = target;
    this.startedMs = startedMs;
  }

  begin(): void {
    const { forwarder, reports } = this.#parts;
    reports.begin(this.#exchange, this.target, this.startedMs);
    try {
      this.call = forwarder.forward(this.#exchange, this.target, this);
    } catch (thrown) {
      this.#owner.onHedgeFailure(this, thrown);
    }
  }

  /** Once, but where its owner takes the call over. */
  report(outcome: AttemptOutcome, isAnswered: boolean, retryAfterMs: number): void {
    const { reports } = this.#parts;
    reports.end(this.#exchange, this.target, this.startedMs, outcome, isAnswered, retryAfterMs);
  }

  onUpstreamSent(atMs: number): void {
    this.sentMs = atMs;
  }

  onUpstreamHead(head: ResponseHead, atMs: number): void {
    this.#owner.onHedgeHead(this, head, atMs);
  }

  /** With the head its owner takes the call over, or has done with it. */
  onUpstreamData(): void {}

  onUpstreamTurn(): void {}

  onUpstreamEnd(): void {}

  onUpstreamFailure(failure: unknown): void {
    this.#owner.onHedgeFailure(this, failure);
  }
}

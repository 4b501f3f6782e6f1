/** A second call beside the first, for the time that it is not known which will answer. */
import { GatewayError } from '../core/errors.js';
import type { Exchange } from '../exchange.js';
import type { Target } from '../route/models.js';
import type { AttemptParts } from './attempt-parts.js';
import type { UpstreamCall, UpstreamObserver } from './call.js';
import { Discard } from './discard.js';
import { classifyError } from './failure-classes.js';
import { ReportedAttempt } from './reported-attempt.js';
import type { ResponseHead } from './response-head.js';

/** Who began both. */
export interface HedgeOwner {
  /** It answers well, and is the owner's from now on. */
  onHedgeHead(hedge: HedgedCall, head: ResponseHead, atMs: number): void;
  /** It has failed and is reported. It may come before begin() has returned. */
  onHedgeFailed(): void;
}

export class HedgedCall extends ReportedAttempt implements UpstreamObserver {
  readonly #owner: HedgeOwner;
  /** null: it could not even be begun. */
  call: UpstreamCall | null = null;

  constructor(owner: HedgeOwner, parts: AttemptParts, exchange: Exchange, target: Target) {
    super(parts, exchange, target);
    this.#owner = owner;
  }

  begin(atMs: number): void {
    this.open(atMs);
    try {
      this.call = this.parts.forwarder.forward(this.exchange, this.target, this);
    } catch (thrown) {
      this.onUpstreamFailure(thrown);
    }
  }

  onUpstreamSent(atMs: number): void {
    this.sentMs = atMs;
  }

  onUpstreamHead(head: ResponseHead, atMs: number): void {
    const className = this.classifyHead(head);
    if (className === null) {
      this.#owner.onHedgeHead(this, head, atMs);
      return;
    }
    this.reportAnswer(className, head);
    this.#owner.onHedgeFailed();
    if (this.call !== null) {
      new Discard(this.call, head.contentLength, this.parts.plans.patience);
    }
  }

  /** With the head the call is another's. */
  onUpstreamData(): void {}

  onUpstreamTurn(): void {}

  onUpstreamEnd(): void {}

  onUpstreamFailure(failure: unknown): void {
    const className = failure instanceof GatewayError ? classifyError(failure) : null;
    this.report(className ?? 'other', false);
    this.#owner.onHedgeFailed();
  }
}

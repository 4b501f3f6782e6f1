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
  /** It answers well, a stream with its first token, and is the owner's from now on. What it has got is held. */
  onHedgeAnswer(hedge: HedgedCall): void;
  /** It has failed and is reported. It may come before begin() has returned. */
  onHedgeFailed(): void;
}

export class HedgedCall extends ReportedAttempt implements UpstreamObserver {
  readonly #owner: HedgeOwner;
  /** null: it could not even be begun. */
  call: UpstreamCall | null = null;
  /** Its answer has ended. */
  isOver = false;
  /** When its end was read. */
  endReadMs = 0;

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

  onUpstreamSent(atMs: number, waitedMs: number): void {
    this.noteSent(atMs, waitedMs);
  }

  onUpstreamHead(head: ResponseHead, atMs: number): void {
    this.head = head;
    this.headMs = atMs;
    const className = this.classifyHead(head);
    this.held = this.hold(head, className, true);
    if (this.held !== null) {
      return;
    }
    if (className === null) {
      this.#owner.onHedgeAnswer(this);
    } else {
      this.reportAnswer(className, head);
      this.#giveUp();
    }
  }

  onUpstreamData(chunk: Buffer): void {
    const { held } = this;
    const failure = held?.take(chunk) ?? null;
    if (failure !== null) {
      this.reportFound(failure);
      this.#giveUp();
    } else if (held?.isDue === true) {
      this.#owner.onHedgeAnswer(this);
    }
  }

  onUpstreamTurn(): void {}

  onUpstreamEnd(atMs: number): void {
    this.isOver = true;
    this.endReadMs = atMs;
    const failure = this.held?.finish() ?? null;
    if (failure === null) {
      this.#owner.onHedgeAnswer(this);
    } else {
      this.reportFound(failure);
      this.#owner.onHedgeFailed();
    }
  }

  onUpstreamFailure(failure: unknown): void {
    const className = failure instanceof GatewayError ? classifyError(failure) : null;
    this.report(className ?? 'other', false);
    this.#owner.onHedgeFailed();
  }

  /** It is not needed any more, or nobody is left to whom it could answer. */
  drop(outcome: 'outrun' | 'aborted'): void {
    this.report(outcome, false);
    this.call?.cancel();
  }

  /** What follows of a failure is of no interest. */
  #giveUp(): void {
    this.#owner.onHedgeFailed();
    if (this.call !== null) {
      new Discard(this.call, this.head?.contentLength ?? -1, this.parts.plans.patience);
    }
  }
}

/**
 * The first call of an exchange that may have others, for as long as all is well with it, which is nearly always to its
 * end: until the answer's first bytes have come it stands between the relay and the call, so that what breaks off until
 * then can be replaced, and from then on it is out of the way. What fails, or must be looked into or waited for, goes to
 * Attempts, with all that has come of it.
 *
 * What became of the call is told when the exchange is over, as that of an only one is (direct-attempt.ts). It could all
 * be Attempts' own doing; with thrice the fields, in three classes, they cost a request one per cent more.
 */
import type { Exchange, Phase } from '../exchange.js';
import type { ModelEntry, Target } from '../route/models.js';
import type { AttemptParts, RelaySide } from './attempt-parts.js';
import { Attempts } from './attempts.js';
import type { UpstreamCall, UpstreamObserver } from './call.js';
import { holdsTokens } from './call-timeouts.js';
import { beginDirect } from './direct-attempt.js';
import { FAILURES_FROM } from './failure-classes.js';
import type { ResponseHead } from './response-head.js';
import { mayHoldError } from './stream-error.js';

export class FirstAttempt implements UpstreamObserver {
  readonly #parts: AttemptParts;
  readonly #exchange: Exchange;
  readonly #entry: ModelEntry;
  readonly #target: Target;
  readonly #relay: RelaySide;
  #call: UpstreamCall | null = null;
  /** Of its answer, which has no bytes yet. */
  #head: ResponseHead | null = null;
  #headMs = 0;
  #isBeginning = true;
  #early: unknown = null;

  /** @param target the exchange's, of `entry`. */
  constructor(
    parts: AttemptParts,
    exchange: Exchange,
    entry: ModelEntry,
    target: Target,
    relay: RelaySide,
  ) {
    this.#parts = parts;
    this.#exchange = exchange;
    this.#entry = entry;
    this.#target = target;
    this.#relay = relay;
  }

  get phase(): Phase {
    return this.#call === null ? this.#exchange.phase : this.#call.phase;
  }

  get endedIn(): Phase {
    return this.#call === null ? this.#exchange.phase : this.#call.endedIn;
  }

  /** Once. */
  start(): void {
    const exchange = this.#exchange;
    const parts = this.#parts;
    exchange.attemptsMade = 1;
    parts.budget.noteFirst();
    beginDirect(parts, exchange, this.#target);
    let failure: unknown = null;
    try {
      this.#call = parts.forwarder.forward(exchange, this.#target, this);
    } catch (thrown) {
      failure = thrown;
    }
    this.#isBeginning = false;
    failure ??= this.#early;
    if (failure !== null) {
      this.#giveWay().onUpstreamFailure(failure);
    }
  }

  pause(): void {
    this.#call?.pause();
  }

  resume(): void {
    this.#call?.resume();
  }

  cancel(): void {
    this.#call?.cancel();
  }

  onUpstreamSent(atMs: number, waitedMs: number): void {
    this.#relay.onUpstreamSent(atMs, waitedMs);
  }

  onUpstreamHead(head: ResponseHead, atMs: number): void {
    if (head.status >= FAILURES_FROM || (head.isEventStream && this.#mustWait())) {
      this.#giveWay().onUpstreamHead(head, atMs);
    } else {
      this.#head = head;
      this.#headMs = atMs;
    }
  }

  onUpstreamData(chunk: Buffer): void {
    const head = this.#head;
    if (head !== null && holdsTokens(head) && mayHoldError(chunk)) {
      const attempts = this.#giveWay();
      attempts.onUpstreamHead(head, this.#headMs);
      attempts.onUpstreamData(chunk);
    } else {
      this.#pass();
      this.#relay.onUpstreamData(chunk);
    }
  }

  /** Nothing has been told to the relay. */
  onUpstreamTurn(): void {}

  onUpstreamEnd(readMs: number): void {
    this.#pass();
    this.#relay.onUpstreamEnd(readMs);
  }

  onUpstreamFailure(failure: unknown): void {
    if (this.#isBeginning) {
      this.#early = failure;
    } else {
      const head = this.#head;
      const attempts = this.#giveWay();
      if (head !== null) attempts.onUpstreamHead(head, this.#headMs);
      attempts.onUpstreamFailure(failure);
    }
  }

  /** Streams whose content is waited for, or whose silence is filled. */
  #mustWait(): boolean {
    return this.#target.keepAliveMs > 0 || this.#parts.forwarder.waitsForToken(this.#target);
  }

  /** From here on everything goes to the client, and nothing else can be made of the exchange than what this call is. */
  #pass(): void {
    const relay = this.#relay;
    const head = this.#head;
    // Before it is told, so that it is not told once more where that meets with a defect.
    this.#head = null;
    if (head !== null) {
      this.#parts.reports.noteAnswering(this.#target, this.#headMs);
      relay.onUpstreamHead(head, this.#headMs);
    }
    if (this.#call !== null) {
      this.#call.handOver(relay);
      relay.begin(this.#call);
    }
  }

  #giveWay(): Attempts {
    const exchange = this.#exchange;
    const relay = this.#relay;
    const attempts = new Attempts(this.#parts, exchange, this.#entry, this.#target, relay);
    attempts.takeOver(this.#call);
    relay.begin(attempts);
    return attempts;
  }
}

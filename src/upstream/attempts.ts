/**
 * The calls of one exchange to providers: one as a rule, and others where it fails before anything of an answer has gone
 * to the client. It stands between the relay, for which it is the call, and the call, for which it is the observer.
 *
 * A head is held until the first bytes of its body come, since nothing goes to the client before them: an answer that
 * breaks off until then can still be replaced.
 */
import { nowMs } from '../core/clock.js';
import { GatewayError } from '../core/errors.js';
import type { Exchange, Phase } from '../exchange.js';
import type { ModelEntry, Target } from '../route/models.js';
import { type AttemptParts, turnToTarget } from './attempt-parts.js';
import type { EntryPlan } from './attempt-plan.js';
import { AttemptWalk, type Step } from './attempt-walk.js';
import type { UpstreamCall, UpstreamObserver } from './call.js';
import { Discard } from './discard.js';
import { classifyError, FAILURE_CLASSES, type FailureClassName } from './failure-classes.js';
import { HedgedCall, type HedgeOwner } from './hedged-call.js';
import { type FoundFailure, type HeldAnswer, HeldError, HeldStream } from './held-answer.js';
import type { ResponseHead } from './response-head.js';
import { WaitingAttempt } from './waiting-attempt.js';

/** `pausing`: before another attempt. `gathering`: an error's body. `answered`: the head is here and is held. */
type State = 'waiting' | 'pausing' | 'gathering' | 'answered' | 'passing' | 'over';

export class Attempts extends WaitingAttempt implements UpstreamObserver, HedgeOwner {
  readonly #entry: ModelEntry;
  readonly #plan: EntryPlan;
  readonly #relay: UpstreamObserver;
  #state: State = 'waiting';
  #call: UpstreamCall | null = null;
  /** What is needed only where something fails or is slow. */
  #walk: AttemptWalk | null = null;
  #hedge: HedgedCall | null = null;
  #isBeginning = false;
  #early: unknown = null;

  /** @param target the first one, of `entry`. */
  constructor(
    parts: AttemptParts,
    exchange: Exchange,
    entry: ModelEntry,
    target: Target,
    relay: UpstreamObserver,
  ) {
    super(parts, exchange, target);
    this.#entry = entry;
    this.#plan = parts.plans.of(entry);
    this.#relay = relay;
  }

  /** Where the present call is; between two `waiting`. */
  get phase(): Phase {
    return this.#call === null ? this.exchange.phase : this.#call.phase;
  }

  get endedIn(): Phase {
    return this.#call === null ? this.exchange.phase : this.#call.endedIn;
  }

  /** Once. */
  start(): void {
    this.parts.budget.noteFirst();
    this.#begin(this.target);
  }

  /** In place of start(), where the first call has been made; all that happens to it is told here from now on. */
  takeOver(call: UpstreamCall | null): void {
    this.assumeFirst();
    this.#call = call;
    call?.handOver(this);
  }

  pause(): void {
    this.#call?.pause();
  }

  resume(): void {
    this.#call?.resume();
  }

  cancel(): void {
    if (this.#state !== 'over') {
      if (this.#state !== 'pausing') {
        this.reportGivenUp();
      }
      this.#dropHedge('aborted');
      this.#finish();
      this.#call?.cancel();
    }
  }

  onUpstreamSent(atMs: number, waitedMs: number): void {
    this.noteSent(atMs, waitedMs);
    this.#relay.onUpstreamSent(atMs, this.waitedInAllMs);
  }

  onUpstreamHead(head: ResponseHead, atMs: number): void {
    this.head = head;
    this.headMs = atMs;
    this.#state = 'answered';
    const className = this.classifyHead(head);
    this.held = this.hold(head, className, this.#plan.hedges !== null);
    if (className !== null && this.held !== null) {
      this.#gather();
    } else if (className !== null) {
      // What is not replaced is passed on as it comes.
      this.#tryAgain(className, this.reportAnswer(className, head), this.#call);
    } else if (this.held === null) {
      this.leaveList();
      this.#dropHedge('outrun');
      // Comments between head and content can't wait for what they bridge.
      if (head.isEventStream && this.target.keepAliveMs > 0) this.#pass();
    }
  }

  onUpstreamData(chunk: Buffer): void {
    if (this.#state !== 'passing') {
      // Of a stream that is not held the first bytes alone are looked at, before they go on.
      if (this.held === null && !this.isReported && this.mayHoldError(chunk)) {
        this.held = new HeldStream(null, this.hasOwnCredential);
      }
      if (this.held !== null) {
        this.#takeHeld(this.held, chunk);
        return;
      }
      this.#pass();
    }
    this.#relay.onUpstreamData(chunk);
  }

  onUpstreamTurn(atMs: number): void {
    if (this.#state === 'passing') {
      this.#relay.onUpstreamTurn(atMs);
    }
  }

  onUpstreamEnd(readMs: number): void {
    if (this.held !== null) {
      if (this.#replace(this.held.finish())) {
        return;
      }
      this.#passHeld();
    }
    if (this.#state !== 'passing') {
      this.#pass();
    }
    this.#finish();
    if (!this.isReported) {
      this.reportWhole(readMs);
    }
    this.#relay.onUpstreamEnd(readMs);
  }

  onUpstreamFailure(failure: unknown): void {
    if (this.#isBeginning) {
      this.#early = failure;
    } else {
      this.#fail(failure);
    }
  }

  /** The hedge's time has come, or an error's body takes too long. */
  onDeadline(): void {
    if (this.#state !== 'gathering') {
      this.#beginHedge();
    } else if (!this.#replace(this.held?.finish() ?? null, this.#call)) {
      this.#passHeld();
      this.#relay.onUpstreamTurn(this.headMs);
    }
  }

  onHedgeAnswer(hedge: HedgedCall): void {
    this.reportOutrun(nowMs());
    this.#call?.cancel();
    this.leaveList();
    this.#adopt(hedge);
    if (this.held !== null) {
      this.#passHeld();
    } else if (this.head !== null) {
      this.onUpstreamHead(this.head, this.headMs);
    }
    if (hedge.isOver) {
      this.onUpstreamEnd(hedge.endReadMs);
    }
  }

  onHedgeFailed(): void {
    this.#hedge = null;
  }

  #begin(target: Target): void {
    const exchange = this.exchange;
    this.#turnTo(target);
    // The first is made as soon as it can be; to read the clock once more would cost more than it tells.
    const atMs = exchange.attemptsMade === 0 ? exchange.readyMs : nowMs();
    this.#state = 'waiting';
    this.#call = null;
    this.open(atMs);
    if (this.#hedge === null) this.#plan.hedges?.add(this, atMs);
    this.#isBeginning = true;
    let failure: unknown = null;
    try {
      this.#call = this.parts.forwarder.forward(exchange, target, this);
    } catch (thrown) {
      failure = thrown;
    }
    this.#isBeginning = false;
    failure ??= this.#early;
    this.#early = null;
    if (failure !== null) {
      this.#fail(failure);
    }
  }

  /** An error that Weir met with, at any time. */
  #fail(failure: unknown): void {
    this.leaveList();
    const className = failure instanceof GatewayError ? classifyError(failure) : null;
    const isBegun = this.#state === 'passing' || this.#state === 'over';
    this.held = null;
    this.report(className ?? 'other', false);
    if (className !== null && !isBegun && this.#tryAgain(className, -1)) {
      return;
    }
    if (!isBegun && this.head !== null) {
      this.#relay.onUpstreamHead(this.head, this.headMs);
    }
    this.#dropHedge('aborted');
    this.#finish();
    this.#relay.onUpstreamFailure(failure);
  }

  /** An error's body is waited for, and not for long. */
  #gather(): void {
    this.#state = 'gathering';
    this.parts.plans.patience.add(this);
  }

  #takeHeld(held: HeldAnswer, chunk: Buffer): void {
    const failure = held.take(chunk);
    if (!this.#replace(failure, this.#call) && (failure !== null || held.isDue)) {
      this.#passHeld();
    }
  }

  /**
   * @param call whose answer is not over.
   * @returns false where the answer is to be passed on, or held on to.
   */
  #replace(failure: FoundFailure | null, call: UpstreamCall | null = null): boolean {
    if (failure === null) {
      return false;
    }
    this.reportFound(failure);
    return this.#tryAgain(failure.className, failure.retryAfterMs, call);
  }

  /** What has been held goes on, and all that follows. */
  #passHeld(): void {
    const pieces = this.held?.pieces ?? [];
    this.leaveList();
    this.held = null;
    this.#dropHedge('outrun');
    this.#pass();
    for (const piece of pieces) {
      this.#relay.onUpstreamData(piece);
    }
  }

  /** From here on everything goes to the client. */
  #pass(): void {
    this.#state = 'passing';
    if (this.head !== null) {
      this.parts.reports.noteAnswering(this.target, this.headMs);
      this.#relay.onUpstreamHead(this.head, this.headMs);
    }
  }

  /**
   * @param call whose answer is not over.
   * @returns true when this attempt is done with, and another has been made or will be.
   */
  #tryAgain(
    className: FailureClassName,
    retryAfterMs: number,
    call: UpstreamCall | null = null,
  ): boolean {
    this.leaveList();
    const row = FAILURE_CLASSES[className];
    const atMs = nowMs();
    const hedge = this.#hedge;
    const walk = this.#walkOn();
    walk.noteFailed(this.target, row, retryAfterMs, atMs);
    const step = hedge === null ? walk.takeNext(row, atMs, this.sentMs > 0) : null;
    if (hedge === null && step === null) {
      return false;
    }
    if (call !== null) {
      new Discard(call, this.head?.contentLength ?? -1, this.parts.plans.patience);
    }
    const isAtOnce = this.held === null || call !== null;
    this.head = null;
    this.held = null;
    if (!row.isBilled) {
      // As if it had not been sent: what was not read must not be paid for.
      this.exchange.sentMs = 0;
    }
    if (hedge !== null) {
      this.#adopt(hedge);
    } else if (step !== null) {
      this.#goOn(step, atMs, isAtOnce);
    }
    return true;
  }

  /** @param isAtOnce false: out of the stack of the call before, whose connection may close as it ends. */
  #goOn(step: Step, atMs: number, isAtOnce: boolean): void {
    if (step.delayMs <= 0 && isAtOnce) {
      this.#begin(step.target);
      return;
    }
    this.#state = 'pausing';
    this.#call = null;
    this.exchange.phase = 'waiting';
    const waitMs = Math.max(0, Math.ceil(step.delayMs - (nowMs() - atMs)));
    this.pauseBefore(() => this.#begin(step.target), waitMs);
  }

  #beginHedge(): void {
    const atMs = nowMs();
    const step = this.#walkOn().takeBeside(atMs, this.sentMs > 0);
    if (step !== null) {
      this.#hedge = new HedgedCall(this, this.parts, this.exchange, step.target);
      this.#hedge.begin(atMs);
    }
  }

  /** The hedge is the call from now on; the one before is over or cancelled, and reported. */
  #adopt(hedge: HedgedCall): void {
    this.#hedge = null;
    this.#call = hedge.call;
    this.assume(hedge);
    this.#state = this.head === null ? 'waiting' : 'answered';
    if (this.held instanceof HeldError) {
      this.#gather();
    }
    this.#turnTo(hedge.target);
    hedge.call?.handOver(this);
    if (hedge.sentMs > 0) {
      this.#relay.onUpstreamSent(hedge.sentMs, this.waitedInAllMs);
    }
  }

  #dropHedge(outcome: 'outrun' | 'aborted'): void {
    this.#hedge?.drop(outcome);
    this.#hedge = null;
  }

  #turnTo(target: Target): void {
    this.target = target;
    turnToTarget(this.exchange, target, this.parts.forwarder);
  }

  #walkOn(): AttemptWalk {
    this.#walk ??= new AttemptWalk(this.parts, this.exchange, this.#entry, this.target);
    return this.#walk;
  }

  #finish(): void {
    this.#state = 'over';
    this.stopWaiting();
  }
}

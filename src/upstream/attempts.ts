/**
 * The calls of one exchange to providers: one as a rule, and others where it fails before anything of an answer has gone
 * to the client. It stands between the relay, for which it is the call, and the call, for which it is the observer.
 *
 * A head is held until the first bytes of its body come, since nothing goes to the client before them: an answer that
 * breaks off until then can still be replaced.
 */
import { nowMs } from '../core/clock.js';
import type { DeadlineList, Timed } from '../core/deadlines.js';
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
import { HeldAnswer, HeldError, mayHold } from './held-answer.js';
import { restoreBody } from './kept-bodies.js';
import { ReportedAttempt } from './reported-attempt.js';
import type { ResponseHead } from './response-head.js';

/** `pausing`: before another attempt. `gathering`: an error's body. `answered`: the head is here and is held. */
type State = 'waiting' | 'pausing' | 'gathering' | 'answered' | 'passing' | 'over';

export class Attempts extends ReportedAttempt implements UpstreamObserver, HedgeOwner, Timed {
  readonly #entry: ModelEntry;
  readonly #plan: EntryPlan;
  readonly #relay: UpstreamObserver;
  #state: State = 'waiting';
  #call: UpstreamCall | null = null;
  #head: ResponseHead | null = null;
  #headMs = 0;
  #kept: Buffer | null = null;
  /** What is needed only where something fails or is slow. */
  #walk: AttemptWalk | null = null;
  #hedge: HedgedCall | null = null;
  #held: HeldAnswer | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isBeginning = false;
  #early: unknown = null;

  deadlineList: DeadlineList | null = null;
  deadlinePrevious: Timed | null = null;
  deadlineNext: Timed | null = null;
  deadlineStartMs = 0;

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

  /** Once, while the body's memory is still there. */
  start(): void {
    this.parts.budget.noteFirst();
    this.#kept = this.parts.bodies.keepOf(this.exchange);
    this.#begin(this.target);
  }

  pause(): void {
    this.#call?.pause();
  }

  resume(): void {
    this.#call?.resume();
  }

  cancel(): void {
    if (this.#state !== 'over') {
      if (this.#state !== 'pausing') this.report('aborted', false);
      this.#dropHedge('aborted');
      this.#finish();
      this.#call?.cancel();
    }
  }

  onUpstreamSent(atMs: number): void {
    this.sentMs = atMs;
    this.#relay.onUpstreamSent(atMs);
  }

  onUpstreamHead(head: ResponseHead, atMs: number): void {
    this.#head = head;
    this.#headMs = atMs;
    this.#state = 'answered';
    const { createWatch, plans } = this.parts;
    const className = this.classifyHead(head);
    const isAwaited = this.awaitsToken(head, this.#plan.hedges !== null);
    const needsBody = className !== null && FAILURE_CLASSES[className].needsBody;
    if (needsBody && mayHold(this.exchange, head)) {
      this.#state = 'gathering';
      this.#held = new HeldError(head);
      plans.patience.add(this);
    } else if (className !== null) {
      // What is not replaced is passed on as it comes.
      this.deadlineList?.remove(this);
      this.#tryAgain(className, this.reportAnswer(className, head), this.#call);
    } else if (isAwaited && createWatch !== null) {
      // Until the first token a hedge may begin, or another target take over.
      this.#held = new HeldAnswer(createWatch());
    } else {
      this.deadlineList?.remove(this);
      this.#dropHedge('outrun');
      // Comments between head and content can't wait for what they bridge.
      if (head.isEventStream && this.target.keepAliveMs > 0) this.#pass();
    }
  }

  onUpstreamData(chunk: Buffer): void {
    if (this.#held !== null) {
      if (!this.#held.take(chunk)) {
        this.#passHeld();
      }
      return;
    }
    if (this.#state !== 'passing') {
      this.#pass();
    }
    this.#relay.onUpstreamData(chunk);
  }

  onUpstreamTurn(): void {
    if (this.#state === 'passing') {
      this.#relay.onUpstreamTurn();
    }
  }

  onUpstreamEnd(): void {
    if (this.#held instanceof HeldError && this.#replaceError(this.#held)) {
      return;
    }
    if (this.#held !== null) {
      this.#passHeld();
    }
    if (this.#state !== 'passing') {
      this.#pass();
    }
    const { exchange } = this;
    this.#finish();
    if (this.isReported) {
      this.#relay.onUpstreamEnd();
      return;
    }
    if (exchange.attemptsMade > 1) {
      // The access log tells of it, and is written as the exchange ends.
      this.report('ok', true);
    }
    const wasBegun = exchange.firstByteMs > 0;
    this.#relay.onUpstreamEnd();
    const atMs = wasBegun || exchange.firstByteMs === 0 ? nowMs() : exchange.firstByteMs;
    this.report('ok', true, -1, atMs);
    this.parts.reports.recordAnswer(exchange, this.target, this.sentMs, this.#headMs, atMs);
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
    if (this.#state === 'gathering') {
      this.#passHeld();
      this.#relay.onUpstreamTurn();
    } else if (this.#hedge === null) {
      this.#beginHedge();
    }
  }

  onHedgeHead(hedge: HedgedCall, head: ResponseHead, atMs: number): void {
    this.reportOutrun(atMs);
    this.#call?.cancel();
    this.#adopt(hedge);
    this.onUpstreamHead(head, atMs);
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
    this.#head = null;
    this.#call = null;
    this.open(atMs);
    const { hedges } = this.#plan;
    if (hedges !== null && this.#hedge === null) {
      hedges.add(this, atMs);
    }
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
    this.deadlineList?.remove(this);
    const className = failure instanceof GatewayError ? classifyError(failure) : null;
    const isBegun = this.#state === 'passing' || this.#state === 'over';
    this.#held = null;
    this.report(className ?? 'other', false);
    if (className !== null && !isBegun && this.#tryAgain(className, -1)) {
      return;
    }
    if (!isBegun && this.#head !== null) {
      this.#relay.onUpstreamHead(this.#head, this.#headMs);
    }
    this.#dropHedge('aborted');
    this.#finish();
    this.#relay.onUpstreamFailure(failure);
  }

  /** @returns false where the answer is to be passed on. */
  #replaceError(error: HeldError): boolean {
    const className = error.classify(this.hasOwnCredential);
    return (
      className !== null &&
      this.#head !== null &&
      this.#tryAgain(className, this.reportAnswer(className, this.#head))
    );
  }

  /** What has been held goes on, and all that follows. */
  #passHeld(): void {
    const pieces = this.#held?.pieces ?? [];
    this.deadlineList?.remove(this);
    this.#held = null;
    const className = this.#head === null ? null : this.classifyHead(this.#head);
    if (className !== null) {
      this.report(className, true);
    }
    this.#dropHedge('outrun');
    this.#pass();
    for (const piece of pieces) {
      this.#relay.onUpstreamData(piece);
    }
  }

  /** From here on everything goes to the client. */
  #pass(): void {
    this.#state = 'passing';
    this.#releaseBody();
    if (this.#head !== null) {
      this.parts.reports.noteAnswering(this.target, this.#headMs);
      this.#relay.onUpstreamHead(this.#head, this.#headMs);
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
    const row = FAILURE_CLASSES[className];
    const atMs = nowMs();
    const hedge = this.#hedge;
    const walk = this.#walkOn();
    walk.noteFailed(this.target, row, retryAfterMs, atMs);
    const step =
      hedge === null ? walk.takeNext(row, atMs, this.sentMs > 0, this.#kept !== null) : null;
    if (hedge === null && step === null) {
      return false;
    }
    if (call !== null) {
      new Discard(call, this.#head?.contentLength ?? -1, this.parts.plans.patience);
    }
    const isAtOnce = this.#held === null;
    this.#head = null;
    this.#held = null;
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
    restoreBody(this.exchange, this.#kept);
    if (step.delayMs <= 0 && isAtOnce) {
      this.#begin(step.target);
      return;
    }
    this.#state = 'pausing';
    this.#call = null;
    this.exchange.phase = 'waiting';
    const waitMs = Math.max(0, Math.ceil(step.delayMs - (nowMs() - atMs)));
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#begin(step.target);
    }, waitMs);
  }

  #beginHedge(): void {
    const atMs = nowMs();
    const step = this.#walkOn().takeBeside(atMs, this.sentMs > 0, this.#kept !== null);
    if (step !== null) {
      restoreBody(this.exchange, this.#kept);
      this.#hedge = new HedgedCall(this, this.parts, this.exchange, step.target);
      this.#hedge.begin(atMs);
    }
  }

  /** The hedge is the call from now on; the one before is over or cancelled, and reported. */
  #adopt(hedge: HedgedCall): void {
    this.#hedge = null;
    this.#state = 'waiting';
    this.#call = hedge.call;
    this.#held = null;
    this.assume(hedge);
    this.#turnTo(hedge.target);
    hedge.call?.handOver(this);
    if (hedge.sentMs > 0) {
      this.#relay.onUpstreamSent(hedge.sentMs);
    }
  }

  #dropHedge(outcome: 'outrun' | 'aborted'): void {
    const hedge = this.#hedge;
    if (hedge !== null) {
      this.#hedge = null;
      hedge.report(outcome, false);
      hedge.call?.cancel();
    }
  }

  #turnTo(target: Target): void {
    this.target = target;
    turnToTarget(this.exchange, target, this.parts.forwarder);
  }

  #walkOn(): AttemptWalk {
    this.#walk ??= new AttemptWalk(this.parts, this.exchange, this.#entry, this.target);
    return this.#walk;
  }

  #releaseBody(): void {
    if (this.#kept !== null) {
      this.parts.bodies.release(this.#kept);
      this.#kept = null;
    }
  }

  #finish(): void {
    this.#state = 'over';
    this.deadlineList?.remove(this);
    this.#releaseBody();
    if (this.#timer !== null) {
      clearTimeout(this.#timer);
      this.#timer = null;
    }
  }
}

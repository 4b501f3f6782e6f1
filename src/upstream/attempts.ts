/**
 * The calls of one exchange to providers: one as a rule, and others where it fails before anything of an answer has gone
 * to the client. It stands between the relay, for which it is the call, and the call, for which it is the observer.
 *
 * A head is held until the first bytes of its body come, since nothing goes to the client before them: an answer that
 * breaks off until then can still be replaced.
 */
import { BOUNDS } from '../core/bounds.js';
import { nowMs, toSharedMs, wallClockMs } from '../core/clock.js';
import type { DeadlineList, Timed } from '../core/deadlines.js';
import { GatewayError } from '../core/errors.js';
import type { Exchange, Phase } from '../exchange.js';
import type { ModelEntry, Target } from '../route/models.js';
import type { AttemptOutcome } from './attempt-outcomes.js';
import { type AttemptParts, fitsEdit, turnToTarget } from './attempt-parts.js';
import type { EntryPlan } from './attempt-plan.js';
import { AttemptWalk, type Step } from './attempt-walk.js';
import type { UpstreamCall, UpstreamObserver } from './call.js';
import { Discard } from './discard.js';
import {
  classifyError,
  classifyStatus,
  FAILURE_CLASSES,
  type FailureClassName,
} from './failure-classes.js';
import { GatheredError } from './gathered-error.js';
import { HedgedCall, type HedgeOwner } from './hedged-call.js';
import { restoreBody } from './kept-bodies.js';
import { canSendAgain } from './repeatable.js';
import type { ResponseHead } from './response-head.js';
import { readRetryAfterMs } from './retry-after.js';

/** `pausing`: before another attempt. `gathering`: an error's body. `answered`: the head is here and is held. */
type State = 'waiting' | 'pausing' | 'gathering' | 'answered' | 'passing' | 'over';

export class Attempts implements UpstreamObserver, HedgeOwner, Timed {
  readonly #parts: AttemptParts;
  readonly #exchange: Exchange;
  readonly #entry: ModelEntry;
  readonly #plan: EntryPlan;
  readonly #relay: UpstreamObserver;
  #state: State = 'waiting';
  #target: Target;
  #call: UpstreamCall | null = null;
  #startedMs = 0;
  #sentMs = 0;
  /** The present attempt has been reported. */
  #isReported = false;
  #head: ResponseHead | null = null;
  #headMs = 0;
  #kept: Buffer | null = null;
  /** What is needed only where something fails or is slow. */
  #walk: AttemptWalk | null = null;
  #hedge: HedgedCall | null = null;
  #gathered: GatheredError | null = null;
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
    this.#parts = parts;
    this.#exchange = exchange;
    this.#entry = entry;
    this.#plan = parts.plans.of(entry);
    this.#target = target;
    this.#relay = relay;
  }

  /** Where the present call is; between two `waiting`. */
  get phase(): Phase {
    return this.#call === null ? this.#exchange.phase : this.#call.phase;
  }

  get endedIn(): Phase {
    return this.#call === null ? this.#exchange.phase : this.#call.endedIn;
  }

  /** Once, while the body's memory is still there. */
  start(): void {
    const { body } = this.#exchange;
    this.#parts.budget.noteFirst();
    if (body?.isBorrowed === true && body.bytes.length > 0) {
      this.#kept = this.#parts.bodies.keep(body.bytes);
    }
    this.#begin(this.#target);
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
        this.#report('aborted', false);
      }
      this.#dropHedge('aborted');
      this.#finish();
      this.#call?.cancel();
    }
  }

  onUpstreamSent(atMs: number): void {
    this.#sentMs = atMs;
    this.#relay.onUpstreamSent(atMs);
  }

  onUpstreamHead(head: ResponseHead, atMs: number): void {
    this.deadlineList?.remove(this);
    this.#head = head;
    this.#headMs = atMs;
    this.#state = 'answered';
    const className =
      head.status < FAILURES_FROM ? null : classifyStatus(head.status, this.#isOwnCredential());
    if (className === null) {
      this.#dropHedge('outrun');
    } else if (FAILURE_CLASSES[className].needsBody && this.#mayGather(head)) {
      this.#state = 'gathering';
      this.#gathered = new GatheredError(head);
      this.#parts.plans.patience.add(this);
    } else {
      this.#judgeAnswer(className, head);
    }
  }

  onUpstreamData(chunk: Buffer): void {
    if (this.#gathered !== null) {
      if (!this.#gathered.take(chunk)) {
        this.#passGathered();
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
    if (this.#gathered !== null && this.#head !== null) {
      if (this.#replaceGathered(this.#gathered, this.#head)) {
        return;
      }
      this.#passGathered();
    }
    if (this.#state !== 'passing') {
      this.#pass();
    }
    const isWell = !this.#isReported;
    this.#report('ok', true);
    this.#finish();
    this.#relay.onUpstreamEnd();
    if (isWell) {
      const { reports } = this.#parts;
      reports.recordAnswer(this.#exchange, this.#target, this.#sentMs, this.#headMs);
    }
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
      this.#passGathered();
      this.#relay.onUpstreamTurn();
    } else if (this.#state === 'waiting' && this.#hedge === null) {
      this.#beginHedge();
    }
  }

  onHedgeHead(hedge: HedgedCall, head: ResponseHead, atMs: number): void {
    const isOwn = this.#isOwnCredential(hedge.target);
    const className = head.status < FAILURES_FROM ? null : classifyStatus(head.status, isOwn);
    if (className === null) {
      this.#report('outrun', false);
      this.#call?.cancel();
      this.#adopt(hedge);
      this.onUpstreamHead(head, atMs);
      return;
    }
    this.#hedge = null;
    const retryAfterMs = readRetryAfterMs(head.lines, wallClockMs());
    hedge.report(className, true, retryAfterMs);
    if (hedge.call !== null) {
      new Discard(hedge.call, head.contentLength, this.#parts.plans.patience);
    }
  }

  onHedgeFailure(hedge: HedgedCall, failure: unknown): void {
    this.#hedge = null;
    const className = failure instanceof GatewayError ? classifyError(failure) : null;
    hedge.report(className ?? 'other', false, -1);
  }

  #begin(target: Target): void {
    const exchange = this.#exchange;
    this.#turnTo(target);
    const atMs = nowMs();
    this.#state = 'waiting';
    this.#startedMs = atMs;
    this.#sentMs = 0;
    this.#isReported = false;
    this.#head = null;
    this.#call = null;
    this.#parts.reports.begin(exchange, target, atMs);
    const { hedges } = this.#plan;
    if (hedges !== null && this.#hedge === null) {
      hedges.add(this, atMs);
    }
    this.#isBeginning = true;
    let failure: unknown = null;
    try {
      this.#call = this.#parts.forwarder.forward(exchange, target, this);
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
    const isBegun = this.#state === 'passing';
    this.#gathered = null;
    this.#report(className ?? 'other', false);
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

  /** An error that the provider answered with. What is not replaced is passed on as it comes. */
  #judgeAnswer(className: FailureClassName, head: ResponseHead): void {
    const retryAfterMs = readRetryAfterMs(head.lines, wallClockMs());
    this.#report(className, true, retryAfterMs);
    this.#tryAgain(className, retryAfterMs, this.#call, head);
  }

  /** @returns false where the answer is to be passed on. */
  #replaceGathered(error: GatheredError, head: ResponseHead): boolean {
    const className = error.classify(this.#isOwnCredential());
    if (className === null) {
      return false;
    }
    const retryAfterMs = readRetryAfterMs(head.lines, wallClockMs());
    this.#report(className, true, retryAfterMs);
    return this.#tryAgain(className, retryAfterMs);
  }

  /** What has been gathered goes on, and all that follows. */
  #passGathered(): void {
    const pieces = this.#gathered?.pieces ?? [];
    const head = this.#head;
    this.deadlineList?.remove(this);
    this.#gathered = null;
    if (head !== null && !this.#isReported) {
      const className = classifyStatus(head.status, this.#isOwnCredential());
      this.#report(className ?? 'ok', true);
    }
    this.#dropHedge('aborted');
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
      this.#relay.onUpstreamHead(this.#head, this.#headMs);
    }
  }

  /**
   * @param call of an answer that is not over.
   * @returns true when this attempt is done with, and another has been made or will be.
   */
  #tryAgain(
    className: FailureClassName,
    retryAfterMs: number,
    call: UpstreamCall | null = null,
    head: ResponseHead | null = null,
  ): boolean {
    const row = FAILURE_CLASSES[className];
    const atMs = nowMs();
    const sharedMs = toSharedMs(atMs);
    const hedge = this.#hedge;
    this.#walkOn().noteFailed(this.#target, row, retryAfterMs, sharedMs);
    const step = hedge === null ? this.#findStep(className, atMs) : null;
    if (hedge === null && step === null) {
      return false;
    }
    if (call !== null && head !== null) {
      new Discard(call, head.contentLength, this.#parts.plans.patience);
    }
    this.#head = null;
    this.#gathered = null;
    if (!row.isBilled) {
      // As if it had not been sent: what was not read must not be paid for.
      this.#exchange.sentMs = 0;
    }
    if (hedge !== null) {
      this.#adopt(hedge);
    } else if (step !== null) {
      this.#walkOn().take(step);
      this.#goOn(step, atMs);
    }
    return true;
  }

  #findStep(className: FailureClassName, atMs: number): Step | null {
    const exchange = this.#exchange;
    const row = FAILURE_CLASSES[className];
    const wasSent = this.#sentMs > 0;
    if (!canSendAgain(exchange, wasSent, wasSent && row.isBilled, this.#kept !== null)) {
      return null;
    }
    const step = this.#walkOn().findNext(row, toSharedMs(atMs));
    const isTooLate =
      step !== null && exchange.deadlineMs > 0 && atMs + step.delayMs >= exchange.deadlineMs;
    return step === null || isTooLate || !this.#parts.budget.tryTake() ? null : step;
  }

  #goOn(step: Step, atMs: number): void {
    this.#restoreBody();
    if (step.delayMs <= 0) {
      this.#begin(step.target);
      return;
    }
    this.#state = 'pausing';
    this.#call = null;
    this.#exchange.phase = 'waiting';
    const waitMs = Math.ceil(step.delayMs - (nowMs() - atMs));
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#begin(step.target);
    }, waitMs);
  }

  #beginHedge(): void {
    const exchange = this.#exchange;
    const atMs = nowMs();
    const wasSent = this.#sentMs > 0;
    if (!canSendAgain(exchange, wasSent, wasSent, this.#kept !== null)) {
      return;
    }
    const step = this.#walkOn().findBeside(toSharedMs(atMs));
    const { forwarder, budget } = this.#parts;
    if (step === null || !fitsEdit(exchange, step.target, forwarder) || !budget.tryTake()) {
      return;
    }
    this.#walkOn().take(step);
    this.#restoreBody();
    this.#hedge = new HedgedCall(this, this.#parts, exchange, step.target, atMs);
    this.#hedge.begin();
  }

  /** The hedge is the call from now on; the one before is over or cancelled, and reported. */
  #adopt(hedge: HedgedCall): void {
    this.#hedge = null;
    this.#state = 'waiting';
    this.#call = hedge.call;
    this.#startedMs = hedge.startedMs;
    this.#isReported = false;
    this.#gathered = null;
    this.#turnTo(hedge.target);
    hedge.call?.handOver(this);
    this.#sentMs = hedge.sentMs;
    if (hedge.sentMs > 0) {
      this.#relay.onUpstreamSent(hedge.sentMs);
    }
  }

  #dropHedge(outcome: 'outrun' | 'aborted'): void {
    const hedge = this.#hedge;
    if (hedge !== null) {
      this.#hedge = null;
      hedge.report(outcome, false, -1);
      hedge.call?.cancel();
    }
  }

  #turnTo(target: Target): void {
    this.#target = target;
    turnToTarget(this.#exchange, target, this.#parts.forwarder);
  }

  #mayGather(head: ResponseHead): boolean {
    return head.contentLength <= BOUNDS.errorBodyBytesMax && this.#exchange.head.method !== 'HEAD';
  }

  #isOwnCredential(target = this.#target): boolean {
    return this.#parts.forwarder.configOf(target.provider).apiKey !== null;
  }

  #walkOn(): AttemptWalk {
    this.#walk ??= new AttemptWalk(this.#parts, this.#exchange, this.#entry, this.#target);
    return this.#walk;
  }

  #restoreBody(): void {
    if (this.#kept !== null) {
      restoreBody(this.#exchange, this.#kept);
    }
  }

  #releaseBody(): void {
    if (this.#kept !== null) {
      this.#parts.bodies.release(this.#kept);
      this.#kept = null;
    }
  }

  #report(outcome: AttemptOutcome, isAnswered: boolean, retryAfterMs = -1): void {
    if (!this.#isReported) {
      this.#isReported = true;
      const { reports } = this.#parts;
      const exchange = this.#exchange;
      reports.end(exchange, this.#target, this.#startedMs, outcome, isAnswered, retryAfterMs);
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

const FAILURES_FROM = 400;

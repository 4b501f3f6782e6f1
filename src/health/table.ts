/**
 * The health of all targets in memory that all threads share: made by the primary, opened by every worker. The layout
 * is drawn in layout.ts. There are no locks: a transition is one compare-and-swap of a target's state, whoever loses it
 * looks anew, and a thread that dies leaves nothing behind that the others wait for longer than a trial may take.
 */
import type { BreakerConfig } from '../config/model.js';
import { BOUNDS } from '../core/bounds.js';
import type { TargetHealth } from '../core/target-state.js';
import {
  CLOSED,
  countEjection,
  ejectionMs,
  HALF_OPEN,
  isTrialDue,
  judgeFailure,
  OPEN,
  planRecovery,
  planThrottle,
  REASON,
  type Reason,
  throttleFactor,
} from './breaker.js';
import {
  HEADER,
  HEADER_WORD,
  LAYOUT_VERSION,
  type Layout,
  layOut,
  MAGIC,
  ROW,
  ROW_CELLS,
  ROW_WORD,
} from './layout.js';
import { EjectedPlaces } from './places.js';
import type { HealthPlan } from './plan.js';
import { DRAINED, StateWord, stateOf, TURNS, turnOf, UNFIT_MASK } from './state-word.js';
import { FailureWindows } from './windows.js';

/** @param epochMs shared milliseconds (core/clock.ts); from now on, so that no time lies before it. */
export function createHealthBuffer(plan: HealthPlan, epochMs: number): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(layOut(plan).bytes);
  const words = new Int32Array(buffer);
  words[HEADER_WORD.version] = LAYOUT_VERSION;
  words[HEADER_WORD.targets] = plan.targets.length;
  words[HEADER_WORD.columns] = plan.columns;
  words[HEADER_WORD.groups] = plan.groups.length;
  new Float64Array(buffer)[HEADER.epochMs] = epochMs;
  new BigInt64Array(buffer)[HEADER.magic] = MAGIC;
  return buffer;
}

/** One thread's view. All times are shared milliseconds. */
export class HealthTable implements TargetHealth {
  readonly plan: HealthPlan;
  readonly epochMs: number;
  readonly places: EjectedPlaces;
  readonly #layout: Layout;
  readonly #cells: BigInt64Array;
  readonly #floats: Float64Array;
  readonly #words: Int32Array;
  readonly #windows: FailureWindows;
  readonly #rules: readonly (BreakerConfig | null)[];
  readonly #random: () => number;
  readonly #word = new StateWord();
  /** Of each target the trial that this thread began last: the turn in which, plus one, and its moment. */
  readonly #trialTurns: Uint8Array;
  readonly #trialMoments: Float64Array;

  /**
   * @param column which thread this is: a worker's index, or their number for the primary.
   * @param random from 0 to below 1; for the jitter of ejections.
   * @throws Error where the buffer was made for another plan; RangeError where there is no such column.
   */
  constructor(
    buffer: SharedArrayBuffer,
    plan: HealthPlan,
    column: number,
    random: () => number = Math.random,
  ) {
    this.plan = plan;
    this.#layout = layOut(plan);
    this.#cells = new BigInt64Array(buffer);
    this.#floats = new Float64Array(buffer);
    this.#words = new Int32Array(buffer);
    this.#check(buffer, column);
    this.#windows = new FailureWindows(buffer, this.#layout, plan.columns, column);
    this.places = new EjectedPlaces(buffer, this.#layout, plan);
    this.#rules = plan.targets.map(({ rules }) => rules);
    this.#random = random;
    this.epochMs = this.#floats[HEADER.epochMs]!;
    this.#trialTurns = new Uint8Array(plan.targets.length);
    this.#trialMoments = new Float64Array(plan.targets.length);
  }

  /** A plain load, as of a state. */
  get changes(): number {
    return this.#words[HEADER_WORD.changes]!;
  }

  isUsable(index: number, nowMs: number): boolean {
    const low = this.#low(index);
    return (low & UNFIT_MASK) === 0 || this.#mayBeTried(index, nowMs);
  }

  /** 0 for one that an operator has drained, so that it is the last of those that are unusable. */
  weightFactor(index: number, nowMs: number): number {
    if ((this.#low(index) & DRAINED) !== 0) return 0;
    const row = this.#row(index);
    const recoveredMs = this.#floats[row + ROW.recoveredAt]!;
    if (nowMs >= recoveredMs) return 1;
    return throttleFactor(nowMs, this.#floats[row + ROW.throttledUntil]!, recoveredMs);
  }

  /**
   * @returns false where the target is not closed and the trial is another's: both were told that it is usable, and
   *   this one came second, or nobody else is left. It may go on all the same; only that it went well is counted.
   */
  noteAttempt(index: number, nowMs: number): boolean {
    return stateOf(this.#low(index)) === CLOSED || this.#takeTrial(index, nowMs);
  }

  noteSuccess(index: number, nowMs: number): void {
    const low = this.#low(index);
    if (stateOf(low) === CLOSED) {
      const rules = this.#rules[index]!;
      if (rules === null) return;
      const inRow = this.#row(index) * 2 + ROW_WORD.failuresInRow;
      if (this.#words[inRow] !== 0) Atomics.store(this.#words, inRow, 0);
      this.#windows.count(index, turnOf(low), this.#age(nowMs), rules.windowMs, false);
    } else if (this.#hasTrial(index, low)) {
      this.#close(index, nowMs, turnOf(low), REASON.trialWell);
    }
  }

  noteRevived(index: number, nowMs: number): void {
    const low = this.#low(index);
    if (stateOf(low) !== CLOSED) this.#close(index, nowMs, turnOf(low), REASON.trialWell);
  }

  noteFailure(index: number, nowMs: number): void {
    const rules = this.#rules[index]!;
    if (rules === null) return;
    const low = this.#low(index);
    const turn = turnOf(low);
    if (stateOf(low) !== CLOSED) {
      if (this.#hasTrial(index, low)) this.#reopen(index, nowMs, turn, REASON.trialFailed, 0);
      return;
    }
    const ageMs = this.#age(nowMs);
    this.#windows.count(index, turn, ageMs, rules.windowMs, true);
    const at = this.#row(index) * 2 + ROW_WORD.failuresInRow;
    const inRow = Atomics.add(this.#words, at, 1) + 1;
    this.#windows.sum(index, turn, ageMs, rules.windowMs);
    const { requests, failures } = this.#windows;
    const reason = judgeFailure(rules, inRow, requests, failures);
    if (reason !== REASON.none) this.#eject(index, nowMs, turn, reason, 0);
  }

  noteThrottled(index: number, nowMs: number, untilMs: number): void {
    const low = this.#low(index);
    if (this.#hasTrial(index, low)) this.#close(index, nowMs, turnOf(low), REASON.throttled);
    const throttledMs = planThrottle(nowMs, untilMs);
    // What else is reached with the same account and model need not be told the same by a call of its own.
    for (const target of this.plan.targets[index]!.throttledTogether) {
      const row = this.#row(target);
      if (throttledMs > this.#floats[row + ROW.throttledUntil]!) {
        // Two threads may mix theirs here: a factor within its bounds comes of it, and the next 429 puts it right.
        this.#floats[row + ROW.throttledUntil] = throttledMs;
        this.#floats[row + ROW.recoveredAt] = planRecovery(nowMs, throttledMs);
        this.#noteChange();
      }
    }
  }

  noteNothing(index: number, _nowMs: number): void {
    if (!this.#hasTrial(index, this.#low(index))) return;
    for (;;) {
      const before = this.#load(index);
      const word = this.#word;
      const isTrial = word.state === HALF_OPEN && word.turn + 1 === this.#trialTurns[index];
      // One that was given up for lost may be another's by now.
      if (!isTrial || word.momentMs !== this.#trialMoments[index]) return;
      word.momentMs = 0;
      if (this.#swap(index, before)) return;
    }
  }

  /**
   * Its provider's health checks fail. Ejects a closed target, if so many may be; holds one that is ejected already.
   *
   * @param holdMs at least for so long: until the next check has said more.
   * @returns whether it is ejected now.
   */
  noteCheckFailed(index: number, nowMs: number, holdMs: number): boolean {
    for (;;) {
      const before = this.#load(index);
      const word = this.#word;
      const { turn } = word;
      if (word.state === CLOSED) {
        return this.#eject(index, nowMs, turn, REASON.checkFailed, holdMs);
      }
      const ageMs = this.#age(nowMs);
      if (isTrialDue(word.state, word.momentMs, ageMs)) {
        return this.#reopen(index, nowMs, turn, REASON.checkFailed, holdMs);
      }
      const heldMs = Math.ceil(ageMs + holdMs);
      if (word.state !== OPEN || word.momentMs >= heldMs) return true;
      word.momentMs = heldMs;
      word.reason = REASON.checkFailed;
      if (this.#swap(index, before)) return true;
    }
  }

  /**
   * A health check of its provider went well. Closes what checks have ejected, and what they did not only where the
   * check is as good as a trial and one is due.
   */
  noteCheckWell(index: number, nowMs: number, isTrial: boolean): void {
    this.#load(index);
    const { state, reason, turn, momentMs } = this.#word;
    if (state === CLOSED) return;
    const isOwn = reason === REASON.checkFailed;
    if (isOwn || (isTrial && isTrialDue(state, momentMs, this.#age(nowMs)))) {
      this.#close(index, nowMs, turn, REASON.checkWell);
    }
  }

  /** An operator takes a target out of service, or puts it back. Returns whether that changed anything. */
  setDrained(index: number, isDrained: boolean): boolean {
    for (;;) {
      const before = this.#load(index);
      if (this.#word.isDrained === isDrained) return false;
      this.#word.isDrained = isDrained;
      if (this.#swap(index, before)) return true;
    }
  }

  /** For whoever shows it: the state as it stands, in a word that the next call writes over. */
  peek(index: number): Readonly<StateWord> {
    this.#word.read(this.#cells, this.#row(index) + ROW.state);
    return this.#word;
  }

  failuresInRow(index: number): number {
    return Atomics.load(this.#words, this.#row(index) * 2 + ROW_WORD.failuresInRow);
  }

  /** All there ever were. */
  ejectionsTotal(index: number): number {
    return Atomics.load(this.#words, this.#row(index) * 2 + ROW_WORD.ejections) >>> 0;
  }

  /** When a target's provider throttles no more; 0 where it never did. */
  throttledUntilMs(index: number): number {
    return this.#floats[this.#row(index) + ROW.throttledUntil]!;
  }

  /** The slow half of isUsable: of a target that is ejected, drained, or both. */
  #mayBeTried(index: number, nowMs: number): boolean {
    const { state, isDrained, momentMs } = this.peek(index);
    return !isDrained && (state === CLOSED || isTrialDue(state, momentMs, this.#age(nowMs)));
  }

  #takeTrial(index: number, nowMs: number): boolean {
    const ageMs = this.#age(nowMs);
    for (;;) {
      const before = this.#load(index);
      const word = this.#word;
      if (word.state === CLOSED) return true;
      if (!isTrialDue(word.state, word.momentMs, ageMs)) return false;
      word.state = HALF_OPEN;
      word.momentMs = Math.ceil(ageMs + BOUNDS.trialMs);
      if (this.#swap(index, before)) {
        this.#trialTurns[index] = word.turn + 1;
        this.#trialMoments[index] = word.momentMs;
        return true;
      }
    }
  }

  /** Whether this thread has begun a trial since the target was ejected; that of another, or an older one, is not. */
  #hasTrial(index: number, low: number): boolean {
    return stateOf(low) === HALF_OPEN && this.#trialTurns[index] === turnOf(low) + 1;
  }

  #close(index: number, nowMs: number, turn: number, reason: Reason): void {
    for (;;) {
      const before = this.#load(index);
      const word = this.#word;
      if (word.state === CLOSED || word.turn !== turn) return;
      word.state = CLOSED;
      word.reason = reason;
      word.momentMs = this.#age(nowMs);
      // Before the swap, so that no failure of the closed target is forgotten; nobody counts while it is ejected.
      Atomics.store(this.#words, this.#row(index) * 2 + ROW_WORD.failuresInRow, 0);
      if (this.#swap(index, before)) {
        this.places.giveBack(index);
        return;
      }
    }
  }

  /** @param turn in which it was judged: a verdict from before the last ejection is none. */
  #eject(index: number, nowMs: number, turn: number, reason: Reason, holdMs: number): boolean {
    const rules = this.#rules[index]!;
    if (rules === null || !this.places.take(index)) return false;
    const ageMs = this.#age(nowMs);
    for (;;) {
      const before = this.#load(index);
      const word = this.#word;
      if (word.state !== CLOSED || word.turn !== turn) {
        this.places.giveBack(index);
        return word.state !== CLOSED;
      }
      word.ejections = countEjection(rules, word.ejections, ageMs - word.momentMs);
      if (this.#open(index, before, rules, ageMs, reason, holdMs)) return true;
    }
  }

  /** The trial failed: it is ejected for longer. Its place among the ejected it has already. */
  #reopen(index: number, nowMs: number, turn: number, reason: Reason, holdMs: number): boolean {
    const rules = this.#rules[index]!;
    if (rules === null) return false;
    const ageMs = this.#age(nowMs);
    for (;;) {
      const before = this.#load(index);
      const word = this.#word;
      if (word.state === CLOSED || word.turn !== turn) return word.state !== CLOSED;
      word.ejections = countEjection(rules, word.ejections, 0);
      if (this.#open(index, before, rules, ageMs, reason, holdMs)) return true;
    }
  }

  /** The swap of both; `ejections` of the word is the new one. */
  #open(
    index: number,
    before: bigint,
    rules: BreakerConfig,
    ageMs: number,
    reason: Reason,
    holdMs: number,
  ): boolean {
    const word = this.#word;
    word.state = OPEN;
    word.reason = reason;
    word.turn = (word.turn + 1) % TURNS;
    word.momentMs = ageMs + Math.max(ejectionMs(rules, word.ejections, this.#random()), holdMs);
    if (!this.#swap(index, before)) return false;
    Atomics.add(this.#words, this.#row(index) * 2 + ROW_WORD.ejections, 1);
    return true;
  }

  #age(nowMs: number): number {
    return Math.max(nowMs - this.epochMs, 0);
  }

  #row(index: number): number {
    return this.#layout.rows + index * ROW_CELLS;
  }

  /** A plain load: what is a few nanoseconds late is put right by the swap that follows it. */
  #low(index: number): number {
    return this.#words[this.#row(index) * 2 + ROW_WORD.state]!;
  }

  #load(index: number): bigint {
    const bits = Atomics.load(this.#cells, this.#row(index) + ROW.state);
    this.#word.unpack(bits);
    return bits;
  }

  #swap(index: number, before: bigint): boolean {
    const at = this.#row(index) + ROW.state;
    if (Atomics.compareExchange(this.#cells, at, before, this.#word.pack()) !== before)
      return false;
    this.#noteChange();
    return true;
  }

  /** After it, so that nobody who saw the target as it was before takes that for how it is now. */
  #noteChange(): void {
    Atomics.add(this.#words, HEADER_WORD.changes, 1);
  }

  #check(buffer: SharedArrayBuffer, column: number): void {
    const { targets, groups, columns } = this.plan;
    const words = this.#words;
    const isSame =
      buffer.byteLength === this.#layout.bytes &&
      this.#cells[HEADER.magic] === MAGIC &&
      words[HEADER_WORD.version] === LAYOUT_VERSION &&
      words[HEADER_WORD.targets] === targets.length &&
      words[HEADER_WORD.columns] === columns &&
      words[HEADER_WORD.groups] === groups.length;
    if (!isSame) throw new Error('the table of targets was made for another configuration');
    if (!Number.isInteger(column) || column < 0 || column >= columns) {
      throw new RangeError(`there is no column ${column} of ${columns}`);
    }
  }
}

/**
 * The timeouts of one worker, checked together once a tick instead of by a timer each. All entries of a list
 * wait equally long, so a list is in the order of its deadlines and only its head must be looked at.
 *
 * Touching an entry (a chunk came, the silence begins anew) moves it to the end: a dozen stores, no allocation.
 *
 * A tick that finds heads which are due before the next one has itself called at that moment, because what waits for a
 * silent provider adds to every caller's latency. So waits longer than a tick of BOUNDS.timerTickMs are precise to about
 * a millisecond, shorter ones to a tick, and while nothing is due there is no more than the tick.
 */
import { BOUNDS } from './bounds.js';
import { nowMs } from './clock.js';
import { DeadlineWheel } from './deadline-wheel.js';

/** Something that waits. It can be in one list at a time; the fields belong to the list. */
export interface Timed {
  deadlineList: DeadlineList | null;
  deadlinePrevious: Timed | null;
  deadlineNext: Timed | null;
  deadlineStartMs: number;
  /** Called once, after the entry was taken out of its list. */
  onDeadline(): void;
}

/** The clock of all lists of a thread. */
export class Deadlines {
  readonly #lists: DeadlineList[] = [];
  /** By purpose and duration: as many as the configuration names, however many providers and models it has. */
  readonly #shared = new Map<string, DeadlineList>();
  readonly #wheel = new DeadlineWheel((delta) => this.countWaiting(delta));
  #timer: NodeJS.Timeout | null = null;
  /** Between two ticks, for what is due before the next. */
  #aimed: NodeJS.Timeout | null = null;
  #aimedMs = 0;
  #waiting = 0;
  #tickedMs = 0;
  #emptyTicks = 0;
  #wasLate = false;

  createList(durationMs: number): DeadlineList {
    const list = new DeadlineList(this, durationMs);
    this.#lists.push(list);
    return list;
  }

  /**
   * One list for all who wait equally long for the same thing. What an entry waits for is in the name, because touch()
   * knows by its list what it is doing.
   */
  shareList(purpose: string, durationMs: number): DeadlineList {
    const name = `${purpose} ${durationMs}`;
    const list = this.#shared.get(name) ?? this.createList(durationMs);
    this.#shared.set(name, list);
    return list;
  }

  /** For what has a moment of its own. */
  get wheel(): DeadlineWheel {
    return this.#wheel;
  }

  /** @internal */
  countWaiting(delta: number): void {
    this.#waiting += delta;
    if (this.#timer === null && this.#waiting > 0) {
      this.#tickedMs = nowMs();
      this.#emptyTicks = 0;
      this.#timer = setInterval(() => this.#tick(), BOUNDS.timerTickMs).unref();
    }
  }

  #tick(): void {
    const now = nowMs();
    const sinceLastMs = now - this.#tickedMs;
    this.#tickedMs = now;
    if (this.#waiting === 0) {
      this.#emptyTicks += 1;
      if (this.#emptyTicks > EMPTY_TICKS_MAX && this.#timer !== null) {
        clearInterval(this.#timer);
        this.#timer = null;
      }
      return;
    }
    this.#emptyTicks = 0;
    if (sinceLastMs > LATE_TICKS_MAX * BOUNDS.timerTickMs && !this.#wasLate) {
      // The loop was held up. What came in meanwhile is read after the timers, so nobody is late yet. But only once:
      // a loop that is late at every tick must not wait for ever.
      this.#wasLate = true;
      return;
    }
    this.#wasLate = false;
    this.#expireLists(now);
    this.#wheel.expire(now);
  }

  #expireLists(now: number): void {
    let dueMs = Number.POSITIVE_INFINITY;
    for (const list of this.#lists) {
      list.expire(now);
      dueMs = Math.min(dueMs, list.dueMs);
    }
    if (dueMs < this.#tickedMs + BOUNDS.timerTickMs && this.#aimed === null) {
      this.#aimedMs = dueMs;
      const waitMs = Math.max(1, Math.ceil(dueMs - now));
      this.#aimed = setTimeout(() => this.#lookBetween(), waitMs).unref();
    }
  }

  #lookBetween(): void {
    this.#aimed = null;
    const now = nowMs();
    // As with a late tick, which follows and decides.
    if (now - this.#aimedMs <= LATE_TICKS_MAX * BOUNDS.timerTickMs) {
      this.#expireLists(now);
    }
  }
}

/** After a second without anything that waits the interval is stopped, so that an idle worker sleeps. */
const EMPTY_TICKS_MAX = 50;
const LATE_TICKS_MAX = 3;

export class DeadlineList {
  readonly durationMs: number;
  readonly #clock: Deadlines;
  #head: Timed | null = null;
  #tail: Timed | null = null;

  constructor(clock: Deadlines, durationMs: number) {
    this.#clock = clock;
    this.durationMs = durationMs;
  }

  /**
   * Begins to wait. An entry that waits in another list is taken out of that.
   * @param atMs now, from whoever has just read the clock.
   */
  add(entry: Timed, atMs: number = nowMs()): void {
    entry.deadlineList?.remove(entry);
    this.#clock.countWaiting(1);
    entry.deadlineList = this;
    entry.deadlineStartMs = atMs;
    this.#append(entry);
  }

  /** The wait of an entry of this list begins anew; any other entry is left alone. */
  touch(entry: Timed, atMs: number = nowMs()): void {
    if (entry.deadlineList !== this) {
      return;
    }
    entry.deadlineStartMs = atMs;
    if (entry !== this.#tail) {
      this.#unlink(entry);
      this.#append(entry);
    }
  }

  /** How long an entry of this list has waited; 0 for any other. */
  waitedMs(entry: Timed): number {
    return entry.deadlineList === this ? nowMs() - entry.deadlineStartMs : 0;
  }

  remove(entry: Timed): void {
    if (entry.deadlineList === this) {
      this.#unlink(entry);
      entry.deadlineList = null;
      this.#clock.countWaiting(-1);
    }
  }

  /** @internal When its first entry is due; Infinity where there is none. */
  get dueMs(): number {
    const head = this.#head;
    return head === null ? Number.POSITIVE_INFINITY : head.deadlineStartMs + this.durationMs;
  }

  /** @internal */
  expire(now: number): void {
    // The list is in the order of its deadlines. What a callback adds begins now, so the loop ends.
    for (let entry = this.#head; entry !== null; entry = this.#head) {
      if (entry.deadlineStartMs + this.durationMs > now) {
        return;
      }
      this.remove(entry);
      entry.onDeadline();
    }
  }

  #append(entry: Timed): void {
    entry.deadlinePrevious = this.#tail;
    entry.deadlineNext = null;
    if (this.#tail === null) {
      this.#head = entry;
    } else {
      this.#tail.deadlineNext = entry;
    }
    this.#tail = entry;
  }

  #unlink(entry: Timed): void {
    if (entry.deadlinePrevious === null) {
      this.#head = entry.deadlineNext;
    } else {
      entry.deadlinePrevious.deadlineNext = entry.deadlineNext;
    }
    if (entry.deadlineNext === null) {
      this.#tail = entry.deadlinePrevious;
    } else {
      entry.deadlineNext.deadlinePrevious = entry.deadlinePrevious;
    }
    entry.deadlinePrevious = null;
    entry.deadlineNext = null;
  }
}

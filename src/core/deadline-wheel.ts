/**
 * Deadlines that each have a moment of their own, as callers choose them; what waits equally long is better off in a
 * DeadlineList. A wheel of slots of one tick each: an entry lies in the slot of its moment, and a slot is looked at
 * when its tick is over, once a round. To add or remove an entry is a dozen stores and allocates nothing, however many
 * there are. Precise to two ticks of BOUNDS.timerTickMs, and never early.
 */
import { BOUNDS } from './bounds.js';

/** Something that must be over at a moment. It can be in one wheel at a time; the fields belong to the wheel. */
export interface Dated {
  /** The moment, of core/clock.ts. Not to be changed while the entry is in a wheel. */
  dueMs: number;
  wheelSlot: WheelSlot | null;
  wheelPrevious: Dated | null;
  wheelNext: Dated | null;
  /** Called once, after the entry was taken out of its wheel. */
  onDue(): void;
}

/** The entries of one tick, of all rounds. */
export interface WheelSlot {
  head: Dated | null;
}

export class DeadlineWheel {
  readonly #countWaiting: (delta: number) => void;
  readonly #slots: readonly WheelSlot[] = Array.from({ length: BOUNDS.deadlineSlots }, () => ({
    head: null,
  }));
  /** The first tick whose slot was not looked at. */
  #tick = 0;
  #count = 0;

  /** @param countWaiting is told how many entries came (+1) or went (-1). */
  constructor(countWaiting: (delta: number) => void) {
    this.#countWaiting = countWaiting;
  }

  get count(): number {
    return this.#count;
  }

  /** Begins to wait for `entry.dueMs`; for one that has passed, until the next tick. An entry that waits is left alone. */
  add(entry: Dated): void {
    if (entry.wheelSlot !== null) {
      return;
    }
    this.#count += 1;
    this.#countWaiting(1);
    this.#link(this.#slotOf(entry), entry);
  }

  remove(entry: Dated): void {
    if (entry.wheelSlot !== null) {
      unlink(entry);
      this.#count -= 1;
      this.#countWaiting(-1);
    }
  }

  /** Looks at the slots of all ticks that are over. */
  expire(now: number): void {
    if (this.#count === 0) {
      return;
    }
    const end = Math.floor(now / BOUNDS.timerTickMs);
    // After a round all slots have been looked at.
    const first = Math.max(this.#tick, end - BOUNDS.deadlineSlots);
    // Before any callback, because what it adds for a moment in the past belongs to the next tick.
    this.#tick = Math.max(this.#tick, end);
    for (let tick = first; tick < end && this.#count > 0; tick += 1) {
      this.#expireSlot(this.#slots[tick % BOUNDS.deadlineSlots] as WheelSlot, now);
    }
  }

  /** A callback may add and remove any entry. What it adds is not looked at in this turn. */
  #expireSlot(slot: WheelSlot, now: number): void {
    for (let entry = slot.head; entry !== null; ) {
      const next: Dated | null = entry.wheelNext;
      if (entry.dueMs > now) {
        entry = next;
        continue;
      }
      this.remove(entry);
      entry.onDue();
      // Where the next one went meanwhile, the others are to be found from the head.
      entry = next === null || next.wheelSlot === slot ? next : slot.head;
    }
  }

  #slotOf(entry: Dated): WheelSlot {
    const tick = Math.max(Math.floor(entry.dueMs / BOUNDS.timerTickMs), this.#tick);
    return this.#slots[tick % BOUNDS.deadlineSlots] as WheelSlot;
  }

  #link(slot: WheelSlot, entry: Dated): void {
    const { head } = slot;
    entry.wheelSlot = slot;
    entry.wheelPrevious = null;
    entry.wheelNext = head;
    if (head !== null) {
      head.wheelPrevious = entry;
    }
    slot.head = entry;
  }
}

function unlink(entry: Dated): void {
  const { wheelSlot, wheelPrevious, wheelNext } = entry;
  if (wheelPrevious !== null) {
    wheelPrevious.wheelNext = wheelNext;
  } else if (wheelSlot !== null) {
    wheelSlot.head = wheelNext;
  }
  if (wheelNext !== null) {
    wheelNext.wheelPrevious = wheelPrevious;
  }
  entry.wheelSlot = null;
  entry.wheelPrevious = null;
  entry.wheelNext = null;
}

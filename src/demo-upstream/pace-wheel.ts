/**
 * Wakes thousands of streams with one timer: a wheel of slots of one millisecond each. Every alarm names
 * an absolute time, so that a late turn delays one token and not all that follow.
 */
import { nowMs } from '../core/clock.js';

/** Later alarms stay in their slot for another round; 4 s a round keeps rounds rare for usual waits. */
const SLOTS = 4096;

export class Alarm {
  readonly onDue: (nowMs: number) => void;
  /** -1 while it is not set. */
  slot = -1;
  index = -1;
  dueTick = 0;
  /** Taken out of its slot in this turn and not yet run. */
  isRinging = false;

  constructor(onDue: (nowMs: number) => void) {
    this.onDue = onDue;
  }
}

export class PaceWheel {
  readonly #slots: Alarm[][] = Array.from({ length: SLOTS }, () => []);
  readonly #onFault: (error: unknown) => void;
  /** The last millisecond that is done with. */
  #tick = 0;
  #count = 0;
  #timer: NodeJS.Timeout | null = null;
  #timerTick = 0;
  #isTurning = false;

  constructor(onFault: (error: unknown) => void) {
    this.#onFault = onFault;
  }

  /** Sets the alarm anew if it was set. Never rings within this call. */
  set(alarm: Alarm, dueMs: number, now: number): void {
    this.clear(alarm);
    if (this.#count === 0 && !this.#isTurning) {
      this.#tick = Math.floor(now);
    }
    alarm.dueTick = Math.max(Math.ceil(dueMs), this.#tick + 1);
    alarm.slot = alarm.dueTick % SLOTS;
    const slot = this.#slots[alarm.slot] as Alarm[];
    alarm.index = slot.push(alarm) - 1;
    this.#count += 1;
    if (!this.#isTurning && (this.#timer === null || alarm.dueTick < this.#timerTick)) {
      this.#startTimer(alarm.dueTick, now);
    }
  }

  clear(alarm: Alarm): void {
    alarm.isRinging = false;
    if (alarm.slot < 0) {
      return;
    }
    const slot = this.#slots[alarm.slot] as Alarm[];
    const last = slot.pop() as Alarm;
    if (last !== alarm) {
      slot[alarm.index] = last;
      last.index = alarm.index;
    }
    alarm.slot = -1;
    this.#count -= 1;
  }

  close(): void {
    if (this.#timer !== null) {
      clearTimeout(this.#timer);
      this.#timer = null;
    }
    for (const slot of this.#slots) {
      slot.length = 0;
    }
    this.#count = 0;
  }

  #turn(): void {
    this.#timer = null;
    this.#isTurning = true;
    const now = nowMs();
    const ringing = this.#takeDue(Math.floor(now));
    for (const alarm of ringing) {
      if (alarm.isRinging) {
        alarm.isRinging = false;
        try {
          alarm.onDue(now);
        } catch (error) {
          this.#onFault(error);
        }
      }
    }
    this.#isTurning = false;
    this.#startNextTimer();
  }

  #takeDue(targetTick: number): Alarm[] {
    const ringing: Alarm[] = [];
    // After a long sleep one round visits every slot there is.
    const slots = Math.min(targetTick - this.#tick, SLOTS);
    for (let step = 0; step < slots; step += 1) {
      const slot = this.#slots[(targetTick - step) % SLOTS] as Alarm[];
      for (let i = slot.length - 1; i >= 0; i -= 1) {
        const alarm = slot[i] as Alarm;
        if (alarm.dueTick <= targetTick) {
          this.clear(alarm);
          alarm.isRinging = true;
          ringing.push(alarm);
        }
      }
    }
    this.#tick = Math.max(targetTick, this.#tick);
    return ringing;
  }

  /** Sleeps until the next slot that holds anything, at most one round. */
  #startNextTimer(): void {
    if (this.#count === 0) {
      return;
    }
    let tick = this.#tick + 1;
    while (tick < this.#tick + SLOTS && (this.#slots[tick % SLOTS] as Alarm[]).length === 0) {
      tick += 1;
    }
    this.#startTimer(tick, nowMs());
  }

  #startTimer(tick: number, now: number): void {
    if (this.#timer !== null) {
      clearTimeout(this.#timer);
    }
    this.#timerTick = tick;
    // Not beyond one round: #takeDue’s order of slots relies on it, and so does a machine that was asleep.
    this.#timer = setTimeout(() => this.#turn(), Math.min(Math.ceil(tick - now), SLOTS));
  }
}

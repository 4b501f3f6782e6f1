/**
 * One row as a bucket. V is the moment, in ticks since the table's epoch, at which the bucket would be full again
 * (the theoretical arrival time of GCRA): taking n units adds n·C to it, or to now if it lies in the past, and is
 * allowed while V stays within a bucketful of now. So time fills every bucket at once and nobody has to. For
 * concurrency V is the number of those under way.
 */
import { KIND_MASK, type Layout, ROW, ROW_CELLS, ROW_WORD, STREAM_FLAG } from './layout.js';
import type { Memory } from './memory.js';
import { TICKS_MAX } from './rates.js';
import { countTicks, priceUnits, toTicks } from './ticks.js';
import { addToTotal, readTotal } from './totals.js';

/** V never goes beyond, so that nothing added to it overflows 64 bits. */
const LEVEL_MAX = TICKS_MAX << 1n;

export class Buckets {
  readonly #memory: Memory;
  readonly #rows: number;

  constructor(memory: Memory, layout: Layout) {
    this.#memory = memory;
    this.#rows = layout.rows;
  }

  kindOf(row: number): number {
    return this.#memory.peek32((this.#rows + row * ROW_CELLS) * 2 + ROW_WORD.kind) & KIND_MASK;
  }

  isStream(row: number): boolean {
    const flags = this.#memory.peek32((this.#rows + row * ROW_CELLS) * 2 + ROW_WORD.kind);
    return (flags & STREAM_FLAG) !== 0;
  }

  ticksPerMs(row: number): number {
    return this.#memory.peek32((this.#rows + row * ROW_CELLS) * 2 + ROW_WORD.ticksPerMs);
  }

  ticksPerUnit(row: number): number {
    return this.#memory.loadFloat(this.#rows + row * ROW_CELLS + ROW.ticksPerUnit);
  }

  capacityTicks(row: number): bigint {
    return this.#memory.peek64(this.#rows + row * ROW_CELLS + ROW.capacity);
  }

  level(row: number): bigint {
    return this.#memory.peek64(this.#rows + row * ROW_CELLS + ROW.level);
  }

  /** How far V would lie beyond what is allowed if `units` were taken now; 0n or less: they can be. */
  measureLack(row: number, price: bigint, nowTicks: bigint, capacityTicks: bigint): bigint {
    const level = this.#memory.peek64(this.#rows + row * ROW_CELLS + ROW.level);
    return BigInt.asIntN(64, addPrice(level, price, nowTicks) - nowTicks - capacityTicks);
  }

  /** Returns false, and changes nothing, where V is not what was expected. */
  swapLevel(row: number, expected: bigint, next: bigint): boolean {
    return this.#memory.swap64(this.#rows + row * ROW_CELLS + ROW.level, expected, next);
  }

  /** Takes, or leaves everything as it was; returns whether it took. */
  take(row: number, price: bigint, nowTicks: bigint, capacityTicks: bigint): boolean {
    const cell = this.#rows + row * ROW_CELLS + ROW.level;
    for (;;) {
      const level = this.#memory.peek64(cell);
      const next = addPrice(level, price, nowTicks);
      if (BigInt.asIntN(64, next - nowTicks) > capacityTicks) return false;
      if (this.#memory.swap64(cell, level, next)) return true;
    }
  }

  /** Charges what was used already, into debt if need be. */
  charge(row: number, units: number, ageMs: number): void {
    const price = priceUnits(units, this.ticksPerUnit(row));
    const nowTicks = countTicks(ageMs, this.ticksPerMs(row));
    const cell = this.#rows + row * ROW_CELLS + ROW.level;
    for (;;) {
      const level = this.#memory.peek64(cell);
      const sum = addPrice(level, price, nowTicks);
      const next = sum > LEVEL_MAX ? LEVEL_MAX : sum;
      if (this.#memory.swap64(cell, level, next)) return;
    }
  }

  /** Gives units back; a bucket that is full already stays full. */
  giveBack(row: number, units: number): void {
    const price = priceUnits(units, this.ticksPerUnit(row));
    const cell = this.#rows + row * ROW_CELLS + ROW.level;
    for (;;) {
      const level = this.#memory.peek64(cell);
      const next = level > price ? BigInt.asIntN(64, level - price) : 0n;
      if (this.#memory.swap64(cell, level, next)) return;
    }
  }

  /** Fills a bucket. */
  fill(row: number): void {
    const cell = this.#rows + row * ROW_CELLS + ROW.level;
    for (;;) {
      if (this.#memory.swap64(cell, this.#memory.peek64(cell), 0n)) return;
    }
  }

  /** Takes `units` out of `ageMs`' bucket without asking; where more is missing already, that stays. */
  lowerTo(row: number, missingTicks: bigint, ageMs: number): void {
    const wanted = countTicks(ageMs, this.ticksPerMs(row)) + missingTicks;
    const next = wanted > LEVEL_MAX ? LEVEL_MAX : wanted;
    const cell = this.#rows + row * ROW_CELLS + ROW.level;
    for (;;) {
      const level = this.#memory.peek64(cell);
      if (level >= next || this.#memory.swap64(cell, level, next)) return;
    }
  }

  /** Ticks until the bucket is full; more than its capacity while it is in debt. */
  missingTicks(row: number, ageMs: number): bigint {
    const missing = this.level(row) - countTicks(ageMs, this.ticksPerMs(row));
    return missing > 0n ? missing : 0n;
  }

  /** Whether nothing is missing at all; of concurrency: whether nobody is under way. */
  isFull(row: number, isCount: boolean, ageMs: number): boolean {
    return isCount ? this.level(row) === 0n : this.missingTicks(row, ageMs) === 0n;
  }

  enter(row: number, capacity: bigint): boolean {
    const cell = this.#rows + row * ROW_CELLS + ROW.level;
    for (;;) {
      const count = this.#memory.peek64(cell);
      if (count >= capacity) return false;
      if (this.#memory.swap64(cell, count, BigInt.asIntN(64, count + 1n))) return true;
    }
  }

  /** Counts so many more, whatever the capacity: they run already, in another process. */
  join(row: number, units: number): void {
    const cell = this.#rows + row * ROW_CELLS + ROW.level;
    for (;;) {
      const count = this.#memory.peek64(cell);
      if (this.#memory.swap64(cell, count, BigInt.asIntN(64, count + toTicks(units)))) return;
    }
  }

  leave(row: number, units: number): void {
    const cell = this.#rows + row * ROW_CELLS + ROW.level;
    const left = toTicks(units);
    for (;;) {
      const count = this.#memory.peek64(cell);
      const next = count > left ? BigInt.asIntN(64, count - left) : 0n;
      if (this.#memory.swap64(cell, count, next)) return;
    }
  }

  /** Writes a count that was worked out from `expected`; returns false where that has changed since. */
  correctCount(row: number, expected: bigint, count: number): boolean {
    return this.#memory.swap64(this.#rows + row * ROW_CELLS + ROW.level, expected, toTicks(count));
  }

  countSettled(row: number, units: number): void {
    addToTotal(this.#memory, this.#rows + row * ROW_CELLS + ROW.settled, units);
  }

  countRefunded(row: number, units: number): void {
    addToTotal(this.#memory, this.#rows + row * ROW_CELLS + ROW.refunded, units);
  }

  countRefused(row: number): void {
    addToTotal(this.#memory, this.#rows + row * ROW_CELLS + ROW.refused, 1);
  }

  countOverdrawn(row: number, units: number): void {
    addToTotal(this.#memory, this.#rows + row * ROW_CELLS + ROW.overdrawn, units);
  }

  readTotal(row: number, cell: number): number {
    return readTotal(this.#memory, this.#rows + row * ROW_CELLS + cell);
  }
}

/** What V becomes where `price` is taken. */
export function addPrice(level: bigint, price: bigint, nowTicks: bigint): bigint {
  return BigInt.asIntN(64, (level < nowTicks ? nowTicks : level) + price);
}

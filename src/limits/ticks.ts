/**
 * Times and amounts in ticks: 64-bit whole numbers, as BigInts that V8 keeps in registers where they are added and
 * compared in the same function. Every product up to 2^52 is worked out as a floating-point number, exactly, and
 * only then made a BigInt, through memory, because `BigInt(n)` of a number costs three times as much.
 */
import { TABLE_AGE_MS_MAX, TICKS_MAX } from './rates.js';

const EXACT = 2 ** 52;
/** The bits of the floating-point number 2^52. Those of 2^52 + n, for a whole n below it, are these plus n. */
const EXACT_BITS = 0x4330000000000000n;
/** A time is cut to this part of a millisecond, a nanosecond, so that its product with a rate is exact. */
const PARTS_PER_MS = 2 ** 20;

const words = new Uint32Array(2);
const cells = new BigInt64Array(words.buffer);
const floats = new Float64Array(words.buffer);

/**
 * `value` must be whole, from 0 to 2^53. Written and read as one piece of 8 bytes: what is written as two of four has to
 * reach the cache before a processor can read it as one.
 */
export function toTicks(value: number): bigint {
  if (value >= EXACT) return BigInt(value);
  floats[0] = value + EXACT;
  return BigInt.asIntN(64, cells[0]! - EXACT_BITS);
}

/** The nearest number, whichever its sign; `Number()` of a BigInt is a call that takes four times as long. */
export function toNumber(ticks: bigint): number {
  cells[0] = ticks;
  return (words[1]! | 0) * 4294967296 + words[0]!;
}

/**
 * Milliseconds from the epoch to now, cut so that `countTicks` is exact. A time before the epoch, and one that is no
 * number, counts as the epoch; one more than three years after it counts as three years.
 */
export function measureAge(nowMs: number, epochMs: number): number {
  const age = nowMs - epochMs;
  if (!(age > 0)) return 0;
  if (age >= TABLE_AGE_MS_MAX) return TABLE_AGE_MS_MAX;
  const whole = Math.floor(age);
  return whole + Math.floor((age - whole) * PARTS_PER_MS) / PARTS_PER_MS;
}

/** Whole ticks that passed in `ageMs`, a result of measureAge. */
export function countTicks(ageMs: number, ticksPerMs: number): bigint {
  const whole = Math.floor(ageMs);
  const rest = Math.floor((ageMs - whole) * ticksPerMs);
  const ticks = whole * ticksPerMs + rest;
  if (ticks < EXACT) return toTicks(ticks);
  return BigInt(whole) * BigInt(ticksPerMs) + BigInt(rest);
}

/** What `units` (whole, not negative) cost; never more than TICKS_MAX. */
export function priceUnits(units: number, ticksPerUnit: number): bigint {
  const ticks = units * ticksPerUnit;
  if (ticks < EXACT) return toTicks(ticks);
  if (ticks >= Number(TICKS_MAX)) return TICKS_MAX;
  return BigInt(units) * BigInt(ticksPerUnit);
}

/** Of a number that may be anything; bounded. */
export function roundTicks(ticks: number): bigint {
  if (!(ticks > 0)) return 0n;
  return ticks < Number(TICKS_MAX) * 2 ? BigInt(Math.round(ticks)) : TICKS_MAX << 1n;
}

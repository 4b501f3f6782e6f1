/**
 * From "200000 tokens a minute" to two whole numbers. A bucket counts in ticks: `ticksPerMs` of them pass in a
 * millisecond and a unit costs `ticksPerUnit`, so the rate is their ratio, and a ratio of whole numbers has no
 * rounding. Both are the limit's own numbers without their common divisor, as long as three years of ticks and a
 * whole bucket stay below 2^61. Where they don't, the nearest ratio that fits is taken, never one above the limit.
 */
import type { LimitConfig, MeteredKind, MeteredLimit } from '../config/model.js';

/** How long a table may be in use, a little more than three years; then it fills up no more. */
export const TABLE_AGE_MS_MAX = 1e11;
/** What a bucket's ticks stay below, with room for debt above. */
export const TICKS_MAX = 1n << 61n;
/** Usage that a provider reports is a stranger's number; this much of it is believed. */
export const UNITS_MAX = 2 ** 40;
/** The most by which a rate may fall short of what is configured. */
export const RATE_ERROR_MAX = 1e-4;

const NANO_DOLLARS = 1e9;
/** So that ticks of a unit and units of a bucket are exact as floating-point numbers. */
const EXACT_MAX = BigInt(Number.MAX_SAFE_INTEGER);
const TICKS_PER_MS_MAX = (TICKS_MAX - 1n) / BigInt(TABLE_AGE_MS_MAX);

export interface Rate {
  /** At least 1, below 2^25. */
  readonly ticksPerMs: number;
  /** At least 1; a safe integer. */
  readonly ticksPerUnit: number;
  /** What the bucket holds, in units of the table: requests, tokens, nano-dollars. A safe integer. */
  readonly capacityUnits: number;
  /** By which share the rate falls short of the configured one; 0: it is exact. */
  readonly shortfall: number;
}

export const KINDS = [
  'requests',
  'tokens',
  'input_tokens',
  'output_tokens',
  'cost',
  'concurrency',
] as const satisfies readonly (MeteredKind | 'concurrency')[];

/** In the numbers of the row's `kind`: the place in KINDS. */
export const KIND = {
  requests: 0,
  tokens: 1,
  inputTokens: 2,
  outputTokens: 3,
  cost: 4,
  concurrency: 5,
} as const;

/**
 * How a limit is kept. Pure; meant for the check of a configuration too.
 * @throws RangeError with a sentence for people, where the limit can't be kept: an amount that is not positive or
 * not whole, less than a nano-dollar, or a rate or a burst beyond what 64 bits hold to within 0.01 %.
 */
export function planRate(limit: LimitConfig): Rate {
  if (limit.kind === 'concurrency') {
    const capacityUnits = Number(readWhole(limit.amount, 1, 'concurrency'));
    return { ticksPerMs: 1, ticksPerUnit: 1, capacityUnits, shortfall: 0 };
  }
  const factor = limit.kind === 'cost' ? NANO_DOLLARS : 1;
  const amount = readWhole(limit.amount, factor, limit.kind);
  const burst = readWhole(limit.burst, factor, 'burst');
  const perMs = readWhole(limit.perMs, 1, 'per');
  const { ticksPerMs, ticksPerUnit } = findRatio(amount, perMs, burst, limit);
  const exact = amount * ticksPerUnit;
  const shortfall = Number(exact - ticksPerMs * perMs) / Number(exact);
  if (shortfall > RATE_ERROR_MAX) throw new RangeError(describeBeyond(limit));
  return {
    ticksPerMs: Number(ticksPerMs),
    ticksPerUnit: Number(ticksPerUnit),
    capacityUnits: Number(burst),
    shortfall,
  };
}

function readWhole(value: number, factor: number, name: string): bigint {
  const scaled = value * factor;
  const whole = Math.round(scaled);
  if (!Number.isFinite(scaled) || whole <= 0) {
    throw new RangeError(`${name} ${value} is no amount that can be counted`);
  }
  if (factor === 1 && whole !== value) throw new RangeError(`${name} ${value} is not whole`);
  if (whole > Number.MAX_SAFE_INTEGER) throw new RangeError(`${name} ${value} is too large`);
  return BigInt(whole);
}

interface Ratio {
  readonly ticksPerMs: bigint;
  readonly ticksPerUnit: bigint;
}

/** The exact ratio, or the nearest from below that fits. @throws RangeError */
function findRatio(amount: bigint, perMs: bigint, burst: bigint, limit: MeteredLimit): Ratio {
  const divisor = findDivisor(amount, perMs);
  const ticksPerMs = amount / divisor;
  const ticksPerUnit = perMs / divisor;
  const perMsMax = TICKS_PER_MS_MAX;
  const perUnitMax = smaller((TICKS_MAX - 1n) / burst, EXACT_MAX);
  if (ticksPerMs <= perMsMax && ticksPerUnit <= perUnitMax) return { ticksPerMs, ticksPerUnit };
  // The larger of both numbers carries the precision: make it as large as both bounds let it be. A unit must not
  // become cheaper nor a millisecond longer, so one is rounded up and the other down.
  const wanted = smaller(perUnitMax, (perMsMax * ticksPerUnit) / ticksPerMs);
  const candidates: Ratio[] = [];
  if (wanted >= 1n) {
    const byUnit = (ticksPerMs * wanted) / ticksPerUnit;
    if (byUnit >= 1n) candidates.push({ ticksPerMs: byUnit, ticksPerUnit: wanted });
  }
  const byTime = smaller(perMsMax, (perUnitMax * ticksPerMs) / ticksPerUnit);
  if (byTime >= 1n) {
    const perUnit = (ticksPerUnit * byTime + ticksPerMs - 1n) / ticksPerMs;
    if (perUnit <= perUnitMax) candidates.push({ ticksPerMs: byTime, ticksPerUnit: perUnit });
  }
  // Of two ratios the higher falls less short.
  candidates.sort((a, b) =>
    a.ticksPerMs * b.ticksPerUnit > b.ticksPerMs * a.ticksPerUnit ? -1 : 1,
  );
  const best = candidates[0];
  if (best === undefined) throw new RangeError(describeBeyond(limit));
  return best;
}

function describeBeyond(limit: MeteredLimit): string {
  return (
    `${limit.kind} ${limit.amount} per ${limit.perMs} ms with a burst of ${limit.burst} ` +
    'is beyond what can be counted to within 0.01 %'
  );
}

function findDivisor(a: bigint, b: bigint): bigint {
  let [x, y] = [a, b];
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

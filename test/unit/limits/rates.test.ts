import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  planRate,
  RATE_ERROR_MAX,
  TABLE_AGE_MS_MAX,
  TICKS_MAX,
} from '../../../src/limits/rates.js';
import { meter, together } from '../../helpers/limit-tables.js';

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

const EXACT = [
  meter('requests', 1, DAY_MS),
  meter('requests', 1, 366 * DAY_MS),
  meter('requests', 3, 366 * DAY_MS, { burst: 1e8 }),
  meter('tokens', 1_000_000_000, MINUTE_MS),
  meter('tokens', 200_000, MINUTE_MS, { burst: 50_000 }),
  meter('tokens', 123_457, MINUTE_MS),
  meter('cost', 50, DAY_MS),
  meter('cost', 0.000001, DAY_MS),
  meter('requests', 7, 1000),
];

test('rates that people configure have no rounding', () => {
  for (const limit of EXACT) {
    const { ticksPerMs, ticksPerUnit, shortfall } = planRate(limit);
    const amount = BigInt(Math.round(limit.amount * (limit.kind === 'cost' ? 1e9 : 1)));
    const what = JSON.stringify(limit);
    assert.equal(shortfall, 0, what);
    assert.equal(BigInt(ticksPerMs) * BigInt(limit.perMs), BigInt(ticksPerUnit) * amount, what);
  }
});

const SCALED = [
  meter('cost', 1_000_000, DAY_MS),
  meter('tokens', 999_999_937, MINUTE_MS),
  meter('tokens', 1_000_000_007, 366 * DAY_MS),
  meter('cost', 12.3456789, 1000),
];

test('rates beyond 64 bits are rounded down, by less than 0.01 %, and never up', () => {
  for (const limit of SCALED) {
    const { ticksPerMs, ticksPerUnit, capacityUnits, shortfall } = planRate(limit);
    const amount = BigInt(Math.round(limit.amount * (limit.kind === 'cost' ? 1e9 : 1)));
    const what = JSON.stringify(limit);
    assert.ok(BigInt(ticksPerMs) * BigInt(limit.perMs) <= BigInt(ticksPerUnit) * amount, what);
    assert.ok(shortfall >= 0 && shortfall < RATE_ERROR_MAX, `${what}: ${shortfall}`);
    assert.ok(BigInt(ticksPerMs) * BigInt(TABLE_AGE_MS_MAX) < TICKS_MAX, what);
    assert.ok(BigInt(ticksPerUnit) * BigInt(capacityUnits) < TICKS_MAX, what);
  }
});

test('limits that nobody can keep are refused with a sentence', () => {
  const absurd = [
    meter('tokens', 0, 1000),
    meter('tokens', -1, 1000),
    meter('tokens', Number.NaN, 1000),
    meter('tokens', Number.POSITIVE_INFINITY, 1000),
    meter('tokens', 1.5, 1000),
    meter('tokens', 10, 0),
    meter('tokens', 1e15, 1),
    meter('cost', 1e-12, DAY_MS),
    meter('cost', 24, 1000),
    meter('cost', 1e9, DAY_MS),
    meter('requests', 1, 366 * DAY_MS, { burst: 1e15 }),
    together(0),
    together(2.5),
  ];
  for (const limit of absurd) {
    assert.throws(() => planRate(limit), RangeError, JSON.stringify(limit));
  }
});

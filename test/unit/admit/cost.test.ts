/** Money: known sums by hand, rounding, and usages that can't be. The arithmetic at large is in test/property. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  costNanoDollars,
  estimateCostNanoDollars,
  type TokenPrice,
  toPicoDollars,
  toTokenPrice,
} from '../../../src/admit/cost.js';
import { BOUNDS } from '../../../src/core/bounds.js';
import { createPrice, createUsage } from '../../helpers/price-config.js';

const MINI = toTokenPrice(createPrice({ input: 0.15, output: 0.6, cachedInput: 0.075 }));

test('a thousand tokens in and a hundred out cost what the price says, to the nano-dollar', () => {
  assert.equal(
    costNanoDollars(MINI, createUsage({ inputTokens: 1000, outputTokens: 100 })),
    210_000,
  );
});

test('cached tokens are taken out of the input and cost their own price', () => {
  const usage = createUsage({ inputTokens: 1000, cachedInputTokens: 400 });
  assert.equal(costNanoDollars(MINI, usage), 600 * 150 + 400 * 75);
});

test('each kind of token has its price; reasoning is output and not paid twice', () => {
  const price = toTokenPrice({
    input: 1,
    output: 10,
    cachedInput: 0.1,
    cacheWrite: 1.25,
    audioInput: 32,
    audioOutput: 64,
  });
  const usage = createUsage({
    inputTokens: 1000,
    cachedInputTokens: 100,
    cacheWriteTokens: 200,
    audioInputTokens: 300,
    outputTokens: 500,
    audioOutputTokens: 50,
    reasoningTokens: 400,
  });
  const pico = 400e6 * 1 + 100e6 * 0.1 + 200e6 * 1.25 + 300e6 * 32 + 450e6 * 10 + 50e6 * 64;
  assert.equal(costNanoDollars(price, usage), pico / 1000);
});

test('what has no price of its own costs as much as input or output', () => {
  const price = toTokenPrice(createPrice({ input: 2, output: 8 }));
  const usage = createUsage({
    inputTokens: 30,
    cachedInputTokens: 10,
    cacheWriteTokens: 10,
    audioInputTokens: 10,
    outputTokens: 10,
    audioOutputTokens: 5,
  });
  assert.equal(costNanoDollars(price, usage), 30 * 2000 + 10 * 8000);
});

test('a fraction of a nano-dollar is rounded up, once, at the end', () => {
  const price = toTokenPrice(createPrice({ input: 0.0375 }));
  assert.equal(costNanoDollars(price, createUsage({ inputTokens: 1 })), 38);
  assert.equal(costNanoDollars(price, createUsage({ inputTokens: 2 })), 75);
  assert.equal(costNanoDollars(price, createUsage({ inputTokens: 3 })), 113);
});

test('a price below a millionth of a dollar is not free', () => {
  assert.equal(toPicoDollars(1e-9), 1);
  assert.equal(toPicoDollars(0), 0);
});

test('decimal prices become whole numbers without a remainder of the float', () => {
  for (const [dollars, pico] of [
    [0.07, 70_000],
    [0.29, 290_000],
    [1.1, 1_100_000],
    [0.000001, 1],
    [999_999.999999, 999_999_999_999],
  ] as const) {
    assert.equal(toPicoDollars(dollars), pico);
  }
});

test('an unknown price costs nothing', () => {
  assert.equal(costNanoDollars(null, createUsage({ inputTokens: 1e6 })), 0);
  assert.equal(estimateCostNanoDollars(null, 1e6, 1e6), 0);
});

test('a long prompt pays the dearer rate for all of it', () => {
  const price: TokenPrice = {
    rates: MINI.rates,
    tiers: [
      { aboveInputTokens: 1000, rates: { ...MINI.rates, input: 300_000 } },
      { aboveInputTokens: 2000, rates: { ...MINI.rates, input: 900_000 } },
    ],
  };
  const costOf = (inputTokens: number): number =>
    costNanoDollars(price, createUsage({ inputTokens }));
  assert.equal(costOf(1000), 1000 * 150);
  assert.equal(costOf(1001), 1001 * 300);
  assert.equal(costOf(2001), 2001 * 900);
  assert.equal(estimateCostNanoDollars(price, 2001, 0), 2001 * 900);
});

test('a usage that can’t be costs a whole number that is not negative', () => {
  const odd = [-1, Number.NaN, Number.POSITIVE_INFINITY, 1.5, 1e300, Number.MAX_SAFE_INTEGER];
  for (const value of odd) {
    for (const field of Object.keys(createUsage({})) as (keyof ReturnType<typeof createUsage>)[]) {
      const cost = costNanoDollars(MINI, { ...createUsage({ inputTokens: 10 }), [field]: value });
      assert.ok(Number.isSafeInteger(cost) && cost >= 0, `${field} ${value}: ${cost}`);
    }
  }
});

test('parts larger than their whole never make the rest cheaper than nothing', () => {
  const usage = createUsage({ inputTokens: 10, cachedInputTokens: 1000, audioOutputTokens: 7 });
  assert.equal(costNanoDollars(MINI, usage), 1000 * 75 + 7 * 600);
});

test('absurd sums stop at the largest whole number instead of losing digits', () => {
  const price = toTokenPrice(createPrice({ input: 1e6, output: 1e6 }));
  const usage = createUsage({ inputTokens: BOUNDS.tokensMax, outputTokens: BOUNDS.tokensMax });
  assert.equal(costNanoDollars(price, usage), Number.MAX_SAFE_INTEGER);
  assert.equal(
    estimateCostNanoDollars(price, 9_007_201, 0),
    9_007_201 * 1e9 > Number.MAX_SAFE_INTEGER ? Number.MAX_SAFE_INTEGER : 0,
  );
});

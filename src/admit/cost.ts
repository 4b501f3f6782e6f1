/**
 * Money, exactly. A price is in whole pico-dollars a token (one US dollar for a million tokens is 1 000 000 of them),
 * a cost in whole nano-dollars, rounded up, so that neither ever holds a fraction that a float can't.
 */
import type { PriceConfig } from '../config/model.js';
import { BOUNDS } from '../core/bounds.js';
import type { Usage } from '../core/usage.js';

/** Whole pico-dollars (1e-12 US dollars) for one token. */
export interface TokenRates {
  readonly input: number;
  readonly output: number;
  readonly cachedInput: number;
  readonly cacheWrite: number;
  readonly audioInput: number;
  readonly audioOutput: number;
}

/** What a request costs whose prompt has more than so many tokens: all of it, not only the part above. */
export interface PriceTier {
  readonly aboveInputTokens: number;
  readonly rates: TokenRates;
}

/** Plain data, so that it can be handed to worker threads. */
export interface TokenPrice {
  readonly rates: TokenRates;
  /** Dearer rates of long prompts, in ascending order; mostly empty. */
  readonly tiers: readonly PriceTier[];
}

const PICO_PER_DOLLAR_A_MILLION = 1e6;
const PICO_PER_NANO = 1000;
/** Relative; a decimal such as 0.07 times 1e6 misses its whole number by less. */
const FLOAT_ERROR_MAX = 1e-12;

/**
 * @param dollars for a million tokens.
 * @returns whole pico-dollars a token; what is finer is rounded up, and never to 0.
 */
export function toPicoDollars(dollars: number): number {
  const pico = dollars * PICO_PER_DOLLAR_A_MILLION;
  const near = Math.round(pico);
  return Math.abs(pico - near) <= near * FLOAT_ERROR_MAX ? near : Math.ceil(pico);
}

export function toTokenPrice(price: PriceConfig): TokenPrice {
  return { rates: toRates(price), tiers: [] };
}

export function toRates(price: PriceConfig): TokenRates {
  const { input, output } = price;
  return {
    input: toPicoDollars(input),
    output: toPicoDollars(output),
    cachedInput: toPicoDollars(price.cachedInput ?? input),
    cacheWrite: toPicoDollars(price.cacheWrite ?? input),
    audioInput: toPicoDollars(price.audioInput ?? input),
    audioOutput: toPicoDollars(price.audioOutput ?? output),
  };
}

/**
 * What the exchange costs, in whole nano-dollars, rounded up; at most Number.MAX_SAFE_INTEGER (9 million dollars).
 * 0 where the price is not known. Numbers in `usage` that can't be (negative, no number, a part larger than its
 * whole) cost as little as they can without making anything else cheaper.
 */
export function costNanoDollars(price: TokenPrice | null, usage: Usage): number {
  if (price === null) {
    return 0;
  }
  const input = toCount(usage.inputTokens);
  const cached = toCount(usage.cachedInputTokens);
  const written = toCount(usage.cacheWriteTokens);
  const audioIn = toCount(usage.audioInputTokens);
  const audioOut = toCount(usage.audioOutputTokens);
  const textIn = Math.max(0, input - cached - written - audioIn);
  const textOut = Math.max(0, toCount(usage.outputTokens) - audioOut);
  const rates = chooseRates(price, input);
  const pico =
    textIn * rates.input +
    textOut * rates.output +
    cached * rates.cachedInput +
    written * rates.cacheWrite +
    audioIn * rates.audioInput +
    audioOut * rates.audioOutput;
  if (pico <= Number.MAX_SAFE_INTEGER) {
    return toNano(pico);
  }
  return sumExactly([
    [textIn, rates.input],
    [textOut, rates.output],
    [cached, rates.cachedInput],
    [written, rates.cacheWrite],
    [audioIn, rates.audioInput],
    [audioOut, rates.audioOutput],
  ]);
}

/** What to reserve: nothing is known of caches and sound before the answer. Units as in costNanoDollars(). */
export function estimateCostNanoDollars(
  price: TokenPrice | null,
  inputTokens: number,
  outputTokens: number,
): number {
  if (price === null) {
    return 0;
  }
  const input = toCount(inputTokens);
  const output = toCount(outputTokens);
  const rates = chooseRates(price, input);
  const pico = input * rates.input + output * rates.output;
  return pico <= Number.MAX_SAFE_INTEGER
    ? toNano(pico)
    : sumExactly([
        [input, rates.input],
        [output, rates.output],
      ]);
}

/** What a prompt of so many tokens is charged by. */
export function chooseRates(price: TokenPrice, inputTokens: number): TokenRates {
  for (let i = price.tiers.length - 1; i >= 0; i -= 1) {
    const tier = price.tiers[i] as PriceTier;
    if (inputTokens > tier.aboveInputTokens) {
      return tier.rates;
    }
  }
  return price.rates;
}

function toCount(tokens: number): number {
  return tokens >= 1 ? Math.min(Math.floor(tokens), BOUNDS.tokensMax) : 0;
}

/**
 * Rounded up. The quotient may lose a fraction or be rounded up itself, so what is lost is seen by multiplying again. A
 * remainder of floats would tell it too, and takes longer than all else here.
 */
function toNano(pico: number): number {
  const nano = Math.floor(pico / PICO_PER_NANO);
  return nano * PICO_PER_NANO < pico ? nano + 1 : nano;
}

/** Above 9 000 dollars; only absurd prices and usages come here. */
function sumExactly(terms: readonly (readonly [tokens: number, rate: number])[]): number {
  const pico = terms.reduce((sum, [tokens, rate]) => sum + BigInt(tokens) * BigInt(rate), 0n);
  const nano = (pico + BigInt(PICO_PER_NANO - 1)) / BigInt(PICO_PER_NANO);
  const most = BigInt(Number.MAX_SAFE_INTEGER);
  return Number(nano < most ? nano : most);
}

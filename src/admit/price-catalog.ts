/**
 * The price list of @pydantic/genai-prices, cut down to the configured providers and to plain data. Loading the
 * package takes some 50 ms and 14 MB, so one thread does it, once, and hands the result to the workers
 * (docs/decisions/0006).
 */
import type { ModelInfo, ModelPrice, Provider } from '@pydantic/genai-prices';
import type { PriceConfig, ProviderConfig, WeirConfig } from '../config/model.js';
import { type TokenPrice, toRates } from './cost.js';
import type { NameMatch } from './name-match.js';

export interface ListedPrice {
  readonly match: NameMatch;
  /** null: the list knows the model, but not what a token costs (sound by the hour, pages). */
  readonly price: TokenPrice | null;
}

/** One provider's part of the list; the first that matches a name counts. */
export type ProviderPrices = readonly ListedPrice[];

/** By the provider's name in the configuration; an unknown provider has no entry. Plain data. */
export type PriceCatalog = Readonly<Record<string, ProviderPrices>>;

type FindProvider = (by: { providerApiUrl?: string; providerId?: string }) => Provider | undefined;

/** @param wallMs prices change; which day's the list shall give. Milliseconds since the Unix epoch. */
export async function loadPriceCatalog(
  config: Pick<WeirConfig, 'providers'>,
  wallMs: number,
): Promise<PriceCatalog> {
  const { findProvider } = await import('@pydantic/genai-prices');
  return createPriceCatalog(config, findProvider, wallMs);
}

function createPriceCatalog(
  config: Pick<WeirConfig, 'providers'>,
  find: FindProvider,
  wallMs: number,
): PriceCatalog {
  const catalog: Record<string, ProviderPrices> = Object.create(null);
  for (const configured of config.providers) {
    const listed = findListed(configured, find);
    if (listed !== undefined) {
      const others = (listed.fallback_model_providers ?? []).map((id) => find({ providerId: id }));
      catalog[configured.name] = [listed, ...others].flatMap(
        (provider) => provider?.models.map((model) => toListedPrice(model, wallMs)) ?? [],
      );
    }
  }
  return catalog;
}

/**
 * By its address; else by its name in the configuration; else the inventor of its dialect, because whoever calls a
 * model `gpt-4o` behind an address of their own most likely means OpenAI's.
 */
function findListed(
  { baseUrl, name, dialect }: ProviderConfig,
  find: FindProvider,
): Provider | undefined {
  return (
    find({ providerApiUrl: baseUrl }) ?? find({ providerId: name }) ?? find({ providerId: dialect })
  );
}

function toListedPrice(model: ModelInfo, wallMs: number): ListedPrice {
  return { match: toLowerCase(model.match), price: toPrice(choosePrices(model, wallMs)) };
}

function toLowerCase(match: NameMatch): NameMatch {
  if ('or' in match) return { or: match.or.map(toLowerCase) };
  if ('and' in match) return { and: match.and.map(toLowerCase) };
  if ('regex' in match) return match;
  const [[kind, text]] = Object.entries(match) as [[string, string]];
  return { [kind]: text.toLowerCase() } as unknown as NameMatch;
}

/**
 * The last price that holds on that day. Where the hour decides too, the dearest: a price that is too low would let
 * a limit be overrun.
 */
function choosePrices({ prices }: ModelInfo, wallMs: number): ModelPrice {
  if (!Array.isArray(prices)) {
    return prices;
  }
  const possible: ModelPrice[] = [];
  for (const entry of [...prices].reverse()) {
    const { constraint } = entry;
    if (constraint?.type === 'start_date' && Date.parse(constraint.start_date) > wallMs) {
      continue;
    }
    possible.push(entry.prices);
    if (constraint?.type !== 'time_of_date') {
      break;
    }
  }
  const [first = prices[0]?.prices ?? {}, ...others] = possible;
  return others.reduce(
    (dearest, other) => (sumDollars(other) > sumDollars(dearest) ? other : dearest),
    first,
  );
}

function sumDollars(prices: ModelPrice): number {
  return (dollarsAt(prices, 'input_mtok', 0) ?? 0) + (dollarsAt(prices, 'output_mtok', 0) ?? 0);
}

function toPrice(prices: ModelPrice): TokenPrice | null {
  const base = toPriceConfig(prices, 0);
  if (base === null) {
    return null;
  }
  const starts = Object.values(prices).flatMap((price) =>
    typeof price === 'object' ? price.tiers.map(({ start }) => start) : [],
  );
  const tiers = [...new Set(starts)]
    .sort((a, b) => a - b)
    .map((start) => ({
      aboveInputTokens: start,
      rates: toRates(toPriceConfig(prices, start + 1) ?? base),
    }));
  return { rates: toRates(base), tiers };
}

function toPriceConfig(prices: ModelPrice, inputTokens: number): PriceConfig | null {
  const input = dollarsAt(prices, 'input_mtok', inputTokens);
  const output = dollarsAt(prices, 'output_mtok', inputTokens);
  if (input === null && output === null) {
    return null;
  }
  return {
    // Embeddings have no price for an output, and none to pay for.
    input: input ?? 0,
    output: output ?? 0,
    cachedInput: dollarsAt(prices, 'cache_read_mtok', inputTokens),
    cacheWrite: dollarsAt(prices, 'cache_write_mtok', inputTokens),
    audioInput: dollarsAt(prices, 'input_audio_mtok', inputTokens),
    audioOutput: dollarsAt(prices, 'output_audio_mtok', inputTokens),
  };
}

/** US dollars for a million tokens where the prompt has so many; null if the list has no such price. */
function dollarsAt(prices: ModelPrice, key: string, inputTokens: number): number | null {
  const price = prices[key];
  if (typeof price !== 'object') {
    return price ?? null;
  }
  return price.tiers.reduce(
    (dollars, tier) => (inputTokens > tier.start ? tier.price : dollars),
    price.base,
  );
}

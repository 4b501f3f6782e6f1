/**
 * What a token costs at each configured target. Resolved once at start; only where the client's own name is passed on
 * (`"*"`) it is known at run time, and is looked up then and kept within a bound.
 *
 * A price that is not known is null and costs 0: reserving for it would be a guess, and refusing would break what
 * works. It is not silent: `unpriced` names the targets at start, and who gets null counts it.
 */
import { type ModelConfig, type TargetConfig, type WeirConfig, WILDCARD } from '../config/model.js';
import { BOUNDS } from '../core/bounds.js';
import { chooseRates, type TokenPrice, type TokenRates, toTokenPrice } from './cost.js';
import { matchesName, spellDays } from './name-match.js';
import type { PriceCatalog, ProviderPrices } from './price-catalog.js';

const NO_PRICES: ProviderPrices = [];

/** A price, or how to find it by the name that the client wrote. */
type Priced =
  | { readonly byName: null; readonly price: TokenPrice | null }
  | { readonly byName: PricesByName };

interface PricedEntry {
  readonly targets: readonly Priced[];
  readonly highest: Priced;
}

export class PriceList {
  /** `model → provider/name` of every target whose price is not known; for a warning at start. */
  readonly unpriced: readonly string[];
  readonly #entries = new Map<string, PricedEntry>();

  constructor(config: Pick<WeirConfig, 'models'>, catalog: PriceCatalog) {
    const unpriced: string[] = [];
    for (const model of config.models) {
      const targets = model.targets.map((target) => resolvePrice(model, target, catalog));
      this.#entries.set(model.name, { targets, highest: combine(targets) });
      model.targets.forEach((target, position) => {
        const priced = targets[position];
        if (priced?.byName === null && priced.price === null) {
          unpriced.push(`${model.name} → ${target.provider}/${target.model ?? model.name}`);
        }
      });
    }
    this.unpriced = unpriced;
  }

  /**
   * @param entryName the entry in the configuration, `*` included.
   * @param position of the target in its entry.
   * @param asked the model's name as the client wrote it.
   * @returns null if the price is not known.
   */
  priceOf(entryName: string, position: number, asked: string | null): TokenPrice | null {
    const priced = this.#entries.get(entryName)?.targets[position];
    return priced === undefined ? null : readPrice(priced, asked);
  }

  /** The same, as a prompt of so many tokens is charged. */
  ratesOf(
    entryName: string,
    position: number,
    asked: string | null,
    inputTokens: number,
  ): TokenRates | null {
    const price = this.priceOf(entryName, position, asked);
    return price === null ? null : chooseRates(price, inputTokens);
  }

  /**
   * For a reservation before the target is chosen: the highest rate of each kind over all targets of an entry. Targets
   * without a price don't count; null if none has one.
   */
  highestOf(entryName: string, asked: string | null): TokenPrice | null {
    const entry = this.#entries.get(entryName);
    return entry === undefined ? null : readPrice(entry.highest, asked);
  }
}

/** @param catalog what loadPriceCatalog() gave for the same providers. */
export function createPriceList(
  config: Pick<WeirConfig, 'models' | 'providers'>,
  catalog: PriceCatalog,
): PriceList {
  return new PriceList(config, catalog);
}

function readPrice(priced: Priced, asked: string | null): TokenPrice | null {
  return priced.byName === null ? priced.price : priced.byName.find(asked);
}

function resolvePrice(model: ModelConfig, target: TargetConfig, catalog: PriceCatalog): Priced {
  if (target.price !== null) {
    return { byName: null, price: toTokenPrice(target.price) };
  }
  const prices = catalog[target.provider] ?? NO_PRICES;
  const name = target.model ?? (model.name === WILDCARD ? null : model.name);
  return name === null
    ? { byName: new PricesByName((asked) => findPrice(prices, asked)) }
    : { byName: null, price: findPrice(prices, name) };
}

function findPrice(prices: ProviderPrices, name: string): TokenPrice | null {
  const lower = name.toLowerCase().trim();
  const found = prices.find(({ match }) => matchesName(match, lower));
  if (found !== undefined) {
    return found.price;
  }
  const spelled = spellDays(lower);
  return spelled === lower
    ? null
    : (prices.find(({ match }) => matchesName(match, spelled))?.price ?? null);
}

/** Prices by names that clients write. */
class PricesByName {
  readonly #look: (name: string) => TokenPrice | null;
  readonly #known = new Map<string, TokenPrice | null>();
  /** What was asked for last is often asked for again. */
  #lastName = '';
  #lastPrice: TokenPrice | null | undefined = undefined;

  constructor(look: (name: string) => TokenPrice | null) {
    this.#look = look;
  }

  find(name: string | null): TokenPrice | null {
    if (name === null || name.length > BOUNDS.pricedNameCharsMax) {
      return null;
    }
    if (this.#lastPrice !== undefined && name === this.#lastName) {
      return this.#lastPrice;
    }
    let price = this.#known.get(name);
    if (price === undefined) {
      price = this.#look(name);
      if (this.#known.size >= BOUNDS.pricedNamesMax) {
        // A map keeps the order of insertion, so the first key is the oldest.
        this.#known.delete(this.#known.keys().next().value as string);
      }
      this.#known.set(name, price);
    }
    this.#lastName = name;
    this.#lastPrice = price;
    return price;
  }
}

function combine(targets: readonly Priced[]): Priced {
  const [only] = targets;
  if (only !== undefined && targets.length === 1) {
    return only;
  }
  const look = (asked: string | null): TokenPrice | null =>
    targets
      .map((priced) => readPrice(priced, asked))
      .reduce(
        (highest, price) =>
          highest === null || price === null ? (highest ?? price) : mergePrices(highest, price),
        null,
      );
  return targets.some(({ byName }) => byName !== null)
    ? { byName: new PricesByName(look) }
    : { byName: null, price: look(null) };
}

/** Never below either of the two, however long the prompt is. */
function mergePrices(a: TokenPrice, b: TokenPrice): TokenPrice {
  const starts = [...a.tiers, ...b.tiers].map(({ aboveInputTokens }) => aboveInputTokens);
  const tiers = [...new Set(starts)]
    .sort((first, second) => first - second)
    .map((start) => ({
      aboveInputTokens: start,
      rates: mergeRates(ratesAbove(a, start), ratesAbove(b, start)),
    }));
  return { rates: mergeRates(a.rates, b.rates), tiers };
}

function ratesAbove(price: TokenPrice, start: number): TokenRates {
  return price.tiers.findLast((tier) => tier.aboveInputTokens <= start)?.rates ?? price.rates;
}

function mergeRates(a: TokenRates, b: TokenRates): TokenRates {
  return {
    input: Math.max(a.input, b.input),
    output: Math.max(a.output, b.output),
    cachedInput: Math.max(a.cachedInput, b.cachedInput),
    cacheWrite: Math.max(a.cacheWrite, b.cacheWrite),
    audioInput: Math.max(a.audioInput, b.audioInput),
    audioOutput: Math.max(a.audioOutput, b.audioOutput),
  };
}

/** One model with several targets, and everything that a choice among them hangs on, in a test's hand. */
import { chooseRates, type TokenPrice, toRates } from '../../src/admit/cost.js';
import type { BalanceName, HashBy } from '../../src/config/model.js';
import type { Exchange } from '../../src/exchange.js';
import { type BalancerParts, Balancers } from '../../src/route/balancers.js';
import { type ModelEntry, ModelTable, type Target } from '../../src/route/models.js';
import type { LoadView } from '../../src/route/target-load.js';
import { createRoutesConfig } from './observe-config.js';
import { createRandom } from './seeded-random.js';
import { createExchange, type ExchangeOptions } from './stage-fakes.js';

export interface SceneTarget {
  readonly provider?: string;
  readonly weight?: number;
  readonly priority?: number;
}

export interface BalanceOptions {
  readonly balance: BalanceName;
  readonly hashBy?: HashBy;
  readonly targets: readonly SceneTarget[];
  readonly seed?: number;
  readonly load?: LoadView;
  /** Names of the gateway's other models, before this one. */
  readonly before?: number;
}

export class BalanceScene {
  readonly entry: ModelEntry;
  readonly balancers: Balancers;
  /** By `Target.index`: 0 is not usable at all. */
  readonly factors: number[];
  /** By `Target.index`. */
  readonly busy: number[];
  /** By position; none: not known. */
  readonly prices = new Map<number, TokenPrice>();
  unusable = new Set<number>();
  nowMs = 1000;

  constructor(options: BalanceOptions) {
    const { balance, hashBy = null, targets, before = 0 } = options;
    const names = targets.map(({ provider }, at) => provider ?? `p${at}`);
    const config = createRoutesConfig({
      ...Object.fromEntries(Array.from({ length: before }, (_, at) => [`other-${at}`, ['x']])),
      m: names,
    });
    const models = config.models.map((model) => ({
      ...model,
      balance,
      hashBy,
      targets: model.targets.map((target, at) => ({
        ...target,
        weight: targets[at]?.weight ?? 1,
        priority: targets[at]?.priority ?? 0,
      })),
    }));
    const table = new ModelTable({ ...config, models });
    this.entry = table.find('m', 'openai');
    const count = before + targets.length;
    this.factors = Array.from({ length: count }, () => 1);
    this.busy = Array.from({ length: count }, () => 0);
    const random = createRandom(options.seed ?? 1);
    const parts: BalancerParts = {
      health: {
        // What a test sets may be another thing each time.
        changes: Number.NaN,
        isUsable: (index) => !this.unusable.has(index),
        weightFactor: (index) => this.factors[index] ?? 0,
      },
      load: options.load ?? {
        busy: (index) => this.busy[index] ?? 0,
        firstMs: () => 0,
        tokenMs: () => 0,
        noteTrial: () => {},
      },
      prices: {
        ratesOf: (_entry, position, _asked, inputTokens) => {
          const price = this.prices.get(position) ?? null;
          return price === null ? null : chooseRates(price, inputTokens);
        },
      },
      random: () => random.next(),
    };
    this.balancers = new Balancers(table.entries, parts);
  }

  choose(request: Exchange = createExchange(), tried: readonly number[] = []): Target | null {
    return this.balancers.choose(this.entry, request, tried, this.nowMs);
  }

  /** How often each position is chosen. */
  count(times: number, request?: Exchange, tried?: readonly number[]): number[] {
    const counts = this.entry.targets.map(() => 0);
    for (let time = 0; time < times; time += 1) {
      const target = this.choose(request, tried);
      if (target !== null) counts[target.position]! += 1;
    }
    return counts;
  }
}

/** A request with this body, as one JSON object. */
export function createJsonRequest(body: unknown, options: ExchangeOptions = {}): Exchange {
  const exchange = createExchange(options);
  const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  exchange.body = {
    bytes,
    isBorrowed: false,
    place: null,
    upload: null,
    totalBytes: bytes.length,
    modelRange: null,
    isModelJson: true,
  };
  return exchange;
}

/** A request of this consumer. */
export function createConsumerRequest(consumer: string): Exchange {
  const exchange = createExchange();
  exchange.identity = { consumerIndex: 0, consumerName: consumer, keyHeaders: [] };
  return exchange;
}

/** US dollars for a million tokens; `tiers` for prompts above so many tokens. */
export function createPrice(
  input: number,
  output: number,
  tiers: readonly { readonly above: number; readonly input: number }[] = [],
): TokenPrice {
  const none = { cachedInput: null, cacheWrite: null, audioInput: null, audioOutput: null };
  return {
    rates: toRates({ input, output, ...none }),
    tiers: tiers.map((tier) => ({
      aboveInputTokens: tier.above,
      rates: toRates({ input: tier.input, output, ...none }),
    })),
  };
}

/**
 * The cheapest target by the price list, or by the prices in the configuration; those that cost the same take turns.
 * Targets whose price is not known come last: what they cost is anybody's guess.
 *
 * How long the answer will be is not known, so targets are compared by three parts of prompt and one of answer, the mix
 * that price comparisons use; the ratio matters only where one target's prompts are cheaper and another's answers.
 */
import type { TokenRates } from '../../admit/cost.js';
import type { ModelEntry } from '../models.js';
import type { Candidates } from './candidates.js';
import type { BalancePolicy, BalanceRequest } from './policy.js';

/** What the price list of src/admit/prices.ts gives; null: not known. */
export interface TargetPrices {
  ratesOf(
    entryName: string,
    position: number,
    asked: string | null,
    inputTokens: number,
  ): TokenRates | null;
}

const PROMPT_PARTS = 3;
/** Of text; good enough to tell which prompts are so long that a provider asks more for them. */
const BYTES_A_TOKEN = 4;

export class LowestCost implements BalancePolicy {
  readonly #entry: ModelEntry;
  readonly #prices: TargetPrices;
  /** Of the targets, by position. */
  readonly #rates: Float64Array;
  #turn = 0;

  constructor(entry: ModelEntry, prices: TargetPrices) {
    this.#entry = entry;
    this.#prices = prices;
    this.#rates = new Float64Array(entry.targets.length);
  }

  pick({ positions, count }: Candidates, request: BalanceRequest, _nowMs: number): number {
    const tokens = (request.body?.totalBytes ?? 0) / BYTES_A_TOKEN;
    let least = Number.POSITIVE_INFINITY;
    let tied = 0;
    for (let at = 0; at < count; at += 1) {
      const { position } = this.#entry.targets[positions[at]!]!;
      const rates = this.#prices.ratesOf(this.#entry.name, position, request.model, tokens);
      const rate = rates === null ? Number.POSITIVE_INFINITY : blendRate(rates);
      this.#rates[at] = rate;
      if (rate < least) {
        least = rate;
        tied = 1;
      } else if (rate === least) {
        tied += 1;
      }
    }
    return this.#takeTurn(count, least, tied);
  }

  #takeTurn(count: number, least: number, tied: number): number {
    this.#turn = this.#turn + 1 < Number.MAX_SAFE_INTEGER ? this.#turn + 1 : 0;
    let left = tied === 1 ? 0 : (this.#turn - 1) % tied;
    for (let at = 0; at < count; at += 1) {
      if (this.#rates[at] === least) {
        if (left === 0) {
          return at;
        }
        left -= 1;
      }
    }
    return 0;
  }
}

function blendRate({ input, output }: TokenRates): number {
  return input * PROMPT_PARTS + output;
}

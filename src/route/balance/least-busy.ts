/**
 * The target with the fewest attempts under way, of all workers, for its weight; among equals at random by weight, so
 * that an idle gateway does not send everything to the first.
 */
import type { ModelEntry } from '../models.js';
import type { LoadView } from '../target-load.js';
import type { Candidates } from './candidates.js';
import type { BalancePolicy, BalanceRequest, Random } from './policy.js';

export class LeastBusy implements BalancePolicy {
  readonly #entry: ModelEntry;
  readonly #load: LoadView;
  readonly #random: Random;

  constructor(entry: ModelEntry, load: LoadView, random: Random) {
    this.#entry = entry;
    this.#load = load;
    this.#random = random;
  }

  pick({ positions, weights, count }: Candidates, _request: BalanceRequest, nowMs: number): number {
    let picked = 0;
    let least = Number.POSITIVE_INFINITY;
    let tiedWeight = 0;
    for (let at = 0; at < count; at += 1) {
      const weight = weights[at]!;
      const share = this.#load.busy(this.#entry.targets[positions[at]!]!.index, nowMs) / weight;
      if (share < least) {
        least = share;
        tiedWeight = weight;
        picked = at;
      } else if (share === least) {
        // Each of those that tie stands there in the end with the chance of its weight.
        tiedWeight += weight;
        if (this.#random() * tiedWeight < weight) {
          picked = at;
        }
      }
    }
    return picked;
  }
}

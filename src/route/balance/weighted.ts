/**
 * Each target has the share of the requests that its weight is of all weights, in turns that are as even as they can be
 * (smooth weighted round robin, as nginx does it): drawn at random, what runs at a target swings by its square root, and
 * more connections to each are used than are needed. Workers need not agree, and each begins at a moment of its own.
 */
import type { ModelEntry } from '../models.js';
import type { Candidates } from './candidates.js';
import type { BalancePolicy, Random } from './policy.js';

export class Weighted implements BalancePolicy {
  /** By position: how much of a turn a target has saved up; who has most is next. */
  readonly #saved: Float64Array;

  constructor({ shares }: ModelEntry, random: Random) {
    this.#saved = Float64Array.from(shares, ({ priority }) => {
      const group = shares.filter((share) => share.priority === priority);
      const total = group.reduce((sum, { weight }) => sum + weight, 0);
      return (random() - 0.5) * total;
    });
  }

  pick({ positions, weights, count }: Candidates): number {
    const saved = this.#saved;
    let total = 0;
    let place = 0;
    let most = Number.NEGATIVE_INFINITY;
    for (let at = 0; at < count; at += 1) {
      const position = positions[at]!;
      const weight = weights[at]!;
      const own = saved[position]! + weight;
      saved[position] = own;
      total += weight;
      if (own > most) {
        most = own;
        place = at;
      }
    }
    saved[positions[place]!]! -= total;
    return place;
  }
}

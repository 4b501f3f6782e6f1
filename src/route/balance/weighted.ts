/** Each target has the share of the requests that its weight is of all weights. At random: workers need not agree. */
import type { Candidates } from './candidates.js';
import type { BalancePolicy, BalanceRequest, Random } from './policy.js';

export class Weighted implements BalancePolicy {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  pick(candidates: Candidates, _request: BalanceRequest, _nowMs: number): number {
    return pickByWeight(candidates, this.#random());
  }
}

/** @param drawn from 0 up to, but without, 1. */
export function pickByWeight({ weights, count }: Candidates, drawn: number): number {
  let total = 0;
  for (let at = 0; at < count; at += 1) {
    total += weights[at]!;
  }
  let left = drawn * total;
  for (let at = 0; at < count - 1; at += 1) {
    left -= weights[at]!;
    if (left < 0) {
      return at;
    }
  }
  return count - 1;
}

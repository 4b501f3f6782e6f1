/**
 * Of two targets drawn at random the one that is expected to answer sooner: the first token and some more, times the
 * attempts under way there, divided by weight. Two, because if all workers took the best of all, all would take the
 * same one at the same moment. Where one of the two was not measured yet, what is under way decides alone.
 */
import type { ModelEntry } from '../models.js';
import type { LoadView } from '../target-load.js';
import type { Candidates } from './candidates.js';
import type { BalancePolicy, BalanceRequest, Random } from './policy.js';

/** A target is judged by how long so many tokens take after the first: a short answer. */
const PACED_TOKENS = 100;

export class LeastLatency implements BalancePolicy {
  readonly #entry: ModelEntry;
  readonly #load: LoadView;
  readonly #random: Random;

  constructor(entry: ModelEntry, load: LoadView, random: Random) {
    this.#entry = entry;
    this.#load = load;
    this.#random = random;
  }

  pick({ positions, weights, count }: Candidates, _request: BalanceRequest, nowMs: number): number {
    const one = Math.floor(this.#random() * count);
    const skipped = Math.floor(this.#random() * (count - 1));
    const other = skipped < one ? skipped : skipped + 1;
    const oneIndex = this.#entry.targets[positions[one]!]!.index;
    const otherIndex = this.#entry.targets[positions[other]!]!.index;
    let oneCost = (this.#load.busy(oneIndex, nowMs) + 1) / weights[one]!;
    let otherCost = (this.#load.busy(otherIndex, nowMs) + 1) / weights[other]!;
    const oneFirstMs = this.#load.firstMs(oneIndex, nowMs);
    const otherFirstMs = this.#load.firstMs(otherIndex, nowMs);
    if (oneFirstMs > 0 && otherFirstMs > 0) {
      const oneTokenMs = this.#load.tokenMs(oneIndex, nowMs);
      const otherTokenMs = this.#load.tokenMs(otherIndex, nowMs);
      // Times of the first token alone can't be held against times of whole answers.
      const tokens = oneTokenMs > 0 && otherTokenMs > 0 ? PACED_TOKENS : 0;
      oneCost *= oneFirstMs + tokens * oneTokenMs;
      otherCost *= otherFirstMs + tokens * otherTokenMs;
    }
    const isOther = otherCost < oneCost;
    this.#load.noteTrial(isOther ? otherIndex : oneIndex, nowMs);
    return isOther ? other : one;
  }
}

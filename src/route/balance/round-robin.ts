/** Targets take turns, whatever their weights. Each worker has turns of its own. */
import type { Candidates } from './candidates.js';
import type { BalancePolicy } from './policy.js';

export class RoundRobin implements BalancePolicy {
  #lastPosition = -1;

  /** By positions and not by a count of turns: where a target comes and goes, the others keep their order. */
  pick({ positions, count }: Candidates): number {
    let place = 0;
    // Positions ascend within a group; the first beyond the last one's has its turn, else the first of all.
    for (let at = 0; at < count; at += 1) {
      if (positions[at]! > this.#lastPosition) {
        place = at;
        break;
      }
    }
    this.#lastPosition = positions[place]!;
    return place;
  }
}

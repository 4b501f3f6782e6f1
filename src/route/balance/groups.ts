/**
 * Which targets a choice is made among. The usable ones with the lowest `priority` come first; those of the next
 * number when none of them is left.
 *
 * A target that its provider throttles takes part in a share of the choices only, whatever the policy: at 0.3 it is
 * passed over in 7 of 10. Where all of a group are passed over the next group has the request, so what a throttled
 * first choice can't take flows over instead of being sent there in vain. Where there is no next one, those passed
 * over are chosen among after all, by what is left of their weights.
 *
 * Who has been at all of these may ask for one that is ejected (gatherEjected()), as the last thing to try.
 */
import type { TargetHealth } from '../../core/target-state.js';
import type { ModelEntry } from '../models.js';
import type { Candidates } from './candidates.js';
import type { Random } from './policy.js';

/** What a choice asks about a target. */
export type HealthView = Pick<TargetHealth, 'changes' | 'isUsable' | 'weightFactor'>;

const NO_GROUP = -1;
/** Below the factor of one that an operator has drained. */
const DRAINED_TOO = -1;

export class PriorityGroups {
  readonly #entry: ModelEntry;
  readonly #health: HealthView;
  readonly #random: Random;
  /** Positions of targets by group, the lowest priority first, else in the configuration's order. */
  readonly #groups: readonly (readonly number[])[];
  /** What `changes` was when all of the first group were found usable with their whole weight. */
  #wellAt = Number.NaN;

  constructor(entry: ModelEntry, health: HealthView, random: Random) {
    this.#entry = entry;
    this.#health = health;
    this.#random = random;
    const priorities = [...new Set(entry.shares.map(({ priority }) => priority))];
    this.#groups = priorities
      .sort((one, other) => one - other)
      .map((wanted) =>
        [...entry.shares.keys()].filter((at) => entry.shares[at]?.priority === wanted),
      );
  }

  /**
   * Fills `candidates`.
   * @param tried `Target.index` of those that failed already.
   * @returns false where none is left: each was tried, or is not usable while another was tried.
   */
  gather(candidates: Candidates, tried: readonly number[], nowMs: number): boolean {
    const { changes } = this.#health;
    if (changes === this.#wellAt && tried.length === 0) {
      this.#fill(candidates, this.#groups[0]!);
      return true;
    }
    let passedOver = NO_GROUP;
    let hasTried = false;
    for (let at = 0; at < this.#groups.length; at += 1) {
      const group = this.#groups[at]!;
      let whole = 0;
      candidates.clear();
      for (let member = 0; member < group.length; member += 1) {
        const position = group[member]!;
        const { index } = this.#entry.targets[position]!;
        if (tried.length > 0 && tried.includes(index)) {
          hasTried = true;
        } else if (this.#health.isUsable(index, nowMs)) {
          const factor = this.#health.weightFactor(index, nowMs);
          if (factor >= 1) whole += 1;
          if (factor >= 1 || (factor > 0 && this.#random() < factor)) {
            candidates.add(position, this.#entry.shares[position]!.weight);
          } else if (factor > 0 && passedOver === NO_GROUP) {
            passedOver = at;
          }
        }
      }
      if (at === 0 && whole === group.length) {
        this.#wellAt = changes;
      }
      if (candidates.count > 0) {
        return true;
      }
    }
    if (passedOver !== NO_GROUP) {
      this.#gatherThrottled(candidates, this.#groups[passedOver]!, tried, nowMs);
    } else if (!hasTried) {
      this.#gatherLeastBad(candidates, tried, DRAINED_TOO, nowMs);
    }
    return candidates.count > 0;
  }

  /**
   * For whom gather() has nothing left: fills `candidates` with targets that are ejected, and not with drained ones.
   * @returns false where there is none that was not tried.
   */
  gatherEjected(candidates: Candidates, tried: readonly number[], nowMs: number): boolean {
    this.#gatherLeastBad(candidates, tried, 0, nowMs);
    return candidates.count > 0;
  }

  #fill(candidates: Candidates, group: readonly number[]): void {
    candidates.clear();
    for (let member = 0; member < group.length; member += 1) {
      const position = group[member]!;
      candidates.add(position, this.#entry.shares[position]!.weight);
    }
  }

  #gatherThrottled(
    candidates: Candidates,
    group: readonly number[],
    tried: readonly number[],
    nowMs: number,
  ): void {
    candidates.clear();
    for (let member = 0; member < group.length; member += 1) {
      const position = group[member]!;
      const { index } = this.#entry.targets[position]!;
      const factor = this.#health.weightFactor(index, nowMs);
      if (factor > 0 && !tried.includes(index) && this.#health.isUsable(index, nowMs)) {
        candidates.add(position, this.#entry.shares[position]!.weight * factor);
      }
    }
  }

  /**
   * No target may be used: a breaker that is wrong must not make an outage total. Of those with the largest factor the
   * ones with the lowest priority have the request, and the policy chooses among them.
   *
   * @param least what a factor must be larger than.
   */
  #gatherLeastBad(
    candidates: Candidates,
    tried: readonly number[],
    least: number,
    nowMs: number,
  ): void {
    let best = least;
    candidates.clear();
    for (let at = 0; at < this.#groups.length; at += 1) {
      const group = this.#groups[at]!;
      for (let member = 0; member < group.length; member += 1) {
        const position = group[member]!;
        const { index } = this.#entry.targets[position]!;
        if (tried.includes(index)) continue;
        const factor = this.#health.weightFactor(index, nowMs);
        if (factor > best) {
          best = factor;
          candidates.clear();
        }
        const isSameGroup =
          candidates.count === 0 ||
          this.#entry.shares[candidates.positions[0]!]!.priority ===
            this.#entry.shares[position]!.priority;
        if (factor === best && factor > least && isSameGroup) {
          candidates.add(position, this.#entry.shares[position]!.weight);
        }
      }
    }
  }
}

/** Targets of an entry take turns. */
import type { TargetHealth } from '../core/target-state.js';
import type { Exchange } from '../exchange.js';
import type { ModelEntry, Target } from './models.js';

/** One worker's. */
export class Turns {
  readonly #health: TargetHealth;
  readonly #next = new Map<ModelEntry, number>();

  constructor(health: TargetHealth) {
    this.#health = health;
  }

  /** @returns null where all targets have been tried or are out of service. */
  choose(
    entry: ModelEntry,
    _exchange: Exchange,
    tried: readonly Target[],
    nowMs: number,
  ): Target | null {
    const { targets } = entry;
    const only = targets[0];
    if (targets.length === 1 && only !== undefined && tried.length === 0) {
      return this.#health.isUsable(only.index, nowMs) ? only : null;
    }
    const first = this.#next.get(entry) ?? 0;
    for (let step = 0; step < targets.length; step += 1) {
      const at = (first + step) % targets.length;
      const target = targets[at] as Target;
      if (!tried.includes(target) && this.#health.isUsable(target.index, nowMs)) {
        this.#next.set(entry, at + 1);
        return target;
      }
    }
    return null;
  }
}

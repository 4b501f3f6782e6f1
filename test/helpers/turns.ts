/** Targets of an entry take turns. */
import type { TargetHealth } from '../../src/core/target-state.js';
import type { Exchange } from '../../src/exchange.js';
import type { ModelEntry, Target } from '../../src/route/models.js';

/** One worker's. */
export class Turns {
  readonly #health: TargetHealth;
  readonly #next = new Map<ModelEntry, number>();

  constructor(health: TargetHealth) {
    this.#health = health;
  }

  /** @returns null where all targets have been tried or are out of service; never where none was tried. */
  choose(
    entry: ModelEntry,
    _exchange: Exchange,
    tried: readonly number[],
    nowMs: number,
  ): Target | null {
    const { targets } = entry;
    if (targets.length === 1 && tried.length === 0) {
      return targets[0] ?? null;
    }
    const first = this.#next.get(entry) ?? 0;
    for (let step = 0; step < targets.length; step += 1) {
      const at = (first + step) % targets.length;
      const target = targets[at] as Target;
      if (!tried.includes(target.index) && this.#health.isUsable(target.index, nowMs)) {
        this.#next.set(entry, at + 1);
        return target;
      }
    }
    return targets.some(({ index }) => tried.includes(index)) ? null : (targets[0] ?? null);
  }

  chooseEjected(
    { targets }: ModelEntry,
    _exchange: Exchange,
    tried: readonly number[],
    nowMs: number,
  ): Target | null {
    const isLeft = ({ index }: Target): boolean =>
      !tried.includes(index) && this.#health.weightFactor(index, nowMs) > 0;
    return targets.find(isLeft) ?? null;
  }

  hasUsable({ targets }: ModelEntry, tried: readonly number[], nowMs: number): boolean {
    return targets.some(
      ({ index }) => !tried.includes(index) && this.#health.isUsable(index, nowMs),
    );
  }
}

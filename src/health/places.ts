/**
 * How many targets of a group are ejected, so that it is never more than may be. A place is taken before a target is
 * ejected and given back after it was closed: in between the count is too high, never too low.
 */
import { type Layout, ROW_CELLS, ROW_WORD } from './layout.js';
import type { HealthPlan } from './plan.js';
import { UNFIT_MASK } from './state-word.js';

export class EjectedPlaces {
  readonly #words: Int32Array;
  readonly #layout: Layout;
  readonly #plan: HealthPlan;

  constructor(buffer: SharedArrayBuffer, layout: Layout, plan: HealthPlan) {
    this.#words = new Int32Array(buffer);
    this.#layout = layout;
    this.#plan = plan;
  }

  /** @returns false where so many are ejected already, or no other target of the group is left to be asked. */
  take(index: number): boolean {
    const { group, ejectableMax } = this.#plan.targets[index]!;
    if (ejectableMax < 1 || !this.#isAnotherFit(index, group)) return false;
    const at = this.#layout.groups + group;
    for (;;) {
      const ejected = Atomics.load(this.#words, at);
      if (ejected >= ejectableMax) return false;
      if (Atomics.compareExchange(this.#words, at, ejected, ejected + 1) === ejected) return true;
    }
  }

  giveBack(index: number): void {
    Atomics.sub(this.#words, this.#layout.groups + this.#plan.targets[index]!.group, 1);
  }

  count(group: number): number {
    return Atomics.load(this.#words, this.#layout.groups + group);
  }

  /** Puts a count right that a thread left wrong which died between its two steps; unless it has changed since. */
  mend(group: number, counted: number, actual: number): void {
    Atomics.compareExchange(this.#words, this.#layout.groups + group, counted, actual);
  }

  /** The count alone does not know of those that an operator has drained. */
  #isAnotherFit(index: number, group: number): boolean {
    const members = this.#plan.groups[group]!;
    for (let i = 0; i < members.length; i += 1) {
      const other = members[i]!;
      const at = (this.#layout.rows + other * ROW_CELLS) * 2 + ROW_WORD.state;
      if (other !== index && (this.#words[at]! & UNFIT_MASK) === 0) return true;
    }
    return false;
  }
}

/** The primary's side of the figures of tally-layout.ts: sums over the workers, one number at a time. */
import { type TallyLayout, viewTally } from './tally-layout.js';

export class TallyReader {
  readonly layout: TallyLayout;
  readonly #columns: readonly Float64Array[];

  constructor(layout: TallyLayout, memory: SharedArrayBuffer, workers: number) {
    this.layout = layout;
    this.#columns = Array.from({ length: workers }, (_, worker) =>
      viewTally(layout, memory, worker),
    );
  }

  read(slot: number): number {
    let sum = 0;
    for (const column of this.#columns) sum += column[slot] ?? 0;
    return sum;
  }
}

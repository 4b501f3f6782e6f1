/** The primary's side of the figures of tally-layout.ts: sums over the workers, as of the last readAll(). */
import { FIRST_CONSUMER, ROUTE_SLOTS, type TallyLayout, viewTally } from './tally-layout.js';

export class TallyReader {
  readonly layout: TallyLayout;
  readonly #columns: readonly Float64Array[];
  readonly #sums: Float64Array;

  constructor(layout: TallyLayout, memory: SharedArrayBuffer, workers: number) {
    this.layout = layout;
    this.#columns = Array.from({ length: workers }, (_, worker) =>
      viewTally(layout, memory, worker),
    );
    this.#sums = new Float64Array(layout.slotCount);
  }

  /** Of the places that are in use: those of so many routes and named consumers, and of all providers. */
  readAll(routes: number, consumers: number): void {
    const { layout } = this;
    this.#sum(0, layout.consumerSlot(FIRST_CONSUMER + consumers));
    this.#sum(layout.providerSlot(0), layout.routeSlot(0));
    this.#sum(
      layout.routeSlot(0),
      Math.min(layout.routeSlot(routes - 1) + ROUTE_SLOTS, layout.slotCount),
    );
  }

  read(slot: number): number {
    return this.#sums[slot] ?? 0;
  }

  #sum(from: number, end: number): void {
    const sums = this.#sums;
    sums.fill(0, from, end);
    for (const column of this.#columns) {
      for (let slot = from; slot < end; slot += 1) {
        sums[slot] = (sums[slot] as number) + (column[slot] as number);
      }
    }
  }
}

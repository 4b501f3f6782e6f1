/** What a row says of its limit; written by the primary alone, before any exchange knows the row. */
import { type Layout, ROW, ROW_CELLS, ROW_WORD, STREAM_FLAG } from './layout.js';
import type { PlannedLimit } from './plan.js';

export class RowWriter {
  readonly #cells: BigInt64Array;
  readonly #words: Int32Array;
  readonly #floats: Float64Array;
  readonly #layout: Layout;

  constructor(buffer: SharedArrayBuffer, layout: Layout) {
    this.#cells = new BigInt64Array(buffer);
    this.#words = new Int32Array(buffer);
    this.#floats = new Float64Array(buffer);
    this.#layout = layout;
  }

  describe(row: number, limit: PlannedLimit): void {
    const cell = this.#layout.rows + row * ROW_CELLS;
    this.#cells[cell + ROW.capacity] = limit.capacityTicks;
    this.#floats[cell + ROW.ticksPerUnit] = limit.ticksPerUnit;
    this.#words[cell * 2 + ROW_WORD.ticksPerMs] = limit.ticksPerMs;
    this.#words[cell * 2 + ROW_WORD.kind] = limit.kind | (limit.isStream ? STREAM_FLAG : 0);
  }

  /** A full bucket of which nothing was ever taken. Only where no reservation of any worker holds any of the row. */
  clear(row: number): void {
    const cell = this.#layout.rows + row * ROW_CELLS;
    for (let at = 0; at < ROW_CELLS; at += 1) this.#cells[cell + at] = 0n;
  }
}

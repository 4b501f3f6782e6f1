/**
 * Where things stand in the shared memory. One SharedArrayBuffer:
 *
 *   ┌──────────────────────────────────────────────────────────────────────────────┐
 *   │ header, 64 B: magic · version │ rows │ workers │ slots │ fingerprint │ epoch │
 *   │               seeds of the hash │ refusals because the slots were full       │
 *   ├──────────────────────────────────────────────────────────────────────────────┤
 *   │ workers, 64 B each: turn (odd: in the middle of a count) │ row of the count  │
 *   ├──────────────────────────────────────────────────────────────────────────────┤
 *   │ rows, 64 B each                                                              │
 *   │   0        8          16     20     24             32      40       48       │
 *   │   ├ V ─────┼ capacity ┼ T ───┼ kind ┼ C (float) ───┼ settled┼ refunded┼ …    │
 *   │                                         … refused (48) ┼ overdrawn (56)      │
 *   ├──────────────────────────────────────────────────────────────────────────────┤
 *   │ columns: of each worker a float for each row: units it holds                 │
 *   ├──────────────────────────────────────────────────────────────────────────────┤
 *   │ slots: word (8 B) of each │ last used, shared ms (8 B) of each               │
 *   │ pins: of each worker a 32-bit count for each slot                            │
 *   └──────────────────────────────────────────────────────────────────────────────┘
 *
 * Settled, refunded, refused and overdrawn are totals, low word first: see totals.ts.
 * A row is a cache line, so two limits never disturb each other; a column belongs to one writer. Places below are
 * counted in cells of 8 bytes; `…Word` counts in 4 bytes.
 */
import type { TablePlan } from './plan.js';

/** `WEIRLIM` and a zero, as a little-endian number. */
export const MAGIC = 0x004d494c52494557n;
export const LAYOUT_VERSION = 1;

export const HEADER_CELLS = 8;
/** Cells of the header. */
export const HEADER = { magic: 0, epochMs: 4, tableFull: 6 } as const;
/** Words of the header. */
export const HEADER_WORD = {
  version: 2,
  rows: 3,
  workers: 4,
  slots: 5,
  fingerprint: 6,
  seedLow: 10,
  seedHigh: 11,
} as const;

export const WORKER_CELLS = 8;
/** Words of a worker. */
export const WORKER_WORD = { turn: 0, row: 1 } as const;

export const ROW_CELLS = 8;
/** Cells of a row. */
export const ROW = {
  level: 0,
  capacity: 1,
  ticksPerUnit: 3,
  settled: 4,
  refunded: 5,
  refused: 6,
  overdrawn: 7,
} as const;
/** Words of a row. */
export const ROW_WORD = { ticksPerMs: 4, kind: 5 } as const;
/** In the word `kind`, above the number of the kind. */
export const STREAM_FLAG = 0x100;
export const KIND_MASK = 0xff;

export interface Layout {
  readonly rows: number;
  readonly columns: number;
  readonly slotWords: number;
  readonly slotUsed: number;
  /** In words. */
  readonly pinWords: number;
  /** Words of one worker's pins, a whole number of cache lines. */
  readonly pinStride: number;
  readonly bytes: number;
}

export function layOut({ workers, capacity, dynamic }: TablePlan): Layout {
  const slots = dynamic?.slots ?? 0;
  const rows = HEADER_CELLS + workers * WORKER_CELLS;
  const columns = rows + capacity * ROW_CELLS;
  const slotWords = columns + capacity * workers;
  const slotUsed = slotWords + slots;
  const pinWords = (slotUsed + slots) * 2;
  const pinStride = Math.ceil(slots / 16) * 16;
  const words = pinWords + pinStride * workers;
  return { rows, columns, slotWords, slotUsed, pinWords, pinStride, bytes: words * 4 };
}

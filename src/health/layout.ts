/**
 * Where things stand in the shared memory. One SharedArrayBuffer:
 *
 *   ┌──────────────────────────────────────────────────────────────────────────────┐
 *   │ header, 64 B: magic · version │ targets │ columns │ groups │ epoch │ changes │
 *   ├──────────────────────────────────────────────────────────────────────────────┤
 *   │ rows, 64 B each, by Target.index                                             │
 *   │   0         8                 16             24        28          32        │
 *   │   ├ state ──┼ throttled until ┼ recovered at ┼ in row ─┼ ejections ┼ …       │
 *   │                                                                              │
 *   │   state   bit 0    2         3        6           11     16            63    │
 *   │               ├ S ─┼ drained ┼ reason ┼ ejections ┼ turn ┼ moment ─────┤     │
 *   │                                                                              │
 *   │     S       0 closed, 1 half-open, 2 open                                    │
 *   │     reason  why it is so (breaker.ts); ejections: in a row                   │
 *   │     turn    one more with every ejection: results from before are told apart │
 *   │     moment  ms since the epoch. open: when the ejection ends · half-open:    │
 *   │             when the trial under way is given up for lost, 0 without one ·   │
 *   │             closed: since when                                               │
 *   ├──────────────────────────────────────────────────────────────────────────────┤
 *   │ groups, 4 B each: how many of a model's targets are ejected                  │
 *   ├──────────────────────────────────────────────────────────────────────────────┤
 *   │ columns: of each thread, for each target two windows of 16 B that take turns │
 *   │   ├ which window and turn ┼ requests ┼ failures ┼ – ┤                        │
 *   └──────────────────────────────────────────────────────────────────────────────┘
 *
 * A healthy target's row is read by all and written by nobody, so it stays in every processor's cache: what is counted
 * with each request stands in the columns, of which each has one writer. `state` is changed by compare-and-swap alone,
 * and everything that one transition decides lies in its 64 bits, so of two one wins and nobody sees half of it.
 * Throttled until and recovered at are floats in shared milliseconds (core/clock.ts), as the epoch is. `changes` counts
 * all that may make a target unusable or lighter: while it stands, whoever found all of them well need not look again.
 * Cells have 8 bytes, words 4.
 */
import type { HealthPlan } from './plan.js';

/** `WEIRHEA` and a zero, as a little-endian number. */
export const MAGIC = 0x0041454852494557n;
export const LAYOUT_VERSION = 2;

const HEADER_CELLS = 8;
export const HEADER = { magic: 0, epochMs: 4 } as const;
export const HEADER_WORD = { version: 2, targets: 3, columns: 4, groups: 5, changes: 10 } as const;

export const ROW_CELLS = 8;
/** Cells of a row. */
export const ROW = { state: 0, throttledUntil: 1, recoveredAt: 2 } as const;
/** Words of a row. */
export const ROW_WORD = { state: 0, failuresInRow: 6, ejections: 7 } as const;

export const WINDOW_WORDS = 4;
/** Words of a window. */
export const WINDOW = { key: 0, requests: 1, failures: 2 } as const;
/** Of a target's two windows. */
export const TARGET_WORDS = 2 * WINDOW_WORDS;
const LINE_WORDS = 16;

export interface Layout {
  /** The first row, in cells. */
  readonly rows: number;
  /** The following in words. */
  readonly groups: number;
  readonly columns: number;
  /** From one column to the next. */
  readonly columnStride: number;
  readonly bytes: number;
}

export function layOut({ targets, groups, columns }: HealthPlan): Layout {
  const rows = HEADER_CELLS;
  const groupWords = (rows + targets.length * ROW_CELLS) * 2;
  const alignUp = (words: number): number => Math.ceil(words / LINE_WORDS) * LINE_WORDS;
  // A small buffer need not begin on a cache line; an unused one between keeps what two threads write apart.
  const columnWords = alignUp(groupWords + groups.length) + LINE_WORDS;
  const columnStride = alignUp(targets.length * TARGET_WORDS) + LINE_WORDS;
  return {
    rows,
    groups: groupWords,
    columns: columnWords,
    columnStride,
    bytes: (columnWords + columnStride * columns) * 4,
  };
}

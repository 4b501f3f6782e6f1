/**
 * Totals of what was ever settled, refunded and refused: whole numbers in cells of 64 bits, of which the two words are
 * added to one after the other. To add to a whole cell at once takes BigInts, each of which is allocated, several
 * times for every exchange; and nearly always the lower word alone changes.
 *
 * Between the two steps a total is short of 2^32; observers alone read totals, and once all are at rest they are
 * exact. A worker that is killed just there, once in four billion units, leaves it short for good: a number that is
 * shown is too small then, and no limit is any different, for those are kept by V and by the columns.
 */
import type { Memory } from './memory.js';

const WORD = 2 ** 32;

/** @param units whole, from 0 to 2^53. */
export function addToTotal(memory: Memory, cell: number, units: number): void {
  const low = units >>> 0;
  const before = memory.add32(cell * 2, low) >>> 0;
  const carried = (units - low) / WORD + (before + low >= WORD ? 1 : 0);
  if (carried > 0) memory.add32(cell * 2 + 1, carried);
}

/** Never a low word with another moment's high one; but see above. */
export function readTotal(memory: Pick<Memory, 'load32'>, cell: number): number {
  let high = memory.load32(cell * 2 + 1);
  for (;;) {
    const low = memory.load32(cell * 2) >>> 0;
    const still = memory.load32(cell * 2 + 1);
    if (still === high) return high * WORD + low;
    high = still;
  }
}

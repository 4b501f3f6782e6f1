/** Writes what a changed configuration means into the table; the primary does, before any worker knows the rows. */

import type { RowChange } from './row-keeper.js';
import { RowWriter } from './row-writer.js';
import type { LimitTable } from './table.js';
import { roundTicks } from './ticks.js';

/**
 * Fills the new rows and takes from them what is missing in those that they continue. Other threads may take from the
 * old ones until the last moment; what they take in between is not missed.
 *
 * @param table of the plan that was in force.
 * @param nowMs shared milliseconds.
 */
export function writeRows(
  buffer: SharedArrayBuffer,
  table: LimitTable,
  { added }: RowChange,
  nowMs: number,
): void {
  const writer = new RowWriter(buffer, table.layout);
  const ageMs = table.ageAt(nowMs);
  for (const { row, limit, from } of added) {
    writer.clear(row);
    writer.describe(row, limit);
    if (from === null) continue;
    const missing = Number(table.buckets.missingTicks(from.row, ageMs)) / from.limit.ticksPerUnit;
    const ticks = roundTicks(missing * limit.ticksPerUnit);
    if (ticks > 0n) table.buckets.lowerTo(row, ticks, ageMs);
  }
}

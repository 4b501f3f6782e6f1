/**
 * What is missing in the buckets of configured consumers, as plain data that outlives the process. Buckets are named
 * by consumer and limit, never by row, so that a changed configuration keeps what it still knows. Full buckets and
 * counts of exchanges are left out. What was held counts as spent: whoever kills the gateway gains nothing.
 */
import { findRow, type LimitList, type TablePlan } from './plan.js';
import { KIND } from './rates.js';
import type { LimitTable } from './table.js';
import { countTicks, measureAge, roundTicks } from './ticks.js';

/** Of a bucket that is not full. */
export type SavedBucket = readonly [identity: string, missingUnits: number];

export interface Snapshot {
  /** Milliseconds since the Unix epoch. */
  readonly wallMs: number;
  readonly consumers: readonly (readonly [name: string, buckets: readonly SavedBucket[]])[];
}

export interface Restored {
  /** Buckets that were lowered to what was saved, or had been filled by the time since. */
  readonly buckets: number;
  /** Saved for consumers or limits that are no longer there. */
  readonly unknown: number;
}

/** @param nowMs shared milliseconds. @param wallMs the same moment since the Unix epoch. */
export function takeSnapshot(
  table: LimitTable,
  plan: TablePlan,
  nowMs: number,
  wallMs: number,
): Snapshot {
  const ageMs = table.ageAt(nowMs);
  const consumers: (readonly [string, readonly SavedBucket[]])[] = [];
  plan.consumers.forEach(({ name }, consumer) => {
    const list = plan.lists[plan.listOf[consumer]!]!;
    const buckets: SavedBucket[] = [];
    list.forEach(({ kind, identity, ticksPerUnit }, index) => {
      if (kind === KIND.concurrency) return;
      const missing = table.buckets.missingTicks(findRow(plan, consumer, index), ageMs);
      if (missing > 0n) buckets.push([identity, Number(missing) / ticksPerUnit]);
    });
    if (buckets.length > 0) consumers.push([name, buckets]);
  });
  return { wallMs, consumers };
}

/**
 * Lowers the buckets to what was saved, less what has flown in since by the wall clock; a wall clock that was set
 * back lets nothing flow in. A bucket in which more is missing already is left alone.
 */
export function restoreSnapshot(
  table: LimitTable,
  plan: TablePlan,
  snapshot: Snapshot,
  nowMs: number,
  wallMs: number,
): Restored {
  // Of a clock that was set back measureAge makes 0.
  const sinceMs = measureAge(wallMs, snapshot.wallMs);
  const ageMs = table.ageAt(nowMs);
  const places = new Map(plan.consumers.map(({ name }, consumer) => [name, consumer]));
  let buckets = 0;
  let unknown = 0;
  for (const [name, saved] of snapshot.consumers) {
    const consumer = places.get(name);
    const list = consumer === undefined ? null : plan.lists[plan.listOf[consumer]!]!;
    for (const [identity, missingUnits] of saved) {
      const index = list === null ? -1 : findByIdentity(list, identity);
      if (consumer === undefined || list === null || index < 0) {
        unknown += 1;
        continue;
      }
      const { ticksPerUnit, ticksPerMs } = list[index]!;
      const missing = roundTicks(missingUnits * ticksPerUnit) - countTicks(sinceMs, ticksPerMs);
      if (missing > 0n) table.buckets.lowerTo(findRow(plan, consumer, index), missing, ageMs);
      buckets += 1;
    }
  }
  return { buckets, unknown };
}

function findByIdentity(list: LimitList, identity: string): number {
  return list.findIndex((limit) => limit.kind !== KIND.concurrency && limit.identity === identity);
}

/**
 * Buckets on their way from one server process to the next, during an upgrade. Other than a snapshot for the disk they
 * tell what is held, counts of exchanges included, because whoever holds it goes on: the next server keeps it in a column
 * of its own until the one before says what became of it. Both name buckets by consumer and limit, so that they may be
 * of different configurations.
 */
import { Packr, Unpackr } from 'msgpackr';
import { ROW } from './layout.js';
import { findRow, type LimitList, type TablePlan } from './plan.js';
import { KIND } from './rates.js';
import { type Restored, restoreSnapshot, takeSnapshot } from './snapshot.js';
import type { LimitTable } from './table.js';

const VERSION = 1;

/** What exchanges that still run hold of a limit. */
type HeldUnits = readonly [identity: string, units: number];

interface Handed {
  readonly version: number;
  readonly wallMs: number;
  readonly consumers: readonly (readonly [
    name: string,
    buckets: readonly (readonly [identity: string, missingUnits: number])[],
  ])[];
  readonly held: readonly (readonly [name: string, units: readonly HeldUnits[]])[];
}

/** What became of units that were held when the buckets were handed over. Sums, since the last one. */
export interface HeldChange {
  readonly consumer: string;
  readonly identity: string;
  /** Not held any more. */
  readonly released: number;
  /** Of these, not used. */
  readonly givenBack: number;
  /** Used beyond what was held. */
  readonly overdrawn: number;
}

interface HeldRow {
  readonly consumer: string;
  readonly identity: string;
  readonly row: number;
  held: number;
  refunded: number;
  overdrawn: number;
}

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });

/** The column of a plan's table in which the primary keeps what servers before this one hold; the last one. */
export function heldElsewhere({ workers }: TablePlan): number {
  return workers - 1;
}

/** @param table at rest: no worker may be in the middle of anything. */
export function packBuckets(
  table: LimitTable,
  plan: TablePlan,
  nowMs: number,
  wallMs: number,
): Buffer {
  const held: [string, HeldUnits[]][] = [];
  forEachLimit(plan, (name, identity, row) => {
    const units = table.sumHeld(row);
    if (units === 0) return;
    const last = held.at(-1);
    if (last?.[0] === name) last[1].push([identity, units]);
    else held.push([name, [[identity, units]]]);
  });
  const { consumers } = takeSnapshot(table, plan, nowMs, wallMs);
  const handed: Handed = { version: VERSION, wallMs, consumers, held };
  return packr.pack(handed);
}

/** @throws Error where the bytes are of a release that packs otherwise, or are none. */
export function unpackBuckets(
  bytes: Uint8Array,
  table: LimitTable,
  plan: TablePlan,
  nowMs: number,
  wallMs: number,
): Restored {
  const handed = unpackr.unpack(bytes) as Handed;
  if (handed?.version !== VERSION) throw new Error('the buckets were packed by another release');
  const restored = restoreSnapshot(table, plan, handed, nowMs, wallMs);
  const column = heldElsewhere(plan);
  for (const [name, buckets] of handed.held) {
    for (const [identity, units] of buckets) {
      const found = findLimitRow(plan, name, identity);
      if (found === null) continue;
      holdMore(table, column, found.row, units);
      if (found.isCount) table.buckets.join(found.row, units);
    }
  }
  return restored;
}

/** Of the server that handed over: watches what its workers still hold. */
export class HeldWatch {
  readonly #table: LimitTable;
  readonly #rows: HeldRow[] = [];

  /** @param copy of the table, at the moment of the hand-over. */
  constructor(table: LimitTable, copy: LimitTable, plan: TablePlan) {
    this.#table = table;
    forEachLimit(plan, (consumer, identity, row) => {
      const held = sumOwn(copy, plan, row);
      if (held > 0) this.#rows.push({ consumer, identity, row, held, ...readTotals(copy, row) });
    });
  }

  /** What has changed since the last call. */
  collect(): HeldChange[] {
    const changes: HeldChange[] = [];
    for (const entry of this.#rows) {
      const { consumer, identity, row } = entry;
      const held = sumOwn(this.#table, this.#table.plan, row);
      const { refunded, overdrawn } = readTotals(this.#table, row);
      const change = {
        released: entry.held - held,
        givenBack: refunded - entry.refunded,
        overdrawn: overdrawn - entry.overdrawn,
      };
      // A total that is being added to may read too low for a moment (totals.ts); then the next time tells.
      if (change.givenBack < 0 || change.overdrawn < 0) continue;
      if (change.released === 0 && change.givenBack === 0 && change.overdrawn === 0) continue;
      changes.push({ consumer, identity, ...change });
      entry.held = held;
      entry.refunded = refunded;
      entry.overdrawn = overdrawn;
    }
    return changes;
  }
}

/** Of the server that took over: what the one before tells. What belongs to limits that are no more is ignored. */
export function applyHeldChange(
  table: LimitTable,
  plan: TablePlan,
  change: HeldChange,
  nowMs: number,
): void {
  const found = findLimitRow(plan, change.consumer, change.identity);
  if (found === null) return;
  const { row, isCount } = found;
  const column = heldElsewhere(plan);
  const known = table.memory.loadFloat(table.heldCell(column, row));
  const released = Math.min(change.released, known);
  holdMore(table, column, row, -released);
  const { buckets } = table;
  if (isCount) {
    if (released > 0) buckets.leave(row, released);
  } else {
    if (change.givenBack > 0) buckets.giveBack(row, change.givenBack);
    if (change.overdrawn > 0) buckets.charge(row, change.overdrawn, table.ageAt(nowMs));
  }
  buckets.countRefunded(row, change.givenBack);
  buckets.countOverdrawn(row, change.overdrawn);
  buckets.countSettled(row, Math.max(released - change.givenBack + change.overdrawn, 0));
}

function forEachLimit(
  plan: TablePlan,
  take: (consumer: string, identity: string, row: number) => void,
): void {
  plan.consumers.forEach(({ name }, consumer) => {
    listOf(plan, consumer).forEach(({ identity }, index) => {
      take(name, identity, findRow(plan, consumer, index));
    });
  });
}

function listOf(plan: TablePlan, consumer: number): LimitList {
  return plan.lists[plan.listOf[consumer]!]!;
}

/** @returns its place, or -1. */
export function findConsumer({ consumers }: TablePlan, name: string): number {
  let places = placesOf.get(consumers);
  if (places === undefined) {
    places = new Map(consumers.map((consumer, place) => [consumer.name, place]));
    placesOf.set(consumers, places);
  }
  return places.get(name) ?? -1;
}

/** With many consumers a search for each of them would take too long. */
const placesOf = new WeakMap<TablePlan['consumers'], ReadonlyMap<string, number>>();

/** @returns null where there is no such consumer or limit any more. */
export function findLimitRow(
  plan: TablePlan,
  consumer: string,
  identity: string,
): { readonly row: number; readonly isCount: boolean } | null {
  const place = findConsumer(plan, consumer);
  if (place < 0) return null;
  const list = listOf(plan, place);
  const index = list.findIndex((limit) => limit.identity === identity);
  const limit = list[index];
  if (limit === undefined) return null;
  return { row: findRow(plan, place, index), isCount: limit.kind === KIND.concurrency };
}

function holdMore(table: LimitTable, column: number, row: number, units: number): void {
  const cell = table.heldCell(column, row);
  table.memory.storeFloat(cell, table.memory.loadFloat(cell) + units);
}

/** What this server's own workers hold. */
function sumOwn(table: LimitTable, plan: TablePlan, row: number): number {
  return table.sumHeld(row) - table.memory.loadFloat(table.heldCell(heldElsewhere(plan), row));
}

function readTotals(
  table: LimitTable,
  row: number,
): { readonly refunded: number; readonly overdrawn: number } {
  return {
    refunded: table.buckets.readTotal(row, ROW.refunded),
    overdrawn: table.buckets.readTotal(row, ROW.overdrawn),
  };
}

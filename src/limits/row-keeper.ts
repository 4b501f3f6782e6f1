/**
 * Which rows a changed configuration gets. A limit that has not changed keeps its row, so exchanges of the old and the
 * new configuration take from and settle on the very same bucket and nothing has to stand still. A new limit takes a
 * free row. The row of one that is gone is free when the last exchange that may hold some of it has ended.
 *
 * A limit has not changed when nothing of it has; of a concurrency the number may, because what it counts is how many are
 * under way. A limit that only got another amount or burst has a new row, from which is taken what is missing in the
 * old one: what was spent stays spent, as after a restart.
 */
import type { ConsumerConfig } from '../config/model.js';
import {
  createSharedInt32,
  findRow,
  type LimitList,
  type PlannedLimit,
  planTable,
  type RowPlaces,
  type TablePlan,
} from './plan.js';

export interface NewRow {
  readonly row: number;
  readonly limit: PlannedLimit;
  /** The row and the limit whose missing units are missing here, too; null: it starts full. */
  readonly from: { readonly row: number; readonly limit: PlannedLimit } | null;
}

export interface RowChange {
  readonly plan: TablePlan;
  readonly added: readonly NewRow[];
  /** Rows that the new plan knows no more. */
  readonly dropped: readonly Extent[];
  readonly kept: number;
}

/** Rows that follow each other. */
interface Extent {
  readonly row: number;
  readonly length: number;
}

/** The place in the old list that a limit of the new one continues; `kept`: in the same row. */
interface Match {
  readonly kept: Int32Array;
  readonly carried: Int32Array;
}

/** The primary's; one a table. */
export class RowKeeper {
  readonly #capacity: number;
  #free = new FreeRows();
  /** No row at or beyond it was ever in use. */
  #end: number;
  /** Free as soon as no generation before this number lives. */
  #leaving: { readonly generation: number; readonly rows: readonly Extent[] }[] = [];

  constructor(plan: TablePlan) {
    this.#capacity = plan.capacity;
    this.#end = plan.rowCount;
  }

  /**
   * Takes the rows; to be followed by adopt() or discard().
   * @returns null where there is no room for all of them; nothing is taken then.
   */
  plan(old: TablePlan, consumers: readonly ConsumerConfig[] | null): RowChange | null {
    const known = consumers ?? [];
    const bare = planTable(known, {
      workers: old.workers,
      places: placeNowhere(known.length, old),
    });
    const places = new Map(old.consumers.map(({ name }, consumer) => [name, consumer]));
    const matches = new MatchCache(old.lists, bare.lists);
    const before = { free: this.#free.copy(), end: this.#end };
    const firstRow = createSharedInt32(known.length);
    const scattered: number[] = [];
    const added: NewRow[] = [];
    const isKept = new Uint8Array(old.rowCount);
    let kept = 0;
    for (let consumer = 0; consumer < known.length; consumer += 1) {
      const list = bare.lists[bare.listOf[consumer]!]!;
      const oldConsumer = places.get(known[consumer]!.name) ?? -1;
      const oldList = oldConsumer < 0 ? -1 : old.listOf[oldConsumer]!;
      const match = matches.find(oldList, bare.listOf[consumer]!);
      const wanted = match.kept.reduce((sum, at) => sum + Number(at < 0), 0);
      const fresh = this.#take(wanted);
      if (fresh === null) {
        this.#free = before.free;
        this.#end = before.end;
        return null;
      }
      let next = 0;
      const rows = list.map((limit, index) => {
        const keptAt = match.kept[index]!;
        if (keptAt >= 0) {
          const row = findRow(old, oldConsumer, keptAt);
          isKept[row] = 1;
          kept += 1;
          return row;
        }
        const row = fresh[next]!;
        next += 1;
        const at = match.carried[index]!;
        const from =
          at < 0 ? null : { row: findRow(old, oldConsumer, at), limit: old.lists[oldList]![at]! };
        added.push({ row, limit, from });
        return row;
      });
      if (rows.every((row, index) => row === rows[0]! + index)) {
        firstRow[consumer] = rows[0] ?? 0;
      } else {
        firstRow[consumer] = -1 - scattered.length;
        scattered.push(...rows);
      }
    }
    const scatteredRows = createSharedInt32(scattered.length);
    scatteredRows.set(scattered);
    const plan = planTable(known, {
      workers: old.workers,
      places: {
        capacity: this.#capacity,
        rowCount: this.#end,
        firstRow,
        scattered: scatteredRows,
        fingerprint: old.fingerprint,
      },
    });
    return { plan, added, dropped: findDropped(old, isKept), kept };
  }

  /** The change is in force from that generation on. */
  adopt({ dropped }: RowChange, generation: number): void {
    if (dropped.length > 0) this.#leaving.push({ generation, rows: dropped });
  }

  /** The change never was in force; nobody has used its rows. */
  discard({ added }: RowChange): void {
    for (const { row } of added) this.#free.add({ row, length: 1 });
  }

  /**
   * Sets free what only generations before the oldest that lives knew.
   * @param onFree each row, before it can be taken again.
   */
  retire(oldest: number, onFree: (row: number) => void): void {
    const gone = this.#leaving.filter(({ generation }) => generation <= oldest);
    this.#leaving = this.#leaving.filter(({ generation }) => generation > oldest);
    for (const extent of gone.flatMap(({ rows }) => rows)) {
      for (let row = extent.row; row < extent.row + extent.length; row += 1) onFree(row);
      this.#free.add(extent);
    }
  }

  /** Rows that follow each other where such are to be had. */
  #take(count: number): readonly number[] | null {
    if (count === 0) return [];
    const whole = this.#free.takeExtent(count);
    if (whole !== null) return listRows(whole);
    if (this.#end + count <= this.#capacity) {
      this.#end += count;
      return listRows({ row: this.#end - count, length: count });
    }
    if (this.#free.count < count) return null;
    return Array.from({ length: count }, () => this.#free.takeOne());
  }
}

/** Free rows by the length of the run they were given back in, which most often is the length that is asked for next. */
class FreeRows {
  readonly #runs: Map<number, number[]>;
  count: number;

  constructor(runs: Map<number, number[]> = new Map(), count = 0) {
    this.#runs = runs;
    this.count = count;
  }

  copy(): FreeRows {
    const runs = [...this.#runs].map(([length, rows]): [number, number[]] => [length, [...rows]]);
    return new FreeRows(new Map(runs), this.count);
  }

  add({ row, length }: Extent): void {
    const rows = this.#runs.get(length);
    if (rows === undefined) this.#runs.set(length, [row]);
    else rows.push(row);
    this.count += length;
  }

  takeExtent(length: number): Extent | null {
    const row = this.#runs.get(length)?.pop();
    if (row === undefined) return null;
    this.count -= length;
    return { row, length };
  }

  /** Of the shortest run, so that long ones stay whole. There must be one. */
  takeOne(): number {
    const lengths = [...this.#runs].filter(([, rows]) => rows.length > 0).map(([length]) => length);
    const length = Math.min(...lengths);
    const extent = this.takeExtent(length);
    if (extent === null) throw new RangeError('no row is free');
    if (length > 1) this.add({ row: extent.row + 1, length: length - 1 });
    return extent.row;
  }
}

/** Consumers of one tier have one list, so few pairs of lists are ever compared. */
class MatchCache {
  readonly #oldLists: readonly LimitList[];
  readonly #newLists: readonly LimitList[];
  readonly #known = new Map<number, Match>();

  constructor(oldLists: readonly LimitList[], newLists: readonly LimitList[]) {
    this.#oldLists = oldLists;
    this.#newLists = newLists;
  }

  /** @param oldList -1: the consumer is new. */
  find(oldList: number, newList: number): Match {
    const key = (oldList + 1) * this.#newLists.length + newList;
    let match = this.#known.get(key);
    if (match === undefined) {
      match = matchLists(this.#oldLists[oldList] ?? [], this.#newLists[newList]!);
      this.#known.set(key, match);
    }
    return match;
  }
}

export function matchLists(old: LimitList, next: LimitList): Match {
  const kept = matchByKey(old, next, nameWhole, () => true);
  const isLeft = new Set(old.keys());
  for (const at of kept) isLeft.delete(at);
  const carried = matchByKey(old, next, nameWindow, (oldAt, newAt) => {
    const isMetered = next[newAt]!.config.kind !== 'concurrency';
    return isMetered && isLeft.has(oldAt) && kept[newAt]! < 0;
  });
  return { kept, carried };
}

/** By place in `next`: the place in `old` of the limit with the same name, the first with the first; -1: none. */
function matchByKey(
  old: LimitList,
  next: LimitList,
  name: (limit: PlannedLimit) => string,
  isMeant: (oldAt: number, newAt: number) => boolean,
): Int32Array {
  const waiting = new Map<string, number[]>();
  old.forEach((limit, at) => {
    const key = name(limit);
    waiting.set(key, [...(waiting.get(key) ?? []), at]);
  });
  return Int32Array.from(next, (limit, newAt) => {
    const same = waiting.get(name(limit))?.filter((oldAt) => isMeant(oldAt, newAt)) ?? [];
    const [at = -1] = same;
    if (at >= 0)
      waiting.set(
        name(limit),
        (waiting.get(name(limit)) ?? []).filter((o) => o !== at),
      );
    return at;
  });
}

/** Two limits of this name are one. */
function nameWhole({ config, kind }: PlannedLimit): string {
  const { models } = config;
  const counted = models === null ? null : [...models].sort();
  if (config.kind === 'concurrency') return JSON.stringify([kind, counted]);
  const { amount, perMs, burst, enforce } = config;
  return JSON.stringify([kind, counted, amount, perMs, burst, enforce]);
}

/** What was spent under one limit of this name was spent under the other. Counts are kept or new, never carried over. */
function nameWindow({ config, kind }: PlannedLimit): string {
  const { models } = config;
  if (config.kind === 'concurrency') return '';
  return JSON.stringify([kind, models === null ? null : [...models].sort(), config.perMs]);
}

/** Of all that the old plan has in use, what is not kept; rows that follow each other as one. */
function findDropped(old: TablePlan, isKept: Uint8Array): Extent[] {
  const dropped: Extent[] = [];
  for (let consumer = 0; consumer < old.consumers.length; consumer += 1) {
    const { length } = old.lists[old.listOf[consumer]!]!;
    for (let index = 0; index < length; index += 1) {
      const row = findRow(old, consumer, index);
      if (isKept[row] === 1) continue;
      const last = index === 0 ? undefined : dropped.at(-1);
      if (last !== undefined && last.row + last.length === row) {
        dropped[dropped.length - 1] = { row: last.row, length: last.length + 1 };
      } else dropped.push({ row, length: 1 });
    }
  }
  return dropped;
}

function listRows({ row, length }: Extent): number[] {
  return Array.from({ length }, (_, index) => row + index);
}

/** For the lists of a plan whose rows are not placed yet. */
function placeNowhere(consumers: number, { capacity, fingerprint }: RowPlaces): RowPlaces {
  const firstRow = new Int32Array(consumers);
  return { capacity, rowCount: 0, firstRow, scattered: new Int32Array(0), fingerprint };
}

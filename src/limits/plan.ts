/**
 * Which rows of the table belong to whom. Pure, and the same in every thread that is given the same configuration and
 * the same places of rows, so the plan itself is never sent around. Consumers of a tier share one list of limits; of
 * each consumer there are two numbers in typed arrays and nothing else.
 */
import type { ConsumerConfig, LimitConfig, WeirConfig } from '../config/model.js';
import { BOUNDS } from '../core/bounds.js';
import { KINDS, planRate } from './rates.js';

export interface PlannedLimit {
  readonly config: LimitConfig;
  /** The place in KINDS. */
  readonly kind: number;
  readonly isStream: boolean;
  /** null: for all. */
  readonly models: ReadonlySet<string> | null;
  /** Of Rate, here again because the hot path reads them. */
  readonly ticksPerMs: number;
  readonly ticksPerUnit: number;
  readonly capacityUnits: number;
  /** Of concurrency: the number that may be under way. */
  readonly capacityTicks: bigint;
  /** Such as `tokens/60000/200000/*`; tells it from every other limit of the same list. */
  readonly identity: string;
}

/** A list of limits; row i of a consumer is kept for limit i of the list. */
export type LimitList = readonly PlannedLimit[];

export interface DynamicPlan {
  readonly slots: number;
  readonly limits: LimitList;
  readonly firstRow: number;
}

/**
 * Where the rows of consumers stand. A table's first plan gives each its rows in turn; plans that follow in the same
 * memory leave every limit that has not changed in its row (row-keeper.ts). The arrays may be in shared memory.
 */
export interface RowPlaces {
  /** Rows that the memory has room for. */
  readonly capacity: number;
  /** No row in use, of this plan or of earlier ones that still are, stands at or beyond it. */
  readonly rowCount: number;
  /** By consumer: its first row, where they follow each other; else -1 less the place of the first in `scattered`. */
  readonly firstRow: Int32Array;
  readonly scattered: Int32Array;
  /** Of the plan that the memory was made for. */
  readonly fingerprint: number;
}

export interface TablePlan extends RowPlaces {
  readonly workers: number;
  readonly consumers: readonly ConsumerConfig[];
  readonly lists: readonly LimitList[];
  /** By consumer: the place of its list in `lists`. */
  readonly listOf: Uint32Array;
  /** Every row follows from the one before it, and no other is in use. */
  readonly isDense: boolean;
  readonly dynamic: DynamicPlan | null;
  /** The most rows that one reservation can hold. */
  readonly longestList: number;
}

export interface PlanOptions {
  readonly workers: number;
  /** In place of new ones; of a plan without dynamic consumers. */
  readonly places?: RowPlaces;
  /** Room for more rows than the plan has. */
  readonly capacity?: number;
  /** For consumers that are unknown until they call. */
  readonly dynamic?: { readonly slots: number; readonly limits: readonly LimitConfig[] };
}

/** Of configured consumers; every thread must plan the same. */
export function planConsumers(
  { consumers, workers }: Pick<WeirConfig, 'consumers' | 'workers'>,
  more: Pick<PlanOptions, 'places' | 'capacity'> = {},
): TablePlan {
  // The last column is the primary's own; see hand-over.ts.
  return planTable(consumers, { workers: workers + 1, ...more });
}

/** Of callers that nobody configured, who have a table of their own; null: they have no limits. */
export function planCallers({
  callers,
  workers,
}: Pick<WeirConfig, 'callers' | 'workers'>): TablePlan | null {
  return callers === null ? null : planTable(null, { workers, dynamic: callers });
}

/** @throws RangeError where a limit can't be kept (see planRate), or there are too many of something. */
export function planTable(
  consumers: readonly ConsumerConfig[] | null,
  options: PlanOptions,
): TablePlan {
  const { workers, dynamic } = options;
  checkCount('workers', workers, 0, BOUNDS.limitWorkersMax);
  const known = consumers ?? [];
  const lists = new ListSet();
  const listOf = Uint32Array.from(known, ({ limits }) => lists.intern(limits));
  const dynamicList = dynamic === undefined ? [] : lists.all[lists.intern(dynamic.limits)]!;
  const places = options.places ?? placeInTurn(known, options, dynamicList.length);
  if (places.firstRow.length !== known.length) {
    throw new RangeError('the rows were placed for another configuration');
  }
  const shape = `${workers} ${places.capacity} ${dynamic?.slots ?? 0} ${lists.describe()}`;
  return {
    ...places,
    workers,
    consumers: known,
    lists: lists.all,
    listOf,
    isDense: options.places === undefined,
    dynamic:
      dynamic === undefined
        ? null
        : {
            slots: dynamic.slots,
            limits: dynamicList,
            firstRow: places.rowCount - dynamic.slots * dynamicList.length,
          },
    longestList: lists.all.reduce((longest, list) => Math.max(longest, list.length), 0),
    fingerprint: options.places?.fingerprint ?? hashNumbers(hashText(0x811c9dc5, shape), listOf),
  };
}

function placeInTurn(
  consumers: readonly ConsumerConfig[],
  { dynamic, capacity = 0 }: PlanOptions,
  dynamicLimits: number,
): Omit<RowPlaces, 'fingerprint'> {
  const firstRow = createSharedInt32(consumers.length);
  let rowCount = 0;
  consumers.forEach(({ limits }, index) => {
    firstRow[index] = rowCount;
    rowCount += limits.length;
  });
  if (dynamic !== undefined) {
    checkCount('dynamic slots', dynamic.slots, 1, BOUNDS.limitSlotsMax);
    rowCount += dynamic.slots * dynamicLimits;
  }
  checkCount('rows of limits', rowCount, 0, BOUNDS.limitRowsMax);
  return {
    capacity: Math.max(capacity, rowCount),
    rowCount,
    firstRow,
    scattered: createSharedInt32(0),
  };
}

/** In memory that threads share, so that a plan of many consumers is not copied for each of them. */
export function createSharedInt32(length: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(length * Int32Array.BYTES_PER_ELEMENT));
}

/** What is sent to whoever plans for the same memory. */
export function pickPlaces(plan: RowPlaces): RowPlaces {
  const { capacity, rowCount, firstRow, scattered, fingerprint } = plan;
  return { capacity, rowCount, firstRow, scattered, fingerprint };
}

/** The row of a consumer's limit, by its place in the consumer's list. */
export function findRow(plan: RowPlaces, consumer: number, index: number): number {
  const first = plan.firstRow[consumer]!;
  return first >= 0 ? first + index : plan.scattered[index - 1 - first]!;
}

/** The limit that a row is kept for, and whose: -1 for a dynamic slot. */
export function findLimit(
  plan: TablePlan,
  row: number,
): { readonly limit: PlannedLimit; readonly consumer: number } {
  const { dynamic } = plan;
  if (!Number.isInteger(row) || row < 0 || row >= plan.rowCount) {
    throw new RangeError(`there is no row ${row}`);
  }
  if (dynamic !== null && row >= dynamic.firstRow) {
    const limit = dynamic.limits[(row - dynamic.firstRow) % dynamic.limits.length]!;
    return { limit, consumer: -1 };
  }
  const consumer = findOwner(plan, row);
  const list = consumer < 0 ? [] : plan.lists[plan.listOf[consumer]!]!;
  const limit = list.find((_, index) => findRow(plan, consumer, index) === row);
  if (limit === undefined) throw new RangeError(`row ${row} is not in use`);
  return { limit, consumer };
}

/** By row: whose it is, -1 for nobody's. Made when it is first asked for, which workers never do. */
const owners = new WeakMap<TablePlan, Int32Array>();

function findOwner(plan: TablePlan, row: number): number {
  let known = owners.get(plan);
  if (known === undefined) {
    known = new Int32Array(plan.rowCount).fill(-1);
    for (let consumer = 0; consumer < plan.consumers.length; consumer += 1) {
      const { length } = plan.lists[plan.listOf[consumer]!]!;
      for (let index = 0; index < length; index += 1) {
        known[findRow(plan, consumer, index)] = consumer;
      }
    }
    owners.set(plan, known);
  }
  return known[row]!;
}

/** `kind/perMs/amount/models`; the burst is no part of it, so that a changed one keeps what was spent. */
export function identifyLimit(limit: LimitConfig): string {
  const per = limit.kind === 'concurrency' ? '-' : limit.perMs;
  const models = limit.models === null ? '*' : [...limit.models].sort().join(',');
  return `${limit.kind}/${per}/${limit.amount}/${models}`;
}

/** Equal lists are planned once, whether they are the same array or only say the same. */
class ListSet {
  readonly all: LimitList[] = [];
  readonly #byReference = new Map<readonly LimitConfig[], number>();
  readonly #byValue = new Map<string, number>();

  intern(limits: readonly LimitConfig[]): number {
    const known = this.#byReference.get(limits);
    if (known !== undefined) return known;
    const value = JSON.stringify(limits);
    let index = this.#byValue.get(value);
    if (index === undefined) {
      checkCount('limits of a consumer', limits.length, 0, BOUNDS.limitsPerConsumerMax);
      index = this.all.push(planList(limits)) - 1;
      this.#byValue.set(value, index);
      this.#byReference.set(limits, index);
    }
    return index;
  }

  describe(): string {
    return [...this.#byValue.keys()].join(' ');
  }
}

function planList(limits: readonly LimitConfig[]): LimitList {
  const seen = new Map<string, number>();
  return limits.map((config) => {
    const rate = planRate(config);
    const base = identifyLimit(config);
    const times = (seen.get(base) ?? 0) + 1;
    seen.set(base, times);
    return {
      config,
      kind: KINDS.indexOf(config.kind),
      isStream: config.kind !== 'concurrency' && config.enforce === 'stream',
      models: config.models === null ? null : new Set(config.models),
      ticksPerMs: rate.ticksPerMs,
      ticksPerUnit: rate.ticksPerUnit,
      capacityUnits: rate.capacityUnits,
      capacityTicks: BigInt(rate.capacityUnits) * BigInt(rate.ticksPerUnit),
      identity: times === 1 ? base : `${base}#${times}`,
    };
  });
}

function checkCount(what: string, count: number, min: number, max: number): void {
  if (!Number.isInteger(count) || count < min || count > max) {
    throw new RangeError(`${count} ${what}: must be from ${min} to ${max}`);
  }
}

/** FNV-1a. */
function hashText(start: number, text: string): number {
  let hash = start;
  for (let at = 0; at < text.length; at += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return hash;
}

function hashNumbers(start: number, numbers: Uint32Array): number {
  let hash = start;
  for (const number of numbers) hash = Math.imul(hash ^ number, 0x01000193);
  return hash | 0;
}

/** By consumer, and one more: how many limits those before it have. */
export function countLimits({ consumers, lists, listOf }: TablePlan): Uint32Array {
  const first = new Uint32Array(consumers.length + 1);
  for (let consumer = 0; consumer < consumers.length; consumer += 1) {
    first[consumer + 1] = first[consumer]! + lists[listOf[consumer]!]!.length;
  }
  return first;
}

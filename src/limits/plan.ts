/**
 * Which rows of the table belong to whom. Pure, and the same in every thread that is given the same configuration,
 * so the plan itself is never sent around. Consumers of a tier share one list of limits; of each consumer there are
 * two numbers in typed arrays and nothing else.
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

export interface TablePlan {
  readonly workers: number;
  readonly rowCount: number;
  readonly consumers: readonly ConsumerConfig[];
  readonly lists: readonly LimitList[];
  /** By consumer: the place of its list in `lists`. */
  readonly listOf: Uint32Array;
  /** By consumer, and one more: where the rows end. */
  readonly firstRow: Uint32Array;
  readonly dynamic: DynamicPlan | null;
  /** The most rows that one reservation can hold. */
  readonly longestList: number;
  /** Of everything above but names; a buffer made for another plan is refused. */
  readonly fingerprint: number;
}

export interface PlanOptions {
  readonly workers: number;
  /** For consumers that are unknown until they call. */
  readonly dynamic?: { readonly slots: number; readonly limits: readonly LimitConfig[] };
}

/** What a configuration asks for; every thread must plan the same. */
export function planLimits({
  consumers,
  callers,
  workers,
}: Pick<WeirConfig, 'consumers' | 'callers' | 'workers'>): TablePlan {
  // The last column is the primary's own; see hand-over.ts.
  const columns = { workers: workers + 1 };
  return planTable(consumers, callers === null ? columns : { ...columns, dynamic: callers });
}

/** @throws RangeError where a limit can't be kept (see planRate), or there are too many of something. */
export function planTable(
  consumers: readonly ConsumerConfig[] | null,
  { workers, dynamic }: PlanOptions,
): TablePlan {
  checkCount('workers', workers, 0, BOUNDS.limitWorkersMax);
  const known = consumers ?? [];
  const lists = new ListSet();
  const listOf = new Uint32Array(known.length);
  const firstRow = new Uint32Array(known.length + 1);
  let rowCount = 0;
  known.forEach(({ limits }, index) => {
    firstRow[index] = rowCount;
    listOf[index] = lists.intern(limits);
    rowCount += limits.length;
  });
  firstRow[known.length] = rowCount;
  let dynamicPlan: DynamicPlan | null = null;
  if (dynamic !== undefined) {
    checkCount('dynamic slots', dynamic.slots, 1, BOUNDS.limitSlotsMax);
    const limits = lists.all[lists.intern(dynamic.limits)]!;
    dynamicPlan = { slots: dynamic.slots, limits, firstRow: rowCount };
    rowCount += dynamic.slots * limits.length;
  }
  checkCount('rows of limits', rowCount, 0, BOUNDS.limitRowsMax);
  const shape = `${workers} ${rowCount} ${dynamic?.slots ?? 0} ${lists.describe()}`;
  return {
    workers,
    rowCount,
    consumers: known,
    lists: lists.all,
    listOf,
    firstRow,
    dynamic: dynamicPlan,
    longestList: lists.all.reduce((longest, list) => Math.max(longest, list.length), 0),
    fingerprint: hashNumbers(hashText(0x811c9dc5, shape), listOf),
  };
}

/** The limit that a row is kept for, and whose: -1 for a dynamic slot. */
export function findLimit(
  plan: TablePlan,
  row: number,
): { readonly limit: PlannedLimit; readonly consumer: number } {
  const { firstRow, dynamic } = plan;
  if (!Number.isInteger(row) || row < 0 || row >= plan.rowCount) {
    throw new RangeError(`there is no row ${row}`);
  }
  if (dynamic !== null && row >= dynamic.firstRow) {
    const limit = dynamic.limits[(row - dynamic.firstRow) % dynamic.limits.length]!;
    return { limit, consumer: -1 };
  }
  let low = 0;
  let high = plan.consumers.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (firstRow[middle]! <= row) low = middle;
    else high = middle - 1;
  }
  return { limit: plan.lists[plan.listOf[low]!]![row - firstRow[low]!]!, consumer: low };
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

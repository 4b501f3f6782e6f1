/**
 * The primary's side of the limits: makes the table, saves its buckets and restores them, gives back what a dead worker
 * held, and shows and changes buckets for operators.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { WeirConfig } from '../config/model.js';
import { BOUNDS } from '../core/bounds.js';
import { nowMs, toSharedMs, wallClockMs } from '../core/clock.js';
import { OperatorError } from '../core/errors.js';
import {
  countLimits,
  findLimit,
  findRow,
  pickPlaces,
  planConsumers,
  type RowPlaces,
  type TablePlan,
} from '../limits/plan.js';
import { writeRows } from '../limits/row-change.js';
import { type RowChange, RowKeeper } from '../limits/row-keeper.js';
import { restoreSnapshot, takeSnapshot } from '../limits/snapshot.js';
import { readSnapshotFile, writeSnapshotFile } from '../limits/snapshot-file.js';
import { createTableBuffer, LimitTable } from '../limits/table.js';
import type { LimitSample } from '../observe/limit-metrics.js';
import type { Logger } from '../observe/logger.js';
import { type CallerTable, CallerTables } from './caller-tables.js';
import { LimitsElsewhere } from './limits-elsewhere.js';

const FILE_NAME = 'limits.snapshot';
const NANO = 1e9;

/** A bucket as operators see it: costs in US dollars. */
export interface LimitView {
  readonly consumer: string;
  /** Tells the limit from the consumer's others, such as `tokens/60000/200000/*`. */
  readonly limit: string;
  readonly kind: string;
  readonly models: readonly string[] | null;
  /** null for a concurrency. */
  readonly per_ms: number | null;
  readonly capacity: number;
  readonly level: number;
  readonly debt: number;
  readonly held: number;
  readonly settled: number;
  readonly refunded: number;
  readonly refused: number;
  readonly overdrawn: number;
}

/** What workers must be given to plan and count as the primary does. */
export interface LimitMemory {
  readonly limits: SharedArrayBuffer;
  readonly limitPlaces: RowPlaces;
  readonly callerLimits: SharedArrayBuffer | null;
}

/** The limits of a configuration that is not in force yet. */
export interface PlannedLimits extends LimitMemory {
  readonly change: RowChange;
  /** The table that is there already, where nothing of the callers' limits has changed. */
  readonly callers: CallerTable | null;
}

type LimitConfigs = Pick<WeirConfig, 'consumers' | 'callers' | 'workers' | 'stateDir'>;

export class LimitKeeper {
  /** What concerns servers before and after this one. */
  readonly elsewhere: LimitsElsewhere;
  readonly #buffer: SharedArrayBuffer;
  readonly #rows: RowKeeper;
  #plan: TablePlan;
  #table: LimitTable;
  readonly #callers: CallerTables;
  readonly #logger: Logger;
  readonly #path: string | null;
  readonly #stateDir: string | null;
  #places: ReadonlyMap<string, number>;
  /** By consumer, and one more: how many limits those before it have. */
  #firstLimit: Uint32Array;
  #timer: NodeJS.Timeout | null = null;
  #saving: Promise<void> | null = null;
  #lastFailure: string | null = null;

  constructor(config: LimitConfigs, logger: Logger) {
    const rows = (config.consumers ?? []).reduce((sum, { limits }) => sum + limits.length, 0);
    const roomy = Math.max(BOUNDS.limitRowsRoom, 2 * rows);
    this.#plan = planConsumers(config, { capacity: Math.min(roomy, BOUNDS.limitRowsMax) });
    this.#buffer = createTableBuffer(this.#plan, sharedNowMs());
    this.#table = new LimitTable(this.#buffer, this.#plan, -1);
    this.elsewhere = new LimitsElsewhere(() => ({
      buffer: this.#buffer,
      plan: this.#plan,
      table: this.#table,
    }));
    this.#rows = new RowKeeper(this.#plan);
    this.#callers = new CallerTables(config);
    this.#logger = logger;
    this.#stateDir = config.stateDir;
    this.#path = config.stateDir === null ? null : join(config.stateDir, FILE_NAME);
    this.#places = listPlaces(this.#plan);
    this.#firstLimit = countLimits(this.#plan);
  }

  /** Of the configuration in force. */
  get memory(): LimitMemory {
    return {
      limits: this.#buffer,
      limitPlaces: pickPlaces(this.#plan),
      callerLimits: this.#callers.current?.buffer ?? null,
    };
  }

  /**
   * To be followed by adopt() or discard().
   * @throws OperatorError where there is no room for the new limits.
   */
  prepare(config: LimitConfigs): PlannedLimits {
    const change = this.#rows.plan(this.#plan, config.consumers);
    if (change === null) {
      throw new OperatorError(
        `consumers: the table of limits has room for ${this.#plan.capacity} limits, those of running exchanges included; ` +
          'SIGUSR2 or a restart makes a larger one',
      );
    }
    const callers = this.#callers.prepare(config);
    return {
      change,
      callers,
      limits: this.#buffer,
      limitPlaces: pickPlaces(change.plan),
      callerLimits: callers?.buffer ?? null,
    };
  }

  discard({ change }: PlannedLimits): void {
    this.#rows.discard(change);
  }

  /** Just before the workers turn to that generation. */
  adopt({ change, callers }: PlannedLimits, generation: number): void {
    writeRows(this.#buffer, this.#table, change, sharedNowMs());
    this.#rows.adopt(change, generation);
    this.#plan = change.plan;
    this.#table = new LimitTable(this.#buffer, this.#plan, -1);
    this.#callers.adopt(callers, generation);
    this.#places = listPlaces(this.#plan);
    this.#firstLimit = countLimits(this.#plan);
  }

  /** No exchange of a generation before this one runs any more. */
  retire(oldest: number): void {
    this.#rows.retire(oldest, (row) => this.#table.forget(row));
    this.#callers.retire(oldest);
  }

  /** What was spent before the last end. A file that can't be used is said, and the start goes on. */
  async restore(): Promise<void> {
    if (this.#path === null || this.#countAll() === 0) {
      return;
    }
    const { snapshot, reason } = await readSnapshotFile(this.#path);
    if (snapshot !== null) {
      const { buckets, unknown } = restoreSnapshot(
        this.#table,
        this.#plan,
        snapshot,
        sharedNowMs(),
        wallClockMs(),
      );
      this.#logger.info({ buckets, unknown }, 'limits restored from the snapshot');
    } else if (reason !== NO_FILE) {
      this.#logger.warn(
        { file: this.#path, reason },
        'the snapshot of limits can’t be used; all buckets start full',
      );
    }
  }

  /** From now on what is spent is saved every few seconds. */
  startSaving(): void {
    if (this.#path !== null) {
      this.#timer = setInterval(() => void this.#save(), BOUNDS.snapshotEveryMs);
    }
  }

  /** Saves for the last time, when all workers have ended. */
  async stop(): Promise<void> {
    if (this.#timer !== null) {
      clearInterval(this.#timer);
      this.#timer = null;
      await this.#saving;
      await this.#save();
    }
  }

  /**
   * Ends what startSaving() began, without saving: another server has taken over, and a file of this one must not come
   * after its own.
   */
  async stopSaving(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    await this.#saving;
  }

  /** Only of a thread that has ended. */
  reclaim(worker: number): void {
    this.#table.reclaim(worker);
    this.#callers.reclaim(worker);
  }

  get consumerNames(): readonly string[] {
    return [...this.#places.keys()];
  }

  has(consumer: string): boolean {
    return this.#places.has(consumer);
  }

  /** Of one consumer, or of all; `skip` and `max` are limits, not consumers. */
  list(consumer: string | null, skip: number, max: number): LimitView[] {
    const [first, end] = this.#limitsOf(consumer);
    const views: LimitView[] = [];
    const last = Math.min(end, first + skip + max);
    let place = this.#findConsumer(first + skip);
    for (let at = first + skip; at < last; at += 1) {
      while (at >= (this.#firstLimit[place + 1] ?? 0)) place += 1;
      views.push(this.#view(place, at - (this.#firstLimit[place] ?? 0)));
    }
    return views;
  }

  /** How many limits there are, of one consumer or of all. */
  count(consumer: string | null): number {
    const [first, end] = this.#limitsOf(consumer);
    return end - first;
  }

  /** @returns how many buckets were filled; 0 if there is no such limit. `limit` null: all of the consumer. */
  reset(consumer: string, limit: string | null): number {
    const rows = this.#find(consumer, limit);
    for (const row of rows) {
      this.#table.reset(row);
    }
    return rows.length;
  }

  /** @returns false where there is no such limit, or one that nothing can be granted to. */
  grant(consumer: string, limit: string, amount: number): boolean {
    const [row] = this.#find(consumer, limit);
    if (row === undefined) {
      return false;
    }
    const { kind } = this.#table.readRow(row, sharedNowMs());
    return this.#table.grant(row, kind === 'cost' ? Math.round(amount * NANO) : amount);
  }

  /** The first rows only, because a series each is dear; the rest is under /api/limits. */
  readSamples(): LimitSample[] {
    return this.list(null, 0, BOUNDS.limitSeriesMax);
  }

  /** How often a caller was refused because as many are told apart as may be. */
  get tableFullCount(): number {
    return this.#callers.refusedCount;
  }

  #countAll(): number {
    return this.#firstLimit[this.#plan.consumers.length] ?? 0;
  }

  #limitsOf(consumer: string | null): [first: number, end: number] {
    if (consumer === null) {
      return [0, this.#countAll()];
    }
    const place = this.#places.get(consumer);
    return place === undefined
      ? [0, 0]
      : [this.#firstLimit[place] ?? 0, this.#firstLimit[place + 1] ?? 0];
  }

  /** The last consumer whose limits begin at or before the one at `at` of all. */
  #findConsumer(at: number): number {
    let low = 0;
    let high = this.#plan.consumers.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#firstLimit[middle] ?? 0) <= at) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #find(consumer: string, limit: string | null): number[] {
    const place = this.#places.get(consumer) ?? -1;
    const [first, end] = this.#limitsOf(consumer);
    const chosen = Array.from({ length: end - first }, (_, index) => index).filter(
      (index) => limit === null || this.#view(place, index).limit === limit,
    );
    return chosen.map((index) => findRow(this.#plan, place, index));
  }

  #view(consumer: number, index: number): LimitView {
    const row = findRow(this.#plan, consumer, index);
    const { limit } = findLimit(this.#plan, row);
    const state = this.#table.readRow(row, sharedNowMs());
    const unit = state.kind === 'cost' ? NANO : 1;
    const { config } = limit;
    return {
      consumer: this.#plan.consumers[consumer]?.name ?? '',
      limit: limit.identity,
      kind: state.kind,
      models: config.models,
      per_ms: config.kind === 'concurrency' ? null : config.perMs,
      capacity: state.capacity / unit,
      level: state.level / unit,
      debt: state.debt / unit,
      held: state.held / unit,
      settled: state.settled / unit,
      refunded: state.refunded / unit,
      refused: state.refused,
      overdrawn: state.overdrawn / unit,
    };
  }

  async #save(): Promise<void> {
    this.#saving ??= this.#write().finally(() => {
      this.#saving = null;
    });
    await this.#saving;
  }

  async #write(): Promise<void> {
    if (this.#path === null || this.#stateDir === null || this.#countAll() === 0) {
      return;
    }
    await mkdir(this.#stateDir, { recursive: true, mode: 0o700 }).catch(() => {});
    const snapshot = takeSnapshot(this.#table, this.#plan, sharedNowMs(), wallClockMs());
    const failure = await writeSnapshotFile(this.#path, snapshot);
    // Said once for each reason, not every few seconds.
    if (failure !== null && failure !== this.#lastFailure) {
      this.#logger.error({ reason: failure }, 'what consumers have spent can’t be saved');
    }
    this.#lastFailure = failure;
  }
}

/** What readSnapshotFile() says at a first start. */
const NO_FILE = 'the file does not exist';

function sharedNowMs(): number {
  return toSharedMs(nowMs());
}

function listPlaces({ consumers }: TablePlan): Map<string, number> {
  return new Map(consumers.map(({ name }, index) => [name, index]));
}

/**
 * The table as a whole: made by the primary thread, opened by every worker, read and mended by the primary.
 * No method but `readRow` allocates.
 */
import { randomBytes } from 'node:crypto';
import { Buckets } from './buckets.js';
import {
  HEADER,
  HEADER_CELLS,
  HEADER_WORD,
  LAYOUT_VERSION,
  type Layout,
  layOut,
  MAGIC,
  ROW,
  WORKER_CELLS,
  WORKER_WORD,
} from './layout.js';
import { type Memory, SharedMemory } from './memory.js';
import { findLimit, findRow, type TablePlan } from './plan.js';
import { KIND, KINDS } from './rates.js';
import { RowWriter } from './row-writer.js';
import { measureAge } from './ticks.js';

/** How often a dead worker's unfinished count is tried to be worked out between two steps of the others. */
const RECOUNT_TRIES = 2000;

/** A row in units of its kind: requests, tokens, nano-dollars, exchanges under way. */
export interface RowState {
  readonly kind: (typeof KINDS)[number];
  readonly capacity: number;
  /** What can be taken now; whole, rounded down, 0 while there is debt. */
  readonly level: number;
  /** By how much the bucket is below empty; rounded up. */
  readonly debt: number;
  /** Reserved and not settled, of all workers. */
  readonly held: number;
  readonly settled: number;
  readonly refunded: number;
  readonly refused: number;
  /** Settled beyond what was reserved. Ever reserved = settled + refunded + held - overdrawn. */
  readonly overdrawn: number;
}

/** @param epochMs shared milliseconds (core/clock.ts); from now on, so that no time lies before it. */
export function createTableBuffer(plan: TablePlan, epochMs: number): SharedArrayBuffer {
  const layout = layOut(plan);
  const buffer = new SharedArrayBuffer(layout.bytes);
  const cells = new BigInt64Array(buffer);
  const words = new Int32Array(buffer);
  const floats = new Float64Array(buffer);
  const writer = new RowWriter(buffer, layout);
  for (let consumer = 0; consumer < plan.listOf.length; consumer += 1) {
    const list = plan.lists[plan.listOf[consumer]!]!;
    for (let index = 0; index < list.length; index += 1) {
      writer.describe(findRow(plan, consumer, index), list[index]!);
    }
  }
  const { dynamic } = plan;
  for (let slot = 0; dynamic !== null && slot < dynamic.slots; slot += 1) {
    const firstRow = dynamic.firstRow + slot * dynamic.limits.length;
    for (let index = 0; index < dynamic.limits.length; index += 1) {
      writer.describe(firstRow + index, dynamic.limits[index]!);
    }
  }
  words[HEADER_WORD.version] = LAYOUT_VERSION;
  words[HEADER_WORD.rows] = plan.capacity;
  words[HEADER_WORD.workers] = plan.workers;
  words[HEADER_WORD.slots] = dynamic?.slots ?? 0;
  words[HEADER_WORD.fingerprint] = plan.fingerprint;
  floats[HEADER.epochMs] = epochMs;
  // Nobody outside can know which keys share slots.
  const seed = randomBytes(8);
  words[HEADER_WORD.seedLow] = seed.readInt32LE(0);
  words[HEADER_WORD.seedHigh] = seed.readInt32LE(4);
  cells[HEADER.magic] = MAGIC;
  return buffer;
}

export class LimitTable {
  readonly plan: TablePlan;
  /** -1: the primary thread. */
  readonly workerIndex: number;
  readonly layout: Layout;
  readonly memory: Memory;
  readonly buckets: Buckets;
  readonly epochMs: number;
  /** Rows that a dead worker left in doubt; no more than workers die before they are reclaimed. */
  readonly #doubtful = new Set<number>();

  /**
   * @param memory in place of the buffer's own, for tests.
   * @throws Error where the buffer was made for another plan; RangeError where there is no such worker.
   */
  constructor(
    buffer: SharedArrayBuffer,
    plan: TablePlan,
    workerIndex: number,
    memory: Memory = new SharedMemory(buffer),
  ) {
    this.plan = plan;
    this.layout = layOut(plan);
    checkBuffer(buffer, plan, this.layout);
    if (!Number.isInteger(workerIndex) || workerIndex < -1 || workerIndex >= plan.workers) {
      throw new RangeError(`there is no worker ${workerIndex} of ${plan.workers}`);
    }
    this.workerIndex = workerIndex;
    this.memory = memory;
    this.buckets = new Buckets(memory, this.layout);
    this.epochMs = new Float64Array(buffer)[HEADER.epochMs]!;
  }

  /** For the arithmetic of ticks.ts. */
  ageAt(nowMs: number): number {
    return measureAge(nowMs, this.epochMs);
  }

  heldCell(worker: number, row: number): number {
    return this.layout.columns + worker * this.plan.capacity + row;
  }

  /** Of a list's row: what all workers hold. */
  sumHeld(row: number): number {
    let held = 0;
    for (let worker = 0; worker < this.plan.workers; worker += 1) {
      held += this.memory.loadFloat(this.heldCell(worker, row));
    }
    return held;
  }

  /** @throws RangeError where there is no such row; so do the following. */
  readRow(row: number, nowMs: number): RowState {
    const { limit } = findLimit(this.plan, row);
    const { buckets } = this;
    const capacity = limit.capacityUnits;
    let space: bigint;
    if (limit.kind === KIND.concurrency) space = BigInt(capacity) - buckets.level(row);
    else space = limit.capacityTicks - buckets.missingTicks(row, this.ageAt(nowMs));
    const perUnit = BigInt(limit.ticksPerUnit);
    return {
      kind: KINDS[limit.kind]!,
      capacity,
      level: space > 0n ? Number(space / perUnit) : 0,
      debt: space < 0n ? Number((perUnit - 1n - space) / perUnit) : 0,
      held: this.sumHeld(row),
      settled: buckets.readTotal(row, ROW.settled),
      refunded: buckets.readTotal(row, ROW.refunded),
      refused: buckets.readTotal(row, ROW.refused),
      overdrawn: buckets.readTotal(row, ROW.overdrawn),
    };
  }

  /** Fills a bucket, debt or not. A count of exchanges is worked out anew from what the workers hold. */
  reset(row: number): void {
    if (findLimit(this.plan, row).limit.kind === KIND.concurrency) this.#recount(row);
    else this.buckets.fill(row);
  }

  /** Empties what the workers' columns say of a row that no reservation holds any more: the row is for another limit. */
  forget(row: number): void {
    for (let worker = 0; worker < this.plan.workers; worker += 1) {
      this.memory.storeFloat(this.heldCell(worker, row), 0);
    }
    this.#doubtful.delete(row);
  }

  /** Gives units, at most until the bucket is full; returns false for a count of exchanges, which takes none. */
  grant(row: number, units: number): boolean {
    const { limit } = findLimit(this.plan, row);
    if (limit.kind === KIND.concurrency || !(units > 0)) return false;
    const whole = Math.floor(Math.min(units, Number.MAX_SAFE_INTEGER));
    this.buckets.giveBack(row, whole);
    return true;
  }

  /**
   * Gives back all that a dead worker held, so that one can start in its place. Call it when the thread has ended,
   * and before the next begins; never for one that lives.
   */
  reclaim(workerIndex: number): void {
    const { plan, memory, layout, buckets } = this;
    if (!(workerIndex >= 0 && workerIndex < plan.workers)) {
      throw new RangeError(`there is no worker ${workerIndex} of ${plan.workers}`);
    }
    const words = (HEADER_CELLS + workerIndex * WORKER_CELLS) * 2;
    const turn = memory.load32(words + WORKER_WORD.turn);
    for (let row = 0; row < plan.rowCount; row += 1) {
      const cell = this.heldCell(workerIndex, row);
      const held = memory.loadFloat(cell);
      if (held === 0) continue;
      memory.storeFloat(cell, 0);
      if (buckets.kindOf(row) === KIND.concurrency) buckets.leave(row, held);
      else buckets.giveBack(row, held);
      buckets.countRefunded(row, held);
    }
    if (turn % 2 !== 0) {
      memory.store32(words + WORKER_WORD.turn, (turn + 1) | 0);
      this.#doubtful.add(memory.load32(words + WORKER_WORD.row));
    }
    // Also those that could not be worked out while another lay dead in the middle of a count.
    for (const row of this.#doubtful) if (this.#recount(row)) this.#doubtful.delete(row);
    for (let slot = 0; slot < (plan.dynamic?.slots ?? 0); slot += 1) {
      memory.store32(layout.pinWords + workerIndex * layout.pinStride + slot, 0);
    }
  }

  /**
   * The count of a row is the sum of what is held, at any moment when no worker is between its swap of the count
   * and its own column. Such a moment is looked for: every worker's turn even, before and after, and unchanged.
   * Returns false where none is found; the count stays then.
   */
  #recount(row: number): boolean {
    const turns = new Int32Array(this.plan.workers);
    for (let tries = 0; tries < RECOUNT_TRIES; tries += 1) {
      let isQuiet = true;
      for (let worker = 0; worker < turns.length; worker += 1) {
        const turn = this.#readTurn(worker);
        turns[worker] = turn;
        if (turn % 2 !== 0) isQuiet = false;
      }
      if (!isQuiet) continue;
      const count = this.buckets.level(row);
      const held = this.sumHeld(row);
      for (let worker = 0; worker < turns.length; worker += 1) {
        if (this.#readTurn(worker) !== turns[worker]) isQuiet = false;
      }
      if (isQuiet && this.buckets.correctCount(row, count, held)) return true;
    }
    return false;
  }

  #readTurn(worker: number): number {
    return this.memory.load32((HEADER_CELLS + worker * WORKER_CELLS) * 2 + WORKER_WORD.turn);
  }
}

function checkBuffer(buffer: SharedArrayBuffer, plan: TablePlan, layout: Layout): void {
  const words = new Int32Array(buffer);
  if (buffer.byteLength < 64 || new BigInt64Array(buffer)[HEADER.magic] !== MAGIC) {
    throw new Error('this memory is no limit table');
  }
  if (
    words[HEADER_WORD.version] !== LAYOUT_VERSION ||
    words[HEADER_WORD.fingerprint] !== plan.fingerprint ||
    buffer.byteLength !== layout.bytes
  ) {
    throw new Error('the limit table was made for another configuration');
  }
}

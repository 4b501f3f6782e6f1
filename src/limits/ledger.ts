/**
 * A worker's hand in the table: reserve before a call, settle after it. One a worker; nothing here waits, and where
 * a call is let through nothing is allocated that outlives it.
 *
 * What a worker holds stands in its own column, so that it can be given back when the thread dies. A metered bucket
 * is charged before the column says so, and the column forgets before the bucket gets anything back: whoever dies
 * in between loses at most that one reservation, which time fills up again, and nobody gains. A count of exchanges
 * doesn't heal with time, so each of its two steps stands between two marks (`turn` is odd); see LimitTable.reclaim.
 */
import { counts, measureNeed, pickUnits } from './amounts.js';
import { addPrice, type Buckets } from './buckets.js';
import { HEADER_CELLS, ROW_CELLS, WORKER_CELLS, WORKER_WORD } from './layout.js';
import type { Memory } from './memory.js';
import type { LimitList, PlannedLimit, TablePlan } from './plan.js';
import { KIND } from './rates.js';
import { type Headroom, type Need, type Refusal, Reservation, type Usage } from './reservation.js';
import { DynamicSlots } from './slots.js';
import type { LimitTable } from './table.js';
import { countTicks, priceUnits, toNumber } from './ticks.js';

/** After which a caller may try again where no clock says when there is room. */
export const RETRY_BLINDLY_MS = 1000;

export class Ledger {
  readonly #table: LimitTable;
  readonly #plan: TablePlan;
  readonly #buckets: Buckets;
  readonly #memory: Memory;
  /** Where the rows begin, and the worker's own column. */
  readonly #rows: number;
  readonly #column: number;
  /** Means nothing; see #fetchRows. */
  fetched = 0;
  readonly #slots: DynamicSlots | null;
  readonly #turnWord: number;
  /** Of the reservation that is being made, by its place in it: V as it was when it was looked at, and as it is to be. */
  readonly #levels: BigInt64Array;
  readonly #nexts: BigInt64Array;
  /** And its limit's place in the list. */
  readonly #places: Int32Array;

  /** @throws RangeError for the table of the primary thread, which has no column. */
  constructor(table: LimitTable) {
    const { workerIndex, plan } = table;
    if (workerIndex < 0) throw new RangeError('the primary thread keeps no ledger');
    this.#table = table;
    this.#plan = plan;
    this.#buckets = table.buckets;
    this.#memory = table.memory;
    this.#rows = table.layout.rows;
    this.#column = table.heldCell(workerIndex, 0);
    this.#slots = plan.dynamic === null ? null : new DynamicSlots(table);
    this.#turnWord = (HEADER_CELLS + workerIndex * WORKER_CELLS) * 2 + WORKER_WORD.turn;
    this.#levels = new BigInt64Array(plan.longestList);
    this.#nexts = new BigInt64Array(plan.longestList);
    this.#places = new Int32Array(plan.longestList);
  }

  /** Large enough for any consumer. */
  createReservation(): Reservation {
    return new Reservation(this.#plan.longestList);
  }

  /**
   * Takes from every bucket that counts this call, or from none and says why. An estimate above a bucket's size
   * takes the whole bucket. `reservation` must not be open.
   * @param consumerIndex the consumer's place in the configuration.
   * @param model as the client named it; null: limits of certain models don't count the call.
   */
  reserve(
    consumerIndex: number,
    model: string | null,
    need: Need,
    nowMs: number,
    reservation: Reservation,
  ): Refusal | null {
    checkClosed(reservation);
    const list = this.#plan.lists[this.#plan.listOf[consumerIndex]!]!;
    const firstRow = this.#plan.firstRow[consumerIndex]!;
    if (firstRow >= 0) this.#fetchRows(firstRow, list.length);
    reservation.slot = -1;
    return this.#reserveRows(list, firstRow, model, need, this.#table.ageAt(nowMs), reservation);
  }

  /** The same for a consumer that no configuration knows, such as an address. @param key what tells it from others. */
  reserveDynamic(
    key: string,
    model: string | null,
    need: Need,
    nowMs: number,
    reservation: Reservation,
  ): Refusal | null {
    checkClosed(reservation);
    const { dynamic } = this.#plan;
    const slots = this.#slots;
    if (dynamic === null || slots === null) throw new Error('the plan has no dynamic consumers');
    const ageMs = this.#table.ageAt(nowMs);
    const slot = slots.pin(key, ageMs);
    reservation.slot = slot;
    if (slot < 0) return { reason: 'table_full', limit: null, retryAfterMs: RETRY_BLINDLY_MS };
    const firstRow = dynamic.firstRow + slot * dynamic.limits.length;
    const refusal = this.#reserveRows(dynamic.limits, firstRow, model, need, ageMs, reservation);
    if (refusal !== null) slots.unpin(slot);
    return refusal;
  }

  /** Corrects what was reserved to what was used. Does nothing where the reservation is not open. */
  settle(reservation: Reservation, actual: Usage, nowMs: number): void {
    const { inputTokens, outputTokens, costNanoDollars } = actual;
    this.#close(reservation, true, inputTokens, outputTokens, costNanoDollars, nowMs);
  }

  /** The call was made and used no tokens: settles with nothing but the request itself. */
  release(reservation: Reservation, nowMs: number): void {
    this.#close(reservation, true, 0, 0, 0, nowMs);
  }

  /** The call was never passed on: gives everything back, the request too. */
  refund(reservation: Reservation, nowMs: number): void {
    this.#close(reservation, false, 0, 0, 0, nowMs);
  }

  /** Whether a limit that is enforced while a stream runs would be below empty if `spent` were settled now. */
  isExhausted(reservation: Reservation, spent: Usage, nowMs: number): boolean {
    if (!reservation.isOpen) return false;
    const buckets = this.#buckets;
    const ageMs = this.#table.ageAt(nowMs);
    for (let index = 0; index < reservation.count; index += 1) {
      const row = reservation.rows[index]!;
      if (!buckets.isStream(row)) continue;
      const kind = buckets.kindOf(row);
      const reserved = reservation.units[index]!;
      const { inputTokens, outputTokens, costNanoDollars } = spent;
      const used =
        kind === KIND.requests
          ? reserved
          : pickUnits(kind, 0, inputTokens, outputTokens, costNanoDollars);
      const perUnit = buckets.ticksPerUnit(row);
      const nowTicks = countTicks(ageMs, buckets.ticksPerMs(row));
      const more = used > reserved ? priceUnits(used - reserved, perUnit) : 0n;
      const less = used < reserved ? priceUnits(reserved - used, perUnit) : 0n;
      const level = buckets.level(row) - less;
      const settled = (level > nowTicks ? level : nowTicks) + more;
      if (settled - nowTicks > buckets.capacityTicks(row)) return true;
    }
    return false;
  }

  /** Looks at all buckets before it touches one: a flood of calls that are refused writes nothing but a count. */
  #reserveRows(
    list: LimitList,
    firstRow: number,
    model: string | null,
    need: Need,
    ageMs: number,
    reservation: Reservation,
  ): Refusal | null {
    const buckets = this.#buckets;
    const { rows, units, requestsLeft, tokensLeft } = reservation;
    requestsLeft.limit = 0;
    tokensLeft.limit = 0;
    let count = 0;
    for (let index = 0; index < list.length; index += 1) {
      const limit = list[index]!;
      if (!counts(limit, model)) continue;
      const row = this.#rowAt(firstRow, index);
      const wanted = measureNeed(limit, need);
      if (limit.kind === KIND.concurrency) {
        if (buckets.level(row) >= limit.capacityTicks) {
          return this.#refuse(list, firstRow, model, need, ageMs, limit, row, reservation);
        }
      } else {
        const nowTicks = countTicks(ageMs, limit.ticksPerMs);
        const level = buckets.level(row);
        const next = addPrice(level, priceUnits(wanted, limit.ticksPerUnit), nowTicks);
        const left = BigInt.asIntN(64, limit.capacityTicks + nowTicks - next);
        if (left < 0n) {
          return this.#refuse(list, firstRow, model, need, ageMs, limit, row, reservation);
        }
        if (limit.kind === KIND.requests) noteHeadroom(requestsLeft, limit, toNumber(left));
        else if (limit.kind === KIND.tokens) noteHeadroom(tokensLeft, limit, toNumber(left));
        this.#levels[count] = level;
        this.#nexts[count] = next;
      }
      rows[count] = row;
      units[count] = wanted;
      this.#places[count] = index;
      count += 1;
    }
    for (let index = 0; index < count; index += 1) {
      const row = rows[index]!;
      const limit = list[this.#places[index]!]!;
      if (this.#takeRow(row, limit, index, units[index]!, ageMs)) continue;
      // Another thread was faster since the look. Backwards, so that what was taken last is free first.
      for (let taken = index - 1; taken >= 0; taken -= 1)
        this.#undoRow(rows[taken]!, units[taken]!);
      return this.#refuse(list, firstRow, model, need, ageMs, limit, row, reservation);
    }
    reservation.count = count;
    reservation.isOpen = true;
    return null;
  }

  #takeRow(row: number, limit: PlannedLimit, index: number, units: number, ageMs: number): boolean {
    if (limit.kind === KIND.concurrency) {
      this.#beginTurn(row);
      const isIn = this.#buckets.enter(row, limit.capacityTicks);
      if (isIn) this.#hold(row, 1);
      this.#endTurn();
      return isIn;
    }
    // While V stands as it was looked at, what was found then still holds.
    if (!this.#buckets.swapLevel(row, this.#levels[index]!, this.#nexts[index]!)) {
      const price = priceUnits(units, limit.ticksPerUnit);
      const nowTicks = countTicks(ageMs, limit.ticksPerMs);
      if (!this.#buckets.take(row, price, nowTicks, limit.capacityTicks)) return false;
    }
    this.#hold(row, units);
    return true;
  }

  #undoRow(row: number, units: number): void {
    if (this.#buckets.kindOf(row) === KIND.concurrency) this.#leave(row);
    else {
      this.#hold(row, -units);
      this.#buckets.giveBack(row, units);
    }
  }

  #leave(row: number): void {
    this.#beginTurn(row);
    this.#buckets.leave(row, 1);
    this.#hold(row, -1);
    this.#endTurn();
  }

  #close(
    reservation: Reservation,
    isUsed: boolean,
    inputTokens: number,
    outputTokens: number,
    costNanoDollars: number,
    nowMs: number,
  ): void {
    if (!reservation.isOpen) return;
    reservation.isOpen = false;
    const buckets = this.#buckets;
    const ageMs = this.#table.ageAt(nowMs);
    for (let index = 0; index < reservation.count; index += 1) {
      const row = reservation.rows[index]!;
      const reserved = reservation.units[index]!;
      const kind = buckets.kindOf(row);
      let used = isUsed ? reserved : 0;
      if (kind === KIND.concurrency) this.#leave(row);
      else {
        if (kind !== KIND.requests) {
          used = pickUnits(kind, 0, inputTokens, outputTokens, costNanoDollars);
        }
        this.#hold(row, -reserved);
        if (used > reserved) {
          buckets.charge(row, used - reserved, ageMs);
          buckets.countOverdrawn(row, used - reserved);
        } else if (used < reserved) buckets.giveBack(row, reserved - used);
      }
      if (used > 0) buckets.countSettled(row, used);
      if (used < reserved) buckets.countRefunded(row, reserved - used);
    }
    if (reservation.slot >= 0) this.#slots?.unpin(reservation.slot);
    reservation.slot = -1;
    reservation.count = 0;
  }

  /** Names the limit that makes the call wait longest, so that waiting as told is enough for all of them. */
  #refuse(
    list: LimitList,
    firstRow: number,
    model: string | null,
    need: Need,
    ageMs: number,
    failed: PlannedLimit,
    failedRow: number,
    reservation: Reservation,
  ): Refusal {
    this.#noteAllHeadroom(list, firstRow, model, ageMs, reservation);
    let binding = failed;
    let bindingRow = failedRow;
    let waitMs = failed.kind === KIND.concurrency ? RETRY_BLINDLY_MS : 1;
    for (let index = 0; index < list.length; index += 1) {
      const limit = list[index]!;
      if (!counts(limit, model)) continue;
      const row = this.#rowAt(firstRow, index);
      const ms = this.#measureWait(limit, row, need, ageMs);
      if (ms <= waitMs) continue;
      waitMs = ms;
      binding = limit;
      bindingRow = row;
    }
    this.#buckets.countRefused(bindingRow);
    return { reason: 'limit', limit: binding.config, retryAfterMs: waitMs };
  }

  /** Without what the call would have taken. */
  #noteAllHeadroom(
    list: LimitList,
    firstRow: number,
    model: string | null,
    ageMs: number,
    { requestsLeft, tokensLeft }: Reservation,
  ): void {
    requestsLeft.limit = 0;
    tokensLeft.limit = 0;
    for (let index = 0; index < list.length; index += 1) {
      const limit = list[index]!;
      if (limit.kind === KIND.concurrency || !counts(limit, model)) continue;
      const nowTicks = countTicks(ageMs, limit.ticksPerMs);
      const row = this.#rowAt(firstRow, index);
      const lack = this.#buckets.measureLack(row, 0n, nowTicks, limit.capacityTicks);
      if (limit.kind === KIND.requests) noteHeadroom(requestsLeft, limit, -toNumber(lack));
      else if (limit.kind === KIND.tokens) noteHeadroom(tokensLeft, limit, -toNumber(lack));
    }
  }

  #measureWait(limit: PlannedLimit, row: number, need: Need, ageMs: number): number {
    const { capacityTicks, ticksPerMs } = limit;
    if (limit.kind === KIND.concurrency) {
      return this.#buckets.level(row) >= capacityTicks ? RETRY_BLINDLY_MS : 0;
    }
    const price = priceUnits(measureNeed(limit, need), limit.ticksPerUnit);
    const nowTicks = countTicks(ageMs, ticksPerMs);
    const lack = this.#buckets.measureLack(row, price, nowTicks, capacityTicks);
    if (lack <= 0n) return 0;
    const perMs = BigInt(ticksPerMs);
    return Number((lack + perMs - 1n) / perMs);
  }

  /**
   * Reads a word of each place that will be needed. With many consumers none of them is in the processor's caches; asked
   * for one after the other, with the work on each in between, they would be waited for one after the other.
   */
  #fetchRows(firstRow: number, count: number): void {
    const memory = this.#memory;
    let words = memory.peek32((this.#column + firstRow) * 2);
    for (let row = firstRow; row < firstRow + count; row += 1) {
      words |= memory.peek32((this.#rows + row * ROW_CELLS) * 2);
    }
    // Kept, or the compiler would see that nobody wants them.
    this.fetched = words;
  }

  /** @param firstRow of the consumer, as RowPlaces has it. */
  #rowAt(firstRow: number, index: number): number {
    return firstRow >= 0 ? firstRow + index : this.#plan.scattered[index - 1 - firstRow]!;
  }

  #hold(row: number, units: number): void {
    const cell = this.#column + row;
    this.#memory.storeFloat(cell, this.#memory.loadFloat(cell) + units);
  }

  #beginTurn(row: number): void {
    const memory = this.#memory;
    memory.store32(this.#turnWord + WORKER_WORD.row - WORKER_WORD.turn, row);
    memory.store32(this.#turnWord, (memory.peek32(this.#turnWord) + 1) | 0);
  }

  #endTurn(): void {
    const memory = this.#memory;
    memory.store32(this.#turnWord, (memory.peek32(this.#turnWord) + 1) | 0);
  }
}

function checkClosed(reservation: Reservation): void {
  if (reservation.isOpen) throw new Error('the reservation is still open');
}

/** Keeps the bucket of which the smallest share is left. @param leftTicks below 0 while the bucket is in debt. */
function noteHeadroom(headroom: Headroom, limit: PlannedLimit, leftTicks: number): void {
  const { capacityUnits, ticksPerUnit } = limit;
  const remaining = leftTicks > 0 ? Math.floor(leftTicks / ticksPerUnit) : 0;
  if (headroom.limit > 0 && remaining * headroom.limit >= headroom.remaining * capacityUnits)
    return;
  headroom.limit = capacityUnits;
  headroom.remaining = remaining;
  headroom.resetMs = Math.ceil((capacityUnits * ticksPerUnit - leftTicks) / limit.ticksPerMs);
}

/** Limits between servers, as hand-over.ts needs them: what goes to the next one, and what is held for the one before. */
import { nowMs, toSharedMs, wallClockMs } from '../core/clock.js';
import {
  applyHeldChange,
  findConsumer,
  type HeldChange,
  HeldWatch,
  heldElsewhere,
  packBuckets,
  unpackBuckets,
} from '../limits/hand-over.js';
import { Ledger } from '../limits/ledger.js';
import { findLimit, type TablePlan } from '../limits/plan.js';
import type { Need, Refusal } from '../limits/reservation.js';
import type { Restored } from '../limits/snapshot.js';
import { LimitTable } from '../limits/table.js';

export type ElsewhereAnswer =
  | { readonly held: readonly (readonly [identity: string, units: number])[] }
  | { readonly refusal: Refusal };

/** The table as it was at one moment. */
export interface CopiedLimits {
  pack(): Buffer;
  /** Of what is held of it. */
  watch(): HeldWatch;
}

/** Of the configuration in force. */
export interface CurrentLimits {
  readonly buffer: SharedArrayBuffer;
  readonly plan: TablePlan;
  readonly table: LimitTable;
}

export class LimitsElsewhere {
  readonly #current: () => CurrentLimits;

  constructor(current: () => CurrentLimits) {
    this.#current = current;
  }

  /** The buckets for the server that takes over; all workers must stand still. */
  copy(): CopiedLimits {
    const { buffer, plan, table } = this.#current();
    const bytes = new SharedArrayBuffer(buffer.byteLength);
    new Uint8Array(bytes).set(new Uint8Array(buffer));
    const copied = new LimitTable(bytes, plan, -1);
    const [now, wall] = [sharedNowMs(), wallClockMs()];
    return {
      pack: () => packBuckets(copied, plan, now, wall),
      watch: () => new HeldWatch(table, copied, plan),
    };
  }

  /** What the server before this one handed over. @throws Error where it is of no use. */
  takeOver(bytes: Uint8Array): Restored {
    const { table, plan } = this.#current();
    return unpackBuckets(bytes, table, plan, sharedNowMs(), wallClockMs());
  }

  /** The server before this one tells what became of what it held. */
  apply(change: HeldChange): void {
    const { table, plan } = this.#current();
    applyHeldChange(table, plan, change, sharedNowMs());
  }

  /** For an exchange of the server before this one. null: there is no such consumer any more, and so no limit. */
  reserve(consumer: string, model: string | null, need: Need): ElsewhereAnswer | null {
    const { buffer, plan } = this.#current();
    const place = findConsumer(plan, consumer);
    if (place < 0) return null;
    const ledger = new Ledger(new LimitTable(buffer, plan, heldElsewhere(plan)));
    const reservation = ledger.createReservation();
    const refusal = ledger.reserve(place, model, need, sharedNowMs(), reservation);
    if (refusal !== null) return { refusal };
    const held = Array.from({ length: reservation.count }, (_, index): [string, number] => {
      const { limit } = findLimit(plan, reservation.rows[index] ?? 0);
      return [limit.identity, reservation.units[index] ?? 0];
    });
    return { held };
  }

  /** Those before this one are gone: what they still held is given back. */
  reclaim(): void {
    const { table, plan } = this.#current();
    table.reclaim(heldElsewhere(plan));
  }
}

function sharedNowMs(): number {
  return toSharedMs(nowMs());
}

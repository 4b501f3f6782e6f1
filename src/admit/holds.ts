/**
 * What exchanges hold of the limit table: of their consumer's limits, and of those of whoever calls. Either is taken
 * with the other or not at all, and both are closed exactly once.
 */
import { BOUNDS } from '../core/bounds.js';
import type { Exchange } from '../exchange.js';
import type { Ledger } from '../limits/ledger.js';
import {
  type Headroom,
  type Need,
  type Refusal,
  Reservation,
  type Usage,
} from '../limits/reservation.js';
import { LimitLines } from './limit-lines.js';

export interface Denial {
  readonly by: 'consumer' | 'caller';
  readonly refusal: Refusal;
}

export class Holds {
  readonly #consumers: Ledger;
  readonly #callers: Ledger;
  readonly #rowsMax: number;
  readonly #unused: Reservation[] = [];
  readonly #lines = new LimitLines();

  /**
   * @param callers of the callers' table.
   * @param rowsMax the longer longestList of both plans.
   */
  constructor(consumers: Ledger, callers: Ledger, rowsMax: number) {
    this.#consumers = consumers;
    this.#callers = callers;
    this.#rowsMax = rowsMax;
  }

  /**
   * Takes from all limits, or from none, and writes the exchange's `reservation` and `callerReservation`, or `refusedLimits`.
   *
   * The caller's come first: they are its own, while the consumer's are shared, so a caller that is refused over and
   * over never touches what others of its consumer take from.
   *
   * @param consumer its place in the configuration; -1: none that has limits.
   * @param caller what tells the caller from others; null: it has no limits.
   * @param atMs shared milliseconds.
   */
  reserve(
    exchange: Exchange,
    consumer: number,
    caller: string | null,
    need: Need,
    atMs: number,
  ): Denial | null {
    const model = exchange.target?.entryName ?? null;
    const ofCaller = caller === null ? null : this.#open();
    const ofConsumer = consumer < 0 ? null : this.#open();
    let by: Denial['by'] = 'caller';
    let refusal: Refusal | null = null;
    if (caller !== null && ofCaller !== null) {
      refusal = this.#callers.reserveDynamic(caller, model, need, atMs, ofCaller);
    }
    if (refusal === null && ofConsumer !== null) {
      by = 'consumer';
      refusal = this.#consumers.reserve(consumer, model, need, atMs, ofConsumer);
    }
    exchange.callerReservation = ofCaller;
    exchange.reservation = ofConsumer;
    if (refusal === null) {
      return null;
    }
    const limits = this.formatLimits(exchange);
    exchange.refusedLimits = limits === null ? null : Uint8Array.from(limits);
    exchange.callerReservation = null;
    exchange.reservation = null;
    if (ofCaller !== null) {
      // Open only where it was the consumer's limits that refused.
      this.#callers.refund(ofCaller, atMs);
      this.#keep(ofCaller);
    }
    if (ofConsumer !== null) {
      this.#keep(ofConsumer);
    }
    return { by, refusal };
  }

  /** Whether a limit that holds within streams is used up by what was spent so far. */
  isExhausted(exchange: Exchange, spent: Usage, atMs: number): boolean {
    const { reservation, callerReservation } = exchange;
    return (
      (reservation !== null && this.#consumers.isExhausted(reservation, spent, atMs)) ||
      (callerReservation !== null && this.#callers.isExhausted(callerReservation, spent, atMs))
    );
  }

  /**
   * Gives up what the exchange holds; a second time does nothing.
   * @param used null: the provider never saw the request, which counts as none then.
   */
  close(exchange: Exchange, used: Usage | null, atMs: number): void {
    const { reservation, callerReservation } = exchange;
    exchange.reservation = null;
    exchange.callerReservation = null;
    if (reservation !== null) {
      this.#settle(this.#consumers, reservation, used, atMs);
    }
    if (callerReservation !== null) {
      this.#settle(this.#callers, callerReservation, used, atMs);
    }
  }

  /**
   * Header lines about what is left; lent until the next call. Of the consumer's limits and the caller's the tighter one,
   * by the share that is left; where that is equal, the caller's.
   */
  formatLimits({ reservation, callerReservation, refusedLimits }: Exchange): Uint8Array | null {
    const nearer = reservation ?? callerReservation;
    if (nearer === null) {
      return refusedLimits;
    }
    const other = callerReservation ?? nearer;
    return this.#lines.format(
      chooseTighter(nearer.requestsLeft, other.requestsLeft),
      chooseTighter(nearer.tokensLeft, other.tokensLeft),
    );
  }

  #settle(ledger: Ledger, reservation: Reservation, used: Usage | null, atMs: number): void {
    if (used === null) {
      ledger.refund(reservation, atMs);
    } else {
      ledger.settle(reservation, used, atMs);
    }
    this.#keep(reservation);
  }

  #open(): Reservation {
    const reservation = this.#unused.pop() ?? new Reservation(this.#rowsMax);
    // Where it is refused before it is looked at, nothing is known of what is left.
    reservation.requestsLeft.limit = 0;
    reservation.tokensLeft.limit = 0;
    return reservation;
  }

  #keep(reservation: Reservation): void {
    if (this.#unused.length < BOUNDS.reservationsKeptMax) {
      this.#unused.push(reservation);
    }
  }
}

function chooseTighter(a: Headroom, b: Headroom): Headroom {
  if (a.limit === 0 || b.limit === 0) {
    return a.limit === 0 ? b : a;
  }
  return b.remaining * a.limit <= a.remaining * b.limit ? b : a;
}

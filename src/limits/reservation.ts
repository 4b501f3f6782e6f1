/** What an exchange holds of its consumer's buckets, and what it is told when there is not enough. */
import type { LimitConfig } from '../config/model.js';

/** An estimate before the call. Amounts are whole and not negative; others are made so. */
export interface Need {
  /** 1 for a call; 0 where only tokens or costs count. */
  readonly requests: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly costNanoDollars: number;
}

/** What was really used. */
export type Usage = Omit<Need, 'requests'>;

export interface Refusal {
  /** `table_full`: a consumer that is not configured, while every slot for such is in use. */
  readonly reason: 'limit' | 'table_full';
  /** The limit that makes the caller wait longest; null where there is none. */
  readonly limit: LimitConfig | null;
  /** Whole milliseconds. Nobody else calling, the same call passes when they are over. */
  readonly retryAfterMs: number;
}

/** For the headers of an answer, in units of the kind. */
export interface Headroom {
  /** What the bucket holds when it is full; 0: no limit of this kind counted the call. */
  limit: number;
  remaining: number;
  /** Until it is full again; rounded up. */
  resetMs: number;
}

/** Made once and used again and again. Belongs to the thread that made it; only the ledger writes it. */
export class Reservation {
  /** Between reserve and settle. */
  isOpen = false;
  /** Of the rows and units that are in use. */
  count = 0;
  readonly rows: Int32Array;
  readonly units: Float64Array;
  /** The slot of a dynamic consumer, pinned only while the reservation is open; -1: of a configured one, or none. */
  slot = -1;
  /** What the call left, or what there was when it was refused, in the bucket of each kind that is used up most. */
  readonly requestsLeft: Headroom = { limit: 0, remaining: 0, resetMs: 0 };
  readonly tokensLeft: Headroom = { limit: 0, remaining: 0, resetMs: 0 };

  /** @param rowsMax the plan's longestList. */
  constructor(rowsMax: number) {
    this.rows = new Int32Array(rowsMax);
    this.units = new Float64Array(rowsMax);
  }
}

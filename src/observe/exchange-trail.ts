/**
 * A worker's memory of the exchanges that an operator asks about: those that failed, and the slowest ones, of the last
 * seconds. It is emptied whenever the primary asks for the histograms, which keeps what it got for some minutes.
 *
 * To an exchange that is neither it costs two comparisons.
 */
import { BOUNDS } from '../core/bounds.js';
import type { Exchange } from '../exchange.js';
import { findEndCode } from './end-codes.js';

/** Milliseconds from its beginning; -1 for what it did not come to. */
export interface TrailTimes {
  /** The request was read and admitted. */
  readonly ready: number;
  /** It was written to the provider that answered. */
  readonly sent: number;
  /** The provider's head came. */
  readonly head: number;
  /** The first byte went to the client. */
  readonly firstByte: number;
  readonly ended: number;
}

export interface TrailRecord {
  readonly id: string;
  /** When it ended, of core/clock.ts; the primary makes wall time of it. */
  readonly endedMs: number;
  readonly consumer: string | null;
  readonly method: string;
  readonly path: string;
  readonly model: string | null;
  readonly provider: string | null;
  readonly status: number | null;
  readonly by: string;
  readonly phase: string;
  /** `complete`, `aborted`, or a code of core/errors.ts. */
  readonly reason: string;
  /** In two letters of end-codes.ts. */
  readonly end: string;
  readonly times: TrailTimes;
  readonly attempts: readonly {
    readonly provider: string;
    readonly className: string;
    readonly ms: number;
  }[];
}

export interface Trail {
  readonly failed: readonly TrailRecord[];
  readonly slow: readonly TrailRecord[];
}

export class ExchangeTrail {
  #failed: TrailRecord[] = [];
  #slow: TrailRecord[] = [];
  /** What an exchange must have taken longer than to be among the slowest. */
  #slowMsMin = 0;

  /** @param endedMs when it was over; of core/clock.ts. */
  offer(exchange: Exchange, endedMs: number): void {
    const { error } = exchange;
    // Whoever is at a limit is seen elsewhere, and would push out what nobody has planned.
    if (error?.code === 'rate_limit_exceeded') return;
    if (error !== null || (exchange.status ?? 0) >= 500) {
      if (this.#failed.length < BOUNDS.trailFailedMax) {
        this.#failed.push(describe(exchange, endedMs));
      }
    } else if (endedMs - exchange.startedMs > this.#slowMsMin) {
      this.#keepSlow(describe(exchange, endedMs));
    }
  }

  /** What was kept since it was asked the last time. */
  take(): Trail {
    const trail = { failed: this.#failed, slow: this.#slow };
    this.#failed = [];
    this.#slow = [];
    this.#slowMsMin = 0;
    return trail;
  }

  #keepSlow(record: TrailRecord): void {
    const slow = this.#slow;
    slow.push(record);
    if (slow.length <= BOUNDS.trailSlowMax) return;
    let least = 0;
    for (let at = 1; at < slow.length; at += 1) {
      if (slow[at]!.times.ended < slow[least]!.times.ended) least = at;
    }
    slow.splice(least, 1);
    this.#slowMsMin = slow.reduce((min, { times }) => Math.min(min, times.ended), Infinity);
  }
}

function describe(exchange: Exchange, endedMs: number): TrailRecord {
  const { head, target, startedMs, ended } = exchange;
  const since = (atMs: number): number => (atMs > 0 ? atMs - startedMs : -1);
  return {
    id: exchange.id,
    endedMs,
    consumer: exchange.identity?.consumerName ?? null,
    method: head.method,
    path: head.path.slice(0, BOUNDS.trailTextCharsMax),
    model: exchange.model?.slice(0, BOUNDS.trailTextCharsMax) ?? null,
    provider: target?.provider ?? null,
    status: exchange.status,
    by: ended?.by ?? 'gateway',
    phase: ended?.phase ?? 'done',
    reason: ended?.reason ?? 'unknown',
    end: findEndCode(exchange),
    times: {
      ready: since(exchange.readyMs),
      sent: since(exchange.sentMs),
      head: since(exchange.headMs),
      firstByte: since(exchange.firstByteMs),
      ended: endedMs - startedMs,
    },
    attempts: (exchange.attempts ?? []).map(({ provider, className, ms }) => {
      return { provider, className, ms };
    }),
  };
}

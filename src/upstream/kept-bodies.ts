/**
 * Copies of request bodies, kept until the provider's answer has begun, so that they can be sent again. The memory they
 * come in, uWebSockets.js's, is gone by then. Of one worker.
 *
 * A first request is usually written to its socket from the very memory that its body is kept in (request-writer.ts), so
 * that keeping it costs no copy of its own.
 */
import { BOUNDS } from '../core/bounds.js';
import type { Exchange } from '../exchange.js';
import type { ByteBudget } from '../inspect/budget.js';

/** Most requests fit into the first, nearly all into the second; larger ones have memory of their own. */
const SMALL_BYTES = 8 * 1024;
const LARGE_BYTES = 64 * 1024;
/** Room for a request's head before its body. One that is larger is written elsewhere, and the body copied. */
const HEAD_BYTES = 1024;

/**
 * Places whose memory is one: a socket is handed a part of it, and finds the whole in the cache, whichever part it is. They
 * are kept for good. What a burst needs beyond them has memory of its own, or one place that is kept would hold that of 16.
 */
const SMALL_IN_SLAB = 16;

/** Room for one body, until it is released; then for another. */
export class KeptBody {
  readonly buffer: Buffer;
  /** Where its own part of the buffer begins, and how long it is. */
  readonly from: number;
  readonly bytes: number;
  /** Where the body begins and ends in it; below 0: it is not here yet. */
  start = -1;
  end = -1;
  /** A socket still reads from it. */
  isPending = false;
  #onRead: (() => void) | null = null;

  constructor(bytes: number, buffer: Buffer = Buffer.allocUnsafeSlow(bytes), from = 0) {
    this.buffer = buffer;
    this.from = from;
    this.bytes = bytes;
  }

  get isFilled(): boolean {
    return this.start >= 0;
  }

  /** The socket has read it, or never will. */
  noteRead(): void {
    this.isPending = false;
    this.#onRead?.();
    this.#onRead = null;
  }

  /** Calls it once the socket that still reads from it has done with it. */
  whenRead(onRead: () => void): void {
    this.#onRead = onRead;
  }
}

export class KeptBodies {
  readonly #budget: ByteBudget;
  /** Not in use. */
  readonly #small: KeptBody[] = [];
  readonly #large: KeptBody[] = [];
  /** In slabs, in use or not. */
  #smallPlaces = 0;

  constructor(budget: ByteBudget) {
    this.#budget = budget;
  }

  /**
   * Room for the body of an exchange, to be filled before its own memory is gone and to be given back; null where
   * nothing need be kept, because the body is in no memory that is lent, or no more may.
   */
  reserveFor({ body }: Exchange): KeptBody | null {
    return body?.isBorrowed === true && body.bytes.length > 0
      ? this.#reserve(body.bytes.length)
      : null;
  }

  #reserve(bodyBytes: number): KeptBody | null {
    const length = bodyBytes + HEAD_BYTES;
    const size = length <= SMALL_BYTES ? SMALL_BYTES : Math.max(length, LARGE_BYTES);
    if (!this.#budget.hasRoom(size)) {
      return null;
    }
    this.#budget.hold(size);
    if (size === SMALL_BYTES) {
      return this.#small.pop() ?? this.#openSmall();
    }
    return (size === LARGE_BYTES ? this.#large.pop() : undefined) ?? new KeptBody(size);
  }

  #openSmall(): KeptBody {
    if (this.#smallPlaces + SMALL_IN_SLAB > BOUNDS.keptBodyBuffersMax) {
      return new KeptBody(SMALL_BYTES);
    }
    this.#smallPlaces += SMALL_IN_SLAB;
    const slab = Buffer.allocUnsafeSlow(SMALL_IN_SLAB * SMALL_BYTES);
    for (let at = SMALL_IN_SLAB - 1; at > 0; at -= 1) {
      this.#small.push(new KeptBody(SMALL_BYTES, slab, at * SMALL_BYTES));
    }
    return new KeptBody(SMALL_BYTES, slab, 0);
  }

  /** Exactly once for each that reserveFor() gave. */
  release(kept: KeptBody | null): void {
    if (kept === null) {
      return;
    }
    this.#budget.release(kept.bytes);
    kept.start = -1;
    kept.end = -1;
    if (kept.isPending) {
      // An answer has come before the whole request was read from here; until then nobody else may write to it.
      kept.whenRead(() => this.#free(kept));
    } else {
      this.#free(kept);
    }
  }

  #free(kept: KeptBody): void {
    const { bytes, buffer } = kept;
    if (bytes === SMALL_BYTES) {
      if (buffer.length > bytes) this.#small.push(kept);
    } else if (bytes === LARGE_BYTES && this.#large.length < BOUNDS.largeKeptBodyBuffersMax) {
      this.#large.push(kept);
    }
  }
}

/** Copies the body of the exchange where it has not been written to its place yet. */
export function fillKept(kept: KeptBody | null, { body }: Exchange): void {
  if (kept?.isFilled === false && body !== null) {
    kept.buffer.set(body.bytes, kept.from);
    kept.start = kept.from;
    kept.end = kept.from + body.bytes.length;
  }
}

/** The body is read from the copy from now on, which is not to be given back before the exchange has done with it. */
export function restoreBody(exchange: Exchange, kept: KeptBody | null): void {
  const { body } = exchange;
  if (body?.isBorrowed === true && kept !== null) {
    const bytes = kept.buffer.subarray(kept.start, kept.end);
    exchange.body = { ...body, bytes, isBorrowed: false };
  }
}

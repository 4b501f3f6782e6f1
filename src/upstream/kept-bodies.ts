/**
 * Copies of request bodies, kept until the provider's answer has begun, so that they can be sent again. The memory they
 * come in, uWebSockets.js's, is gone by then. Of one worker.
 */
import { BOUNDS } from '../core/bounds.js';
import type { Exchange } from '../exchange.js';
import type { ByteBudget } from '../inspect/budget.js';

/** Most requests fit into the first, nearly all into the second; larger ones have memory of their own. */
const SMALL_BYTES = 8 * 1024;
const LARGE_BYTES = 64 * 1024;

export class KeptBodies {
  readonly #budget: ByteBudget;
  /** Not in use. */
  readonly #small: Buffer[] = [];
  readonly #large: Buffer[] = [];

  constructor(budget: ByteBudget) {
    this.#budget = budget;
  }

  /** Of an exchange whose body is in memory that is lent; null where nothing need be kept, or no more may. */
  keepOf({ body }: Exchange): Buffer | null {
    return body?.isBorrowed === true && body.bytes.length > 0 ? this.keep(body.bytes) : null;
  }

  /** @returns a buffer that begins with the bytes, to be given back; null where no more may be kept. */
  keep(bytes: Uint8Array): Buffer | null {
    const { length } = bytes;
    const size = length <= SMALL_BYTES ? SMALL_BYTES : Math.max(length, LARGE_BYTES);
    if (!this.#budget.hasRoom(size)) {
      return null;
    }
    this.#budget.hold(size);
    const buffer =
      (size === SMALL_BYTES
        ? this.#small.pop()
        : size === LARGE_BYTES
          ? this.#large.pop()
          : null) ?? Buffer.allocUnsafeSlow(size);
    buffer.set(bytes, 0);
    return buffer;
  }

  /** Exactly once for each that keep() gave. */
  release(buffer: Buffer): void {
    const { length } = buffer;
    this.#budget.release(length);
    if (length === SMALL_BYTES && this.#small.length < BOUNDS.keptBodyBuffersMax) {
      this.#small.push(buffer);
    } else if (length === LARGE_BYTES && this.#large.length < BOUNDS.largeKeptBodyBuffersMax) {
      this.#large.push(buffer);
    }
  }
}

/** The body is read from the copy from now on, which is not to be given back before the exchange has done with it. */
export function restoreBody(exchange: Exchange, kept: Buffer | null): void {
  const { body } = exchange;
  if (body?.isBorrowed === true && kept !== null) {
    const bytes = kept.subarray(0, body.totalBytes);
    exchange.body = { ...body, bytes, isBorrowed: false };
  }
}

/**
 * Where request bodies are kept until the provider's answer has begun: the memory they come in, uWebSockets.js's, is gone
 * as soon as its handler returns, and a request goes out later than that, and perhaps a second time. Of one worker.
 *
 * Before each body there is room for the head that a request will have, so that both go to a socket as one piece of
 * memory (upstream/request-writer.ts): what is copied here is copied once, on its way in.
 */
import { BOUNDS } from '../core/bounds.js';
import type { ByteBudget } from './budget.js';

/** Most requests fit into the first, nearly all into the second; larger ones have memory of their own. */
const SMALL_BYTES = 8 * 1024;
const LARGE_BYTES = 64 * 1024;
/** For the request's head. One that is longer is written elsewhere, and the body copied once more. */
const HEAD_BYTES = 1024;

/**
 * Places whose memory is one: a socket is handed a part of it, and finds the whole in the cache, whichever part it is. They
 * are kept for good. What a burst needs beyond them has memory of its own, or one place that is kept would hold that of 16.
 */
const SMALL_IN_SLAB = 16;

/** Gets places back. */
interface KeptBodiesHost {
  takeBack(kept: KeptBody): void;
}

/** A place for one body, until it is released; then for another. */
export class KeptBody {
  readonly buffer: Buffer;
  /** Where its own part of the buffer begins, and how long it is. */
  readonly from: number;
  readonly bytes: number;
  /** Where the body begins and ends in the buffer. */
  readonly start: number;
  end: number;
  /** A socket still reads from it. */
  isPending = false;
  #isReleased = true;
  readonly #host: KeptBodiesHost;

  constructor(host: KeptBodiesHost, buffer: Buffer, from: number, bytes: number) {
    this.#host = host;
    this.buffer = buffer;
    this.from = from;
    this.bytes = bytes;
    this.start = from + HEAD_BYTES;
    this.end = this.start;
  }

  /** @returns the copy. */
  fill(body: Uint8Array): Buffer {
    this.#isReleased = false;
    this.buffer.set(body, this.start);
    this.end = this.start + body.length;
    return this.buffer.subarray(this.start, this.end);
  }

  /** The socket has read it, or never will. */
  noteRead(): void {
    this.isPending = false;
    if (this.#isReleased) this.#host.takeBack(this);
  }

  /** Exactly once after each fill(). Where a socket still reads from it nobody else has it until that is over. */
  release(): void {
    this.#isReleased = true;
    if (!this.isPending) this.#host.takeBack(this);
  }
}

export class KeptBodies implements KeptBodiesHost {
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
   * A place for a body, to be filled and released.
   *
   * @returns null where no more may be kept.
   */
  reserve(bodyBytes: number): KeptBody | null {
    const length = bodyBytes + HEAD_BYTES;
    const size = length <= SMALL_BYTES ? SMALL_BYTES : Math.max(length, LARGE_BYTES);
    if (!this.#budget.hasRoom(size)) {
      return null;
    }
    this.#budget.hold(size);
    if (size === SMALL_BYTES) {
      return this.#small.pop() ?? this.#openSmall();
    }
    return (size === LARGE_BYTES ? this.#large.pop() : undefined) ?? this.#open(size);
  }

  /** @internal by its place. */
  takeBack(kept: KeptBody): void {
    const { bytes, buffer } = kept;
    this.#budget.release(bytes);
    if (bytes === SMALL_BYTES) {
      if (buffer.length > bytes) this.#small.push(kept);
    } else if (bytes === LARGE_BYTES && this.#large.length < BOUNDS.largeKeptBodyBuffersMax) {
      this.#large.push(kept);
    }
  }

  #open(bytes: number): KeptBody {
    return new KeptBody(this, Buffer.allocUnsafeSlow(bytes), 0, bytes);
  }

  #openSmall(): KeptBody {
    if (this.#smallPlaces + SMALL_IN_SLAB > BOUNDS.keptBodyBuffersMax) {
      return this.#open(SMALL_BYTES);
    }
    this.#smallPlaces += SMALL_IN_SLAB;
    const slab = Buffer.allocUnsafeSlow(SMALL_IN_SLAB * SMALL_BYTES);
    for (let at = SMALL_IN_SLAB - 1; at > 0; at -= 1) {
      this.#small.push(new KeptBody(this, slab, at * SMALL_BYTES, SMALL_BYTES));
    }
    return new KeptBody(this, slab, 0, SMALL_BYTES);
  }
}

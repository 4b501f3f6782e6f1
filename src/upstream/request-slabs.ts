/**
 * The memory that requests are written to sockets from. Many stand in one slab, and what was written stays there for a
 * while: a request whose connection turns out to have been dead is sent again from it (P-23), without a copy of every
 * request that goes well.
 *
 * While nothing in a slab is needed it is written from its beginning again, so that a worker whose providers answer at
 * once uses the same few pages all the time. When more requests wait than there is room for, the oldest slab is taken
 * from those who would have kept it: they can't be sent again, and nothing else changes for them.
 */
import { BOUNDS } from '../core/bounds.js';

/** Most requests fit into the first, nearly all into the second; larger ones have memory of their own. */
const SMALL_BYTES = 64 * 1024;
const LARGE_BYTES = 1024 * 1024;

export class Slab {
  readonly buffer: Buffer;
  /** One of a ring; any other is not kept for longer than a socket reads from it. */
  readonly isShared: boolean;
  /** From here on it is free. */
  usedBytes = 0;
  /** Requests that a socket still reads from it. */
  pending = 0;
  /** Requests that may have to be sent again. */
  held = 0;
  /** Changes when the slab is taken from those that held something in it. */
  generation = 0;
  /** When it came into use, relative to the others of its ring. */
  turn = 0;

  constructor(bytes: number, isShared: boolean) {
    this.isShared = isShared;
    this.buffer = Buffer.allocUnsafeSlow(bytes);
  }
}

export class SlabRing {
  readonly #slabBytes: number;
  readonly #slabsMax: number;
  readonly #slabs: Slab[] = [];
  #current: Slab | null = null;
  #turn = 0;

  constructor(slabBytes: number, slabsMax: number) {
    this.#slabBytes = slabBytes;
    this.#slabsMax = slabsMax;
  }

  /**
   * A slab with so much room from `usedBytes` on.
   * @param bytes at most as large as a slab.
   */
  find(bytes: number): Slab {
    const slab = this.#current;
    if (slab !== null) {
      if (slab.held === 0 && slab.pending === 0) {
        slab.usedBytes = 0;
      }
      if (slab.usedBytes + bytes <= this.#slabBytes) {
        return slab;
      }
    }
    return this.#change();
  }

  #change(): Slab {
    const slab = this.#findFree() ?? this.#create() ?? this.#takeOldest();
    if (slab === null) {
      // Sockets read from all of them. This one is nobody's as soon as it is written.
      return new Slab(this.#slabBytes, false);
    }
    slab.usedBytes = 0;
    this.#turn += 1;
    slab.turn = this.#turn;
    this.#current = slab;
    return slab;
  }

  #findFree(): Slab | null {
    for (const slab of this.#slabs) {
      if (slab.held === 0 && slab.pending === 0) {
        return slab;
      }
    }
    return null;
  }

  #create(): Slab | null {
    if (this.#slabs.length >= this.#slabsMax) {
      return null;
    }
    const slab = new Slab(this.#slabBytes, true);
    this.#slabs.push(slab);
    return slab;
  }

  #takeOldest(): Slab | null {
    let oldest: Slab | null = null;
    for (const slab of this.#slabs) {
      if (slab.pending === 0 && (oldest === null || slab.turn < oldest.turn)) {
        oldest = slab;
      }
    }
    if (oldest !== null) {
      oldest.generation += 1;
      oldest.held = 0;
    }
    return oldest;
  }
}

const small = new SlabRing(SMALL_BYTES, BOUNDS.smallWriteSlabsMax);
const large = new SlabRing(LARGE_BYTES, BOUNDS.largeWriteSlabsMax);

/** A slab of the thread's with so much room, or, for a request beyond all slabs, one of its own. */
export function findSlab(bytes: number): Slab {
  if (bytes > LARGE_BYTES) {
    return new Slab(bytes, false);
  }
  return bytes > SMALL_BYTES ? large.find(bytes) : small.find(bytes);
}

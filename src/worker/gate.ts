/**
 * A gate that all workers of a server share: a word in shared memory. A thread that waits at it stands still as a whole,
 * so nothing it has begun goes on and nothing new begins; the kernel keeps what comes. That is how a new server holds
 * connections until it has the buckets, and how those of the old one are copied at rest, without a line on the way of an
 * exchange.
 */
import { BOUNDS } from '../core/bounds.js';

const CLOSED = 0;
const OPEN = 1;

export class Gate {
  readonly #word: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.#word = new Int32Array(memory);
  }

  static createMemory(): SharedArrayBuffer {
    return new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  }

  open(): void {
    Atomics.store(this.#word, 0, OPEN);
    Atomics.notify(this.#word, 0);
  }

  close(): void {
    Atomics.store(this.#word, 0, CLOSED);
  }

  /** Of a worker. Bounded, lest a primary that is gone leaves it standing for ever. */
  wait(): void {
    Atomics.wait(this.#word, 0, CLOSED, BOUNDS.gateMsMax);
  }
}

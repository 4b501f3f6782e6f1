/**
 * The only way into the shared memory: a few operations, each one step that no other thread can divide. Tests put a
 * memory in its place that stops before each step, and so try every order in which two threads can take them.
 */

/** Places are counted in cells of 8 bytes, for words in halves of them. */
export interface Memory {
  /** Without an order among other places: enough before a swap that compares. */
  peek64(cell: number): bigint;
  /** Ordered with everything before and after it in all threads, as the following are. */
  load64(cell: number): bigint;
  /** Writes `next` where `expected` stands; returns whether it did. */
  swap64(cell: number, expected: bigint, next: bigint): boolean;
  /** Of what never changes. */
  peek32(word: number): number;
  load32(word: number): number;
  store32(word: number, value: number): void;
  /** Adds modulo 2^32; returns what stood there before, as a signed number. */
  add32(word: number, amount: number): number;
  /** Of places that one thread alone writes, that never change, or that are good enough when they are late. */
  loadFloat(cell: number): number;
  storeFloat(cell: number, value: number): void;
}

/**
 * What production uses. Plain reads of 8 aligned bytes are whole on every machine that Node runs on in 64 bits; and
 * where V is read so, a divided read would only make the swap after it fail.
 */
export class SharedMemory implements Memory {
  readonly #cells: BigInt64Array;
  readonly #words: Int32Array;
  readonly #floats: Float64Array;

  constructor(buffer: SharedArrayBuffer) {
    this.#cells = new BigInt64Array(buffer);
    this.#words = new Int32Array(buffer);
    this.#floats = new Float64Array(buffer);
  }

  peek64(cell: number): bigint {
    return this.#cells[cell]!;
  }

  load64(cell: number): bigint {
    return Atomics.load(this.#cells, cell);
  }

  swap64(cell: number, expected: bigint, next: bigint): boolean {
    return Atomics.compareExchange(this.#cells, cell, expected, next) === expected;
  }

  peek32(word: number): number {
    return this.#words[word]!;
  }

  load32(word: number): number {
    return Atomics.load(this.#words, word);
  }

  store32(word: number, value: number): void {
    Atomics.store(this.#words, word, value);
  }

  add32(word: number, amount: number): number {
    return Atomics.add(this.#words, word, amount | 0);
  }

  loadFloat(cell: number): number {
    return this.#floats[cell]!;
  }

  storeFloat(cell: number, value: number): void {
    this.#floats[cell] = value;
  }
}

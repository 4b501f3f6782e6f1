/**
 * Header values that were right, each with a number that says what it stands for. A Map would do, but with a hundred
 * thousand of them V8 fetches a bucket, an entry and a string of each that shares the bucket, one after the other and none
 * of them in any cache: 1.4 µs a look-up, a twentieth of a request. Here it is a slot of four words and the text.
 *
 * A value is compared with another only where the whole of a hash is the same whose seed nobody knows, so the time that
 * takes says nothing about how much of a guessed one is right.
 */
import { randomInt } from 'node:crypto';
import { finish } from '../core/murmur.js';

const SLOTS_MIN = 256;
const BYTES_MIN = 4096;
const NOT_FOUND = -1;
const LATIN1_MAX = 0xff;

/** Words of a slot, all in one line of a cache: the hash, the value's place among the bytes, its length, its number. */
const SLOT_WORDS = 4;
const PLACE = 1;
const LENGTH = 2;
const NUMBER = 3;
/** No hash is 0. */
const FREE = 0;

export class RememberedKeys {
  readonly #seed = randomInt(2 ** 32);
  #slots = new Uint32Array(SLOTS_MIN * SLOT_WORDS);
  #bytes = Buffer.alloc(BYTES_MIN);
  #bytesUsed = 0;
  #count = 0;

  get size(): number {
    return this.#count;
  }

  /** The number, or -1. */
  get(value: string): number {
    const slots = this.#slots;
    const hash = this.#hash(value);
    for (let at = firstSlot(hash, slots.length); ; at = nextSlot(at, slots.length)) {
      const there = slots[at]!;
      if (there === FREE) return NOT_FOUND;
      if (there === hash && this.#isAt(at, value)) return slots[at + NUMBER]!;
    }
  }

  /** @param number from 0; the value must not be there yet. One with characters beyond Latin-1 is left out. */
  add(value: string, number: number): void {
    for (let i = 0; i < value.length; i += 1) {
      if (value.charCodeAt(i) > LATIN1_MAX) return;
    }
    // At half of its slots in use a search ends after two on the mean.
    if (this.#count * SLOT_WORDS * 2 >= this.#slots.length) this.#grow();
    const hash = this.#hash(value);
    const at = findFree(this.#slots, hash);
    this.#slots[at] = hash;
    this.#slots[at + PLACE] = this.#keep(value);
    this.#slots[at + LENGTH] = value.length;
    this.#slots[at + NUMBER] = number;
    this.#count += 1;
  }

  /** FNV-1a from an unknown beginning, mixed once more so that the low bits depend on all others. */
  #hash(value: string): number {
    let hash = this.#seed;
    for (let i = 0; i < value.length; i += 1) {
      hash = Math.imul(hash ^ value.charCodeAt(i), 0x01000193);
    }
    return finish(hash) || 1;
  }

  #isAt(at: number, value: string): boolean {
    if (this.#slots[at + LENGTH] !== value.length) return false;
    const bytes = this.#bytes;
    const place = this.#slots[at + PLACE]!;
    for (let i = 0; i < value.length; i += 1) {
      if (bytes[place + i] !== value.charCodeAt(i)) return false;
    }
    return true;
  }

  /** @returns where it begins. */
  #keep(value: string): number {
    const place = this.#bytesUsed;
    const bytesUsed = place + value.length;
    if (bytesUsed > this.#bytes.length) {
      const grown = Buffer.alloc(Math.max(this.#bytes.length * 2, bytesUsed));
      this.#bytes.copy(grown, 0, 0, place);
      this.#bytes = grown;
    }
    this.#bytes.write(value, place, 'latin1');
    this.#bytesUsed = bytesUsed;
    return place;
  }

  #grow(): void {
    const slots = this.#slots;
    const grown = new Uint32Array(slots.length * 2);
    for (let at = 0; at < slots.length; at += SLOT_WORDS) {
      const hash = slots[at]!;
      if (hash !== FREE) grown.set(slots.subarray(at, at + SLOT_WORDS), findFree(grown, hash));
    }
    this.#slots = grown;
  }
}

/** Where in the words a search for the hash begins; there is a power of two of them. */
function firstSlot(hash: number, words: number): number {
  return (hash * SLOT_WORDS) & (words - 1);
}

function nextSlot(at: number, words: number): number {
  return (at + SLOT_WORDS) & (words - 1);
}

function findFree(slots: Uint32Array, hash: number): number {
  let at = firstSlot(hash, slots.length);
  while (slots[at] !== FREE) at = nextSlot(at, slots.length);
  return at;
}

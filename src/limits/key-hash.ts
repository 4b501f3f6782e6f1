import { finish, mixBlock, turn } from '../core/murmur.js';

/**
 * A 64-bit hash of a text, keyed with two numbers that nobody outside knows. Two lanes of MurmurHash3's mixing:
 * no cryptography, but without the seeds nobody can choose texts that meet.
 */
export class KeyHash {
  readonly #seedLow: number;
  readonly #seedHigh: number;
  /** Of the text hashed last, both unsigned. */
  low = 0;
  high = 0;

  constructor(seedLow: number, seedHigh: number) {
    this.#seedLow = seedLow;
    this.#seedHigh = seedHigh;
  }

  hash(text: string): void {
    let low = this.#seedLow;
    let high = this.#seedHigh;
    for (let at = 0; at < text.length; at += 1) {
      const code = text.charCodeAt(at) + 1;
      low = mixBlock(low, code);
      high = turn(high ^ Math.imul(turn(Math.imul(code, 0x239b961b), 16), 0x38b34ae5), 17);
      high = (Math.imul(high + low, 5) + 0x561ccd1b) | 0;
    }
    low = finish(low ^ text.length);
    high = finish(high ^ low);
    this.low = finish((low + high) | 0);
    this.high = high;
  }
}

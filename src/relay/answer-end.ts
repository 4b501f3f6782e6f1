/**
 * How the last answer ended, from its usage on: a provider's answers end alike but for their figures, so the next one is
 * only compared with it, and its figures are read on the way. Whatever else there is to find out about such an end was
 * found out about the one it is like.
 *
 *   "usage":{"prompt_tokens":#,"completion_tokens":#,"total_tokens":#},"system_fingerprint":"fp_1"}
 *
 * Compared are eight bytes at a time, as numbers: reading them one by one from an array takes ten times as long. Two that
 * are equal have the same bits, but for zeros, which no text holds; and no number (NaN) is equal to none, so that the
 * answer is read as if there were no other.
 */
import { BOUNDS } from '../core/bounds.js';
import { FIGURES_MAX, type ScannedUsage } from './usage-scan.js';

const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const WORD_BYTES = 8;
/** Where answers end in many ways, they are not compared with one another for a while. */
const MISSES_MAX = 4;
const MISSES_AND_REST = 64;

export class AnswerEnd {
  readonly #bytes = new Uint8Array(BOUNDS.answerEndBytesMax);
  readonly #view = new DataView(this.#bytes.buffer);
  #length = 0;
  /** Of its figures, in their order: where they stand in it and what they say. */
  #figures = 0;
  readonly #starts = new Int32Array(FIGURES_MAX);
  readonly #ends = new Int32Array(FIGURES_MAX);
  readonly #places = new Int8Array(FIGURES_MAX);
  #misses = 0;
  /** Of the memory that was read last; mostly it is always the same. */
  #memory: ArrayBufferLike = new ArrayBuffer(0);
  #answers: DataView = new DataView(this.#memory);

  /** Fills `into` where the answer ends as the one before; false where it does not, and then `into` means nothing. */
  read(bytes: Buffer, into: ScannedUsage): boolean {
    if (this.#length === 0 || bytes[0] !== OPEN_BRACE) return false;
    const { buffer } = bytes;
    if (buffer !== this.#memory) {
      this.#memory = buffer;
      this.#answers = new DataView(buffer);
    }
    const view = this.#answers;
    into.forget();
    const first = bytes.byteOffset;
    let at = first + bytes.length;
    let end = this.#length;
    for (let figure = this.#figures - 1; figure >= 0; figure -= 1) {
      const from = this.#ends[figure]!;
      at -= end - from;
      if (at <= first || !this.#isLike(view, at, from, end)) return false;
      at = into.readBackwards(view, first, at, this.#places[figure]!);
      if (at < 0) return false;
      end = this.#starts[figure]!;
    }
    at -= end;
    if (at <= first || !this.#isLike(view, at, 0, end)) return false;
    if (view.getUint8(at - 1) === BACKSLASH) return false;
    this.#misses = 0;
    return true;
  }

  /** Whether what stands at `at` is what stands from `from` to `end` in the end that is known. */
  #isLike(view: DataView, at: number, from: number, end: number): boolean {
    const known = this.#view;
    const ahead = at - from;
    const lastWord = end - WORD_BYTES;
    let i = from;
    for (; i <= lastWord; i += WORD_BYTES) {
      if (view.getFloat64(ahead + i, true) !== known.getFloat64(i, true)) return false;
    }
    if (i < end && lastWord >= from) {
      return view.getFloat64(ahead + lastWord, true) === known.getFloat64(lastWord, true);
    }
    for (; i < end; i += 1) {
      if (view.getUint8(ahead + i) !== known.getUint8(i)) return false;
    }
    return true;
  }

  /** @param from of the name; `scanned` is what was read after it, nothing where it had to be parsed. */
  learn(bytes: Buffer, from: number, scanned: ScannedUsage): void {
    const { count } = scanned;
    if (count === 0) return;
    this.#misses += 1;
    this.#length = 0;
    if (this.#misses > MISSES_MAX) {
      if (this.#misses > MISSES_AND_REST) this.#misses = 0;
      return;
    }
    const length = bytes.length - from;
    if (length > this.#bytes.length) return;
    this.#bytes.set(bytes.subarray(from));
    this.#length = length;
    this.#figures = count;
    for (let figure = 0; figure < count; figure += 1) {
      this.#starts[figure] = scanned.starts[figure]! - from;
      this.#ends[figure] = scanned.ends[figure]! - from;
      this.#places[figure] = scanned.places[figure]!;
    }
  }
}

/**
 * How the last answer ended, from its usage on: a provider's answers end alike but for their figures, so the next one is
 * only compared, and its figures are read on the way.
 *
 *   "usage":{"prompt_tokens":#,"completion_tokens":#,"total_tokens":#},"system_fingerprint":"fp_1"}
 *
 * Whatever else would be found out about such an end was found out about the one it is like.
 */
import { BOUNDS } from '../core/bounds.js';
import { isFigureAt, type ScannedUsage } from './usage-scan.js';

const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const BYTES = 256;
const MISSES_FOR_A_REST = 4;
const REST = 64;

export class AnswerEnd {
  /** From the last byte backwards: a byte, or BYTES and the place of a figure of any length. */
  readonly #steps = new Int16Array(BOUNDS.answerEndBytesMax);
  #count = 0;
  /** Where answers end in many ways, they are not compared with one another for a while. */
  #misses = 0;

  /** Fills `into` where the answer ends as the one before; false where it does not, and then `into` means nothing. */
  read(bytes: Buffer, into: ScannedUsage): boolean {
    const count = this.#count;
    if (count === 0 || count >= bytes.length || bytes[0] !== OPEN_BRACE) return false;
    into.forget();
    let at = bytes.length;
    for (let i = 0; i < count; i += 1) {
      const step = this.#steps[i]!;
      if (step < BYTES) {
        at -= 1;
        if (at < 1 || bytes[at] !== step) return false;
      } else {
        at = into.readBackwards(bytes, at, step - BYTES);
        if (at < 1) return false;
      }
    }
    if (bytes[at - 1] === BACKSLASH) return false;
    this.#misses = 0;
    return true;
  }

  /** @param from of the name; `scanned` is what was read after it, nothing where it had to be parsed. */
  learn(bytes: Buffer, from: number, scanned: ScannedUsage): void {
    if (scanned.count === 0) return;
    this.#misses += 1;
    if (this.#misses > MISSES_FOR_A_REST) {
      if (this.#misses > REST) this.#misses = 0;
      this.#count = 0;
      return;
    }
    let count = 0;
    let figure = scanned.count - 1;
    for (let at = bytes.length - 1; at >= from; at -= 1) {
      if (count === this.#steps.length) {
        count = 0;
        break;
      }
      if (figure >= 0 && isFigureAt(scanned, figure, at)) {
        this.#steps[count] = BYTES + scanned.places[figure]!;
        at = scanned.starts[figure]!;
        figure -= 1;
      } else {
        this.#steps[count] = bytes[at]!;
      }
      count += 1;
    }
    this.#count = count;
  }
}

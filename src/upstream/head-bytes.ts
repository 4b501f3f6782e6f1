/**
 * Looks at the bytes of an answer's head without making text of them. Values, which are most of a head, are checked
 * four bytes at a time, and so are they compared with the usual ones.
 */

const TAB = 0x09;
export const LF = 0x0a;
export const CR = 0x0d;
export const SPACE = 0x20;
export const HYPHEN = 0x2d;
export const ZERO = 0x30;
const COLON = 0x3a;
export const SMALL_X = 0x78;
const DELETE = 0x7f;
/** The bit in which small letters differ from capitals. */
export const LETTER_CASE = 0x20;
const LETTER_CASES = 0x20202020;

const IS_DIGIT = markBytes(/[0-9]/);
const IS_TOKEN = markBytes(/[!#$%&'*+\-.^_`|~0-9A-Za-z]/);

function markBytes(allowed: RegExp): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) =>
    allowed.test(String.fromCharCode(byte)) ? 1 : 0,
  );
}

let viewed: Buffer = Buffer.alloc(0);
/** Reads four bytes of `viewed` at any place. Nearly always it is the one buffer that all sockets read into. */
let view: DataView = new DataView(viewed.buffer, viewed.byteOffset, 0);

/** To be called before the other functions here are given `bytes`. */
export function viewBytes(bytes: Buffer): void {
  if (bytes !== viewed) {
    viewed = bytes;
    view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }
}

/** Text that bytes are compared with, four at a time. */
export class FixedText {
  readonly length: number;
  readonly #ignored: number;
  readonly #words: Int32Array;
  /** Of the last word: less than the whole where the text is shorter than a word. */
  readonly #lastMask: number;
  readonly #last: number;

  /**
   * @param ignored bits of each four bytes that are taken as set. With LETTER_CASES a text of small letters, `-`, `/` and
   *   `=` is found in capitals too, and no other valid bytes of a head are like it: those would be control characters.
   */
  constructor(text: string, ignored = 0) {
    this.length = text.length;
    this.#ignored = ignored;
    const bytes = Buffer.from(text.padEnd(4, '\0'), 'latin1');
    this.#words = Int32Array.from({ length: text.length >> 2 }, (_, i) => bytes.readInt32LE(i * 4));
    this.#lastMask = text.length < 4 ? (1 << (text.length * 8)) - 1 : -1;
    this.#last = bytes.readInt32LE(Math.max(0, text.length - 4));
  }

  /** @param at there are at least as many bytes in `viewed` as the text has, and at least four. */
  isAt(at: number): boolean {
    const words = this.#words;
    const ignored = this.#ignored;
    for (let i = 0; i < words.length; i += 1) {
      if ((view.getInt32(at + i * 4, true) | ignored) !== words[i]) {
        return false;
      }
    }
    const lastAt = this.length < 4 ? at : at + this.length - 4;
    return ((view.getInt32(lastAt, true) | ignored) & this.#lastMask) === this.#last;
  }
}

export function createCaseless(text: string): FixedText {
  return new FixedText(text, LETTER_CASES);
}

/** @returns where the colon is behind a token that begins at `at`; -1 if that is not what there is. */
export function findNameEnd(bytes: Buffer, at: number, limit: number): number {
  let i = at;
  while (i < limit && IS_TOKEN[bytes[i] as number] === 1) {
    i += 1;
  }
  return i > at && i < limit && bytes[i] === COLON ? i : -1;
}

/**
 * @param at within a line.
 * @returns where the CR LF is that ends it; -1 when there are other control characters before, or no end.
 */
export function findLineEnd(bytes: Buffer, at: number, limit: number): number {
  let i = at;
  for (;;) {
    while (i + 4 <= limit && isPlainWord(view.getInt32(i, true))) {
      i += 4;
    }
    // Here is the end, a tab, or nearly the end of what there is.
    while (i < limit && isPlainByte(bytes[i] as number)) {
      i += 1;
    }
    if (i >= limit || bytes[i] !== TAB) {
      return i + 1 < limit && isEnd(bytes, i) ? i : -1;
    }
    i += 1;
  }
}

export function isEnd(bytes: Buffer, at: number): boolean {
  return bytes[at] === CR && bytes[at + 1] === LF;
}

function isPlainByte(byte: number): boolean {
  return byte >= SPACE && byte !== DELETE;
}

/**
 * Whether no byte of the four is below 0x20 or is 0x7f: subtracted from or added to, such a byte's high bit comes to be
 * set. Of a carry it may say no where it could say yes, never the other way.
 */
function isPlainWord(word: number): boolean {
  return (((word - 0x20202020) | (word + 0x01010101)) & ~word & 0x80808080) === 0;
}

/** Whether `text`, in Latin-1 and without its CR LF, is a header line. */
export function isHeaderLine(text: string): boolean {
  const bytes = Buffer.from(`${text}\r\n`, 'latin1');
  viewBytes(bytes);
  const colon = findNameEnd(bytes, 0, bytes.length);
  return colon >= 0 && findLineEnd(bytes, colon + 1, bytes.length) === text.length;
}

/** What may stand around a value (RFC 9110 section 5.6.3). Another byte is a part of it, such as Latin-1's no-break space. */
function isSpace(byte: number): boolean {
  return byte === SPACE || byte === TAB;
}

export function skipSpace(bytes: Buffer, from: number, to: number): number {
  while (from < to && isSpace(bytes[from] as number)) {
    from += 1;
  }
  return from;
}

export function dropSpace(bytes: Buffer, from: number, to: number): number {
  while (to > from && isSpace(bytes[to - 1] as number)) {
    to -= 1;
  }
  return to;
}

export function areDigits(bytes: Buffer, from: number, to: number): boolean {
  return skipDigits(bytes, from, to) === to;
}

export function skipDigits(bytes: Buffer, from: number, to: number): number {
  let i = from;
  while (i < to && IS_DIGIT[bytes[i] as number] === 1) {
    i += 1;
  }
  return i;
}

/** The number that digits make, fifteen at most. */
export function readDigits(bytes: Buffer, from: number, to: number): number {
  let value = 0;
  for (let i = from; i < to; i += 1) {
    value = value * 10 + (bytes[i] as number) - ZERO;
  }
  return value;
}

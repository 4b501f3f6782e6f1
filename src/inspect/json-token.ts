/**
 * Single tokens of JSON, read where they lie in the body: where a string ends, which key it is, what
 * value a range holds.
 */
import { isUtf8 } from 'node:buffer';

/** The top-level keys that Weir must know; their index is what `matchKey` gives. */
export const SCANNED_KEYS = [
  'model',
  'stream',
  'max_tokens',
  'max_completion_tokens',
  'max_output_tokens',
  'stream_options',
  'n',
  'user',
] as const;

export type ScannedKey = (typeof SCANNED_KEYS)[number];

/** A key that is none of SCANNED_KEYS. */
export const OTHER_KEY = -1;
/** A key with an escape that JSON does not know. */
export const BROKEN_KEY = -2;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SPACE = 0x20;
const DELETE = 0x7f;

const KEY_BYTES = SCANNED_KEYS.map((key) => Buffer.from(key, 'latin1'));
const KEY_LENGTH_MAX = Math.max(...SCANNED_KEYS.map((key) => key.length));
/** A key's index by its length: no two are equally long, which the table's making checks. */
const KEY_OF_LENGTH = buildKeyLengths();
/** `\u006d` takes six bytes for one. */
const ESCAPED_KEY_LENGTH_MAX = KEY_LENGTH_MAX * 6;
/** A thread scans one key at a time, so all scans share the place in which escapes are resolved. */
const plainKey = new Uint8Array(KEY_LENGTH_MAX);

function buildKeyLengths(): Int8Array {
  const lengths = new Int8Array(KEY_LENGTH_MAX + 1).fill(OTHER_KEY);
  SCANNED_KEYS.forEach((key, index) => {
    if (lengths[key.length] !== OTHER_KEY)
      throw new Error(`two scanned keys are as long as ${key}`);
    lengths[key.length] = index;
  });
  return lengths;
}

/** Which key stands between the quotes at start - 1 and end: an index, OTHER_KEY or BROKEN_KEY. */
export function matchKey(bytes: Uint8Array, start: number, end: number): number {
  const index = matchPlainKey(bytes, start, end);
  if (index !== OTHER_KEY || end - start > ESCAPED_KEY_LENGTH_MAX) return index;
  for (let at = start; at < end; at++) {
    if (bytes[at] === BACKSLASH) return matchEscapedKey(bytes, start, end);
  }
  return OTHER_KEY;
}

function matchPlainKey(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  if (length > KEY_LENGTH_MAX) return OTHER_KEY;
  const index = KEY_OF_LENGTH[length]!;
  if (index === OTHER_KEY) return OTHER_KEY;
  const key = KEY_BYTES[index]!;
  for (let i = 0; i < length; i++) {
    if (bytes[start + i] !== key[i]) return OTHER_KEY;
  }
  return index;
}

function matchEscapedKey(bytes: Uint8Array, start: number, end: number): number {
  let length = 0;
  let isPlain = true;
  let at = start;
  while (at < end) {
    let code = bytes[at]!;
    if (code !== BACKSLASH) at++;
    else if (bytes[at + 1] === 0x75) {
      code = readHex(bytes, at + 2, end);
      if (code < 0) return BROKEN_KEY;
      at += 6;
    } else {
      // None of the keys holds a character that has a short escape: one that is known is just another key.
      if (!isShortEscape(bytes[at + 1]!)) return BROKEN_KEY;
      code = DELETE;
      at += 2;
    }
    // What does not fit is another key; the rest is still read, as a broken escape may follow.
    if (code >= DELETE || length === KEY_LENGTH_MAX) isPlain = false;
    else if (isPlain) plainKey[length++] = code;
  }
  return isPlain ? matchPlainKey(plainKey, 0, length) : OTHER_KEY;
}

/** Four hexadecimal digits, or -1. */
function readHex(bytes: Uint8Array, start: number, end: number): number {
  if (start + 4 > end) return -1;
  let code = 0;
  for (let at = start; at < start + 4; at++) {
    const byte = bytes[at]!;
    const lower = byte | 0x20;
    if (byte >= 0x30 && byte <= 0x39) code = code * 16 + byte - 0x30;
    else if (lower >= 0x61 && lower <= 0x66) code = code * 16 + lower - 0x57;
    else return -1;
  }
  return code;
}

/** `"` `\` `/` `b` `f` `n` `r` `t` after a backslash. */
function isShortEscape(byte: number): boolean {
  switch (byte) {
    case QUOTE:
    case BACKSLASH:
    case 0x2f:
    case 0x62:
    case 0x66:
    case 0x6e:
    case 0x72:
    case 0x74:
      return true;
    default:
      return false;
  }
}

/** The string that the token with its quotes stands for; null if the range holds no valid string. */
export function readJsonString(buffer: Buffer, start: number, end: number): string | null {
  if (start < 0 || end > buffer.length || end - start < 2) return null;
  if (buffer[start] !== QUOTE || buffer[end - 1] !== QUOTE) return null;
  for (let at = start + 1; at < end - 1; at++) {
    const byte = buffer[at]!;
    if (byte < SPACE || byte === QUOTE || byte === BACKSLASH || byte >= DELETE) {
      return readUnusualString(buffer, start, end);
    }
  }
  return buffer.toString('latin1', start + 1, end - 1);
}

/** A string with escapes, with characters beyond ASCII, or one that is not valid. */
function readUnusualString(buffer: Buffer, start: number, end: number): string | null {
  // Decoding would turn every invalid byte into the same character, and different names into one.
  if (!isUtf8(buffer.subarray(start, end))) return null;
  const value = parseToken(buffer.toString('utf8', start, end));
  return typeof value === 'string' ? value : null;
}

/**
 * The whole number that the token stands for, as JSON.parse has it: `16`, also `16.0` and `1.6e1`, and
 * beyond 2^53 the nearest number that a double holds. null for anything else, and for what is infinite.
 */
export function readJsonInteger(buffer: Buffer, start: number, end: number): number | null {
  if (start < 0 || end > buffer.length || end <= start) return null;
  const first = buffer[start]!;
  // Up to fifteen digits every sum is exact.
  if (first >= 0x31 && first <= 0x39 && end - start <= 15) {
    let value = 0;
    let at = start;
    for (; at < end; at++) {
      const digit = buffer[at]! - 0x30;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    if (at === end) return value;
  }
  if (first !== 0x2d && (first < 0x30 || first > 0x39)) return null;
  const value = parseToken(buffer.toString('latin1', start, end));
  // Adding zero makes a plain zero of -0.
  return typeof value === 'number' && Number.isInteger(value) ? value + 0 : null;
}

/** null if the range holds neither `true` nor `false`. */
export function readJsonBoolean(buffer: Buffer, start: number, end: number): boolean | null {
  if (start < 0 || end > buffer.length) return null;
  if (isToken(TRUE, buffer, start, end)) return true;
  return isToken(FALSE, buffer, start, end) ? false : null;
}

const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');

function isToken(token: Buffer, buffer: Buffer, start: number, end: number): boolean {
  if (end - start !== token.length) return false;
  for (let i = 0; i < token.length; i++) {
    if (buffer[start + i] !== token[i]) return false;
  }
  return true;
}

/** The JSON token for a string, quotes included. */
export function encodeJsonString(value: string): Buffer {
  // JSON.stringify escapes lone surrogates, so what it gives is always encodable.
  return Buffer.from(JSON.stringify(value), 'utf8');
}

function parseToken(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

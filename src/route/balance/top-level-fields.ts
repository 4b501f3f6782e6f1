/**
 * Finds where the values of a few keys of a JSON object begin, in bytes that may be cut off or no JSON at all. Other
 * than inspect/json-scan.ts it judges nothing: it serves guesses about where to send a request.
 */

import { findStringEnd, skipJsonSpace } from '../../core/json-bytes.js';

const QUOTE = 0x22;
const COLON = 0x3a;
const SPACE = 0x20;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const COMMA = 0x2c;

export class JsonFields {
  readonly #keys: readonly Uint8Array[];
  /** Where each key's value begins, in the order of the keys; -1 where it was not found. Of two the first. */
  readonly starts: Int32Array;

  constructor(keys: readonly string[]) {
    this.#keys = keys.map((key) => Buffer.from(key));
    this.starts = new Int32Array(keys.length);
  }

  /** Looks at the object's own keys, from `start`, where it begins, to `end`. */
  find(bytes: Uint8Array, start: number, end: number): void {
    this.starts.fill(-1);
    let at = skipJsonSpace(bytes, start, end);
    if (bytes[at] !== OPEN_BRACE) {
      return;
    }
    at = skipJsonSpace(bytes, at + 1, end);
    while (at < end && bytes[at] === QUOTE) {
      const keyEnd = findValueEnd(bytes, at, end);
      const colonAt = skipJsonSpace(bytes, keyEnd, end);
      if (colonAt >= end || bytes[colonAt] !== COLON) {
        return;
      }
      const valueAt = skipJsonSpace(bytes, colonAt + 1, end);
      if (valueAt >= end) {
        return;
      }
      this.#match(bytes, at + 1, keyEnd - 1, valueAt);
      at = skipJsonSpace(bytes, findValueEnd(bytes, valueAt, end), end);
      if (at >= end || bytes[at] !== COMMA) {
        return;
      }
      at = skipJsonSpace(bytes, at + 1, end);
    }
  }

  #match(bytes: Uint8Array, start: number, end: number, valueAt: number): void {
    for (let index = 0; index < this.#keys.length; index += 1) {
      const key = this.#keys[index]!;
      if (key.length === end - start && this.starts[index] === -1) {
        let at = 0;
        while (at < key.length && bytes[start + at] === key[at]) {
          at += 1;
        }
        if (at === key.length) {
          this.starts[index] = valueAt;
          return;
        }
      }
    }
  }
}

/** Right after the value that begins at `start`, or `end` where that comes first. */
export function findValueEnd(bytes: Uint8Array, start: number, end: number): number {
  let depth = 0;
  let at = start;
  while (at < end) {
    const byte = bytes[at]!;
    if (byte === QUOTE) {
      const quoteAt = findStringEnd(bytes, at + 1, end);
      at = quoteAt < 0 ? end : quoteAt + 1;
      if (depth === 0) {
        return at;
      }
      continue;
    }
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      depth += 1;
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      depth -= 1;
      if (depth <= 0) {
        // Of a number or a word the bracket is not its own.
        return depth === 0 ? at + 1 : at;
      }
    } else if (depth === 0 && (byte === COMMA || byte <= SPACE)) {
      return at;
    }
    at += 1;
  }
  return end;
}

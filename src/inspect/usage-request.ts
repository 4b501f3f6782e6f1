/**
 * Makes a streamed OpenAI request ask for usage where its client did not: without `stream_options.include_usage` the
 * provider never says what a stream has used. Nothing is parsed and written anew; the edits say which bytes change, and
 * all others stay as they are.
 *
 * Whoever applies them must take out of the answer what the client did not ask for (relay/usage-filter.ts).
 */
import { findStringEnd, isJsonSpace, skipJsonSpace } from '../core/json-bytes.js';
import { readJsonBoolean } from './json-token.js';

/** The bytes from `start` to `end` give way to `insert`. */
export interface BodyEdit {
  readonly start: number;
  readonly end: number;
  readonly insert: Buffer;
}

interface Range {
  readonly start: number;
  readonly end: number;
}

/** Where a scan found the values of these keys; -1 for nowhere. */
export interface UsageRanges {
  readonly stream: Range;
  readonly stream_options: Range;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACE = 0x7d;
const CLOSE_BRACKET = 0x5d;
const BACKSLASH = 0x5c;

const NAME = Buffer.from('include_usage');
const MEMBER = Buffer.from('"stream_options":{"include_usage":true},');
const OBJECT = Buffer.from('{"include_usage":true}');
const INNER = Buffer.from('"include_usage":true');
const INNER_AND_MORE = Buffer.from('"include_usage":true,');
const TRUE = Buffer.from('true');

/** Whether streams of this API say what they used only if asked: `/v1/chat/completions` and `/v1/completions`. */
export function mustAskForUsage(path: string): boolean {
  return path === '/v1/chat/completions' || path === '/v1/completions';
}

/**
 * The edit that makes a request for a stream ask for usage; null where it needs none or had better be left alone: it is no
 * stream, it asks already, or its `stream_options` are not what they should be, which the provider will say.
 *
 * @param bytes the whole body, which a scan has found complete
 */
export function planUsageRequest(bytes: Buffer, ranges: UsageRanges): BodyEdit | null {
  const { stream, stream_options: options } = ranges;
  if (stream.start < 0 || readJsonBoolean(bytes, stream.start, stream.end) !== true) {
    return null;
  }
  if (options.start < 0) {
    // There is a member already, `stream`, so a comma is due.
    const braceAt = skipJsonSpace(bytes, 0, bytes.length);
    return bytes[braceAt] === OPEN_BRACE ? insert(braceAt + 1, MEMBER) : null;
  }
  if (bytes[options.start] === OPEN_BRACE) {
    return planWithin(bytes, options.start, options.end);
  }
  return isLiteral(bytes, options.start, options.end, 'null')
    ? { start: options.start, end: options.end, insert: OBJECT }
    : null;
}

function planWithin(bytes: Buffer, start: number, end: number): BodyEdit | null {
  let at = skipJsonSpace(bytes, start + 1, end);
  if (bytes[at] === CLOSE_BRACE) {
    return at === end - 1 ? insert(start + 1, INNER) : null;
  }
  let found: Range | null = null;
  while (at < end) {
    if (bytes[at] !== QUOTE) return null;
    const quoteAt = findStringEnd(bytes, at + 1, end);
    if (quoteAt < 0) return null;
    const isWanted = bytes.compare(NAME, 0, NAME.length, at + 1, quoteAt) === 0;
    // With an escape it may be the same name in other letters.
    if (!isWanted && hasBackslash(bytes, at + 1, quoteAt)) return null;
    const colonAt = skipJsonSpace(bytes, quoteAt + 1, end);
    if (bytes[colonAt] !== COLON) return null;
    const valueAt = skipJsonSpace(bytes, colonAt + 1, end);
    const stop = findValueEnd(bytes, valueAt, end);
    if (stop < 0) return null;
    if (isWanted) {
      if (found !== null) return null;
      found = { start: valueAt, end: trimSpace(bytes, valueAt, stop) };
    }
    if (bytes[stop] === CLOSE_BRACE) {
      return stop === end - 1 ? planValue(bytes, start, found) : null;
    }
    at = skipJsonSpace(bytes, stop + 1, end);
  }
  return null;
}

function planValue(bytes: Buffer, start: number, found: Range | null): BodyEdit | null {
  if (found === null) {
    return insert(start + 1, INNER_AND_MORE);
  }
  const isOff =
    isLiteral(bytes, found.start, found.end, 'false') ||
    isLiteral(bytes, found.start, found.end, 'null');
  return isOff ? { start: found.start, end: found.end, insert: TRUE } : null;
}

/** The offset of the comma or brace that follows the value; -1 where there is none, or no value. */
function findValueEnd(bytes: Buffer, from: number, end: number): number {
  let depth = 0;
  for (let at = from; at < end; at += 1) {
    switch (bytes[at]) {
      case QUOTE: {
        const quoteAt = findStringEnd(bytes, at + 1, end);
        if (quoteAt < 0) return -1;
        at = quoteAt;
        break;
      }
      case OPEN_BRACE:
      case OPEN_BRACKET:
        depth += 1;
        break;
      case CLOSE_BRACKET:
      case CLOSE_BRACE:
        if (depth === 0) return at > from ? at : -1;
        depth -= 1;
        break;
      case COMMA:
        if (depth === 0) return at > from ? at : -1;
        break;
    }
  }
  return -1;
}

function insert(at: number, bytes: Buffer): BodyEdit {
  return { start: at, end: at, insert: bytes };
}

function isLiteral(bytes: Buffer, start: number, end: number, literal: string): boolean {
  return end - start === literal.length && bytes.toString('latin1', start, end) === literal;
}

function hasBackslash(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) {
    if (bytes[at] === BACKSLASH) return true;
  }
  return false;
}

function trimSpace(bytes: Buffer, start: number, end: number): number {
  let at = end;
  while (at > start && isJsonSpace(bytes[at - 1])) at -= 1;
  return at;
}

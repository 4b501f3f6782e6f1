/**
 * Finds the values of a few keys at the top level of a JSON object, without parsing the body and
 * without making a string of it. JSON.parse of a usual chat request costs 2 µs and garbage; this costs
 * a fraction of it, because nearly all bytes of such a request lie in one long string, and a long
 * string is jumped over natively.
 *
 * It is not a validator: `{"model":"a","n":[1,,NaN]}` passes, and the provider may refuse it. But it must
 * never take a nested `model` for a top-level one, nor read another model than the provider does, since
 * limits and routes hang on it. So whatever could make two parsers disagree about where a value ends
 * (comments, single quotes, brackets that do not match, something after the object) is refused.
 *
 * A scan can be continued: called again with a longer prefix of the same body, it goes on where it
 * stopped, so that a body in many pieces is read once. Nothing recurses, and no byte is looked at more
 * than a few times, whatever the body holds.
 */
import { findStringEnd } from '../core/json-bytes.js';
import { BROKEN_KEY, matchKey, OTHER_KEY, SCANNED_KEYS, type ScannedKey } from './json-token.js';

export {
  readJsonBoolean,
  readJsonInteger,
  readJsonString,
  SCANNED_KEYS,
  type ScannedKey,
} from './json-token.js';

/** A range of bytes in the body; both are -1 while there is none. */
export interface ByteRange {
  start: number;
  end: number;
}

export type JsonScanStatus =
  /** The whole body is one object. */
  | 'complete'
  /** Well so far, and more bytes are to come. Keys that have a range are fully seen. */
  | 'incomplete'
  /** The body does not begin with `{` after whitespace. A byte order mark, which RFC 8259 forbids, is no whitespace. */
  | 'not-object'
  | 'malformed'
  /** `model` stands there twice; parsers differ in which one wins. */
  | 'duplicate-key';

/** What a scan has found, and where it goes on. Reusable through `resetJsonScan`. */
export interface JsonScan extends Readonly<Record<ScannedKey, ByteRange>> {
  status: JsonScanStatus;
  /** Bytes that need not be looked at again. It and all that follows belong to the scanner. */
  position: number;
  state: number;
  tokenStart: number;
  keyIndex: number;
  /** Open brackets inside of the object. */
  depth: number;
  /** Kinds of the innermost open brackets, one bit each: 1 for `{`. */
  kinds: number;
  /** Kinds of those outside of them, KINDS_EACH levels an entry. Stays empty for all but hostile bodies. */
  readonly outerKinds: number[];
  /** The ranges again, in the order of SCANNED_KEYS. */
  readonly ranges: readonly ByteRange[];
}

const BEFORE_OBJECT = 0;
const FIRST_KEY = 1;
const NEXT_KEY = 2;
const IN_KEY = 3;
const BEFORE_COLON = 4;
const BEFORE_VALUE = 5;
const IN_STRING = 6;
const IN_SCALAR = 7;
const IN_NESTED = 8;
const IN_NESTED_STRING = 9;
const AFTER_VALUE = 10;
const AFTER_OBJECT = 11;
const FAILED = 12;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

const MODEL_INDEX: number = SCANNED_KEYS.indexOf('model');
/** As many bits as V8 keeps in a small integer in all its builds. */
const KINDS_EACH = 30;

/** Classes of bytes outside of strings. Letters of any kind pass as part of a number or literal. */
const ILLEGAL = 0;
const SCALAR = 1;
const SPACE = 2;
const MARK = 3;
const QUOTED = 4;
const OPENING = 5;
const CLOSING = 6;
const BYTE_CLASS = buildByteClasses();

function buildByteClasses(): Uint8Array {
  const classes = new Uint8Array(256).fill(ILLEGAL);
  const assign = (text: string, byteClass: number): void => {
    for (const char of text) classes[char.charCodeAt(0)] = byteClass;
  };
  assign('0123456789+-.abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ', SCALAR);
  assign(' \t\n\r', SPACE);
  assign(',:', MARK);
  assign('"', QUOTED);
  assign('{[', OPENING);
  assign('}]', CLOSING);
  return classes;
}

export function createJsonScan(): JsonScan {
  const ranges = SCANNED_KEYS.map((): ByteRange => ({ start: -1, end: -1 }));
  const rangeOf = (key: ScannedKey): ByteRange => ranges[SCANNED_KEYS.indexOf(key)]!;
  return {
    status: 'incomplete',
    model: rangeOf('model'),
    stream: rangeOf('stream'),
    max_tokens: rangeOf('max_tokens'),
    max_completion_tokens: rangeOf('max_completion_tokens'),
    max_output_tokens: rangeOf('max_output_tokens'),
    stream_options: rangeOf('stream_options'),
    n: rangeOf('n'),
    user: rangeOf('user'),
    position: 0,
    state: BEFORE_OBJECT,
    tokenStart: 0,
    keyIndex: OTHER_KEY,
    depth: 0,
    kinds: 0,
    outerKinds: [],
    ranges,
  };
}

/** Makes a scan ready for another body. */
export function resetJsonScan(scan: JsonScan): void {
  scan.status = 'incomplete';
  scan.position = 0;
  scan.state = BEFORE_OBJECT;
  scan.tokenStart = 0;
  scan.keyIndex = OTHER_KEY;
  scan.depth = 0;
  scan.kinds = 0;
  scan.outerKinds.length = 0;
  for (let i = 0; i < scan.ranges.length; i++) {
    const range = scan.ranges[i]!;
    range.start = -1;
    range.end = -1;
  }
}

/**
 * Scans on to the end of `bytes`, which hold the body from its first byte: the bytes of the last call
 * and more, in the same memory or another. A status other than `incomplete` is final.
 */
export function scanJson(scan: JsonScan, bytes: Uint8Array, isComplete: boolean): JsonScanStatus {
  if (scan.status !== 'incomplete') return scan.status;
  const length = bytes.length;
  let at = scan.position;

  while (at < length) {
    switch (scan.state) {
      case IN_KEY:
      case IN_STRING:
      case IN_NESTED_STRING: {
        const quoteAt = findStringEnd(bytes, at, bytes.length);
        at = quoteAt < 0 ? length : quoteAt + 1;
        if (quoteAt >= 0) endString(scan, bytes, at);
        break;
      }
      case IN_SCALAR:
        while (at < length && BYTE_CLASS[bytes[at]!] === SCALAR) at++;
        // Only the byte after it tells that a number is over.
        if (at < length) endValue(scan, at);
        break;
      case IN_NESTED:
        at = skipNested(scan, bytes, at);
        break;
      default: {
        const byte = bytes[at]!;
        if (BYTE_CLASS[byte] !== SPACE) takeMark(scan, byte, at);
        at++;
      }
    }
    if (scan.state === FAILED) return scan.status;
  }

  scan.position = at;
  if (isComplete) {
    if (scan.state === AFTER_OBJECT) scan.status = 'complete';
    else fail(scan, scan.state === BEFORE_OBJECT ? 'not-object' : 'malformed');
  }
  return scan.status;
}

/** Takes a byte at the top level that lies outside of keys and values, or begins one. */
function takeMark(scan: JsonScan, byte: number, at: number): void {
  switch (scan.state) {
    case BEFORE_OBJECT:
      if (byte === OPEN_BRACE) scan.state = FIRST_KEY;
      else fail(scan, 'not-object');
      return;
    case FIRST_KEY:
    case NEXT_KEY:
      scan.tokenStart = at;
      if (byte === QUOTE) scan.state = IN_KEY;
      else if (byte === CLOSE_BRACE && scan.state === FIRST_KEY) scan.state = AFTER_OBJECT;
      else fail(scan, 'malformed');
      return;
    case BEFORE_COLON:
      if (byte === COLON) scan.state = BEFORE_VALUE;
      else fail(scan, 'malformed');
      return;
    case BEFORE_VALUE: {
      scan.tokenStart = at;
      const byteClass = BYTE_CLASS[byte]!;
      if (byteClass === QUOTED) scan.state = IN_STRING;
      else if (byteClass === SCALAR) scan.state = IN_SCALAR;
      else if (byteClass === OPENING) {
        scan.depth = 1;
        scan.kinds = byte === OPEN_BRACE ? 1 : 0;
        scan.state = IN_NESTED;
      } else fail(scan, 'malformed');
      return;
    }
    case AFTER_VALUE:
      if (byte === COMMA) scan.state = NEXT_KEY;
      else if (byte === CLOSE_BRACE) scan.state = AFTER_OBJECT;
      else fail(scan, 'malformed');
      return;
    default:
      // After the object only whitespace may follow; some parsers would read a second object.
      fail(scan, 'malformed');
  }
}

/** Ends the string whose last byte lies before `end`. */
function endString(scan: JsonScan, bytes: Uint8Array, end: number): void {
  if (scan.state === IN_NESTED_STRING) scan.state = IN_NESTED;
  else if (scan.state === IN_STRING) endValue(scan, end);
  else {
    scan.keyIndex = matchKey(bytes, scan.tokenStart + 1, end - 1);
    scan.state = BEFORE_COLON;
    // A lenient parser could read any name out of an escape that JSON does not know.
    if (scan.keyIndex === BROKEN_KEY) fail(scan, 'malformed');
    if (scan.keyIndex === MODEL_INDEX && scan.model.start >= 0) fail(scan, 'duplicate-key');
  }
}

/** Ends a value of the top level. Of keys other than `model` the last one wins, as in most parsers. */
function endValue(scan: JsonScan, end: number): void {
  if (scan.keyIndex !== OTHER_KEY) {
    const range = scan.ranges[scan.keyIndex]!;
    range.start = scan.tokenStart;
    range.end = end;
  }
  scan.state = AFTER_VALUE;
}

function fail(scan: JsonScan, status: JsonScanStatus): void {
  scan.status = status;
  scan.state = FAILED;
}

/** Goes on inside of an array or object until it is closed or the bytes end; gives the next position. */
function skipNested(scan: JsonScan, bytes: Uint8Array, from: number): number {
  const length = bytes.length;
  let { depth, kinds } = scan;
  let at = from;
  while (at < length) {
    const byte = bytes[at++]!;
    const byteClass = BYTE_CLASS[byte]!;
    if (byteClass === QUOTED) {
      const quoteAt = findStringEnd(bytes, at, bytes.length);
      if (quoteAt < 0) {
        scan.state = IN_NESTED_STRING;
        at = length;
      } else at = quoteAt + 1;
    } else if (byteClass === OPENING) {
      if (depth % KINDS_EACH === 0) {
        scan.outerKinds.push(kinds);
        kinds = 0;
      }
      kinds = (kinds << 1) | (byte === OPEN_BRACE ? 1 : 0);
      depth++;
    } else if (byteClass === CLOSING) {
      if ((kinds & 1) !== (byte === CLOSE_BRACE ? 1 : 0)) {
        fail(scan, 'malformed');
        return at;
      }
      kinds >>= 1;
      depth--;
      if (depth === 0) {
        scan.depth = 0;
        scan.kinds = 0;
        endValue(scan, at);
        return at;
      }
      if (depth % KINDS_EACH === 0) kinds = scan.outerKinds.pop()!;
    } else if (byteClass === ILLEGAL) {
      fail(scan, 'malformed');
      return at;
    }
  }
  scan.depth = depth;
  scan.kinds = kinds;
  return at;
}

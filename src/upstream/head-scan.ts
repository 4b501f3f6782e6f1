/**
 * Walks over the bytes of an answer's head once: what it checks, it also reads, and nothing becomes a string but the
 * lines that pass. Values, which are most of a head, are checked four bytes at a time.
 */

/** What the lines of one head say. One object serves all heads of the thread; what is kept of it is copied. */
export interface ScannedLines {
  /** The lines that pass, each with its CR LF, as Latin-1 text. */
  lines: string;
  hasExtensions: boolean;
  /** ABSENT, MALFORMED or the number. */
  contentLength: number;
  /** ABSENT, MALFORMED or CHUNKED. */
  transferEncoding: number;
  /** The code of the first header that must not come twice and did. */
  repeated: string | null;
  /** The values in small letters, each with a comma behind it. */
  connection: string;
  keepAliveHintMs: number;
  isEventStream: boolean;
  isEncoded: boolean;
}

export const ABSENT = -1;
export const MALFORMED = -2;
export const CHUNKED = 1;

export function createScannedLines(): ScannedLines {
  return {
    lines: '',
    hasExtensions: false,
    contentLength: ABSENT,
    transferEncoding: ABSENT,
    repeated: null,
    connection: '',
    keepAliveHintMs: -1,
    isEventStream: false,
    isEncoded: false,
  };
}

function resetLines(found: ScannedLines): void {
  found.lines = '';
  found.hasExtensions = false;
  found.contentLength = ABSENT;
  found.transferEncoding = ABSENT;
  found.repeated = null;
  found.connection = '';
  found.keepAliveHintMs = -1;
  found.isEventStream = false;
  found.isEncoded = false;
}

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
export const SPACE = 0x20;
const HYPHEN = 0x2d;
export const ZERO = 0x30;
const COLON = 0x3a;
const SMALL_X = 0x78;
const DELETE = 0x7f;
const NO_BREAK_SPACE = 0xa0;
/** The bit in which small letters differ from capitals. */
const LETTER_CASE = 0x20;
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

function createCaseless(text: string): FixedText {
  return new FixedText(text, LETTER_CASES);
}

interface MarkedName {
  readonly name: FixedText;
  readonly passes: boolean;
  /** Takes in the value between two places, which has no white space around it. */
  readonly read: ((found: ScannedLines, bytes: Buffer, from: number, to: number) => void) | null;
}

/**
 * Left out are hop-by-hop headers (RFC 9110 section 7.6.1), what frames the body, `date`, which uWebSockets.js writes
 * itself, `alt-svc`, which would lead clients past the gateway, and a name of Weir's own.
 */
const MARKED_NAMES: readonly MarkedName[] = [
  { name: createCaseless('content-type'), passes: true, read: readContentType },
  { name: createCaseless('content-encoding'), passes: true, read: readContentEncoding },
  { name: createCaseless('content-length'), passes: false, read: readContentLength },
  { name: createCaseless('transfer-encoding'), passes: false, read: readTransferEncoding },
  { name: createCaseless('connection'), passes: false, read: readConnection },
  { name: createCaseless('keep-alive'), passes: false, read: readKeepAlive },
  ...[
    'alt-svc',
    'date',
    'proxy-authenticate',
    'proxy-authorization',
    'proxy-connection',
    'te',
    'trailer',
    'upgrade',
    'x-weir-id',
  ].map((name) => ({ name: createCaseless(name), passes: false, read: null })),
];

/** A name's length decides first, so most names are compared with none. */
const MARKED_BY_LENGTH = Array.from({ length: 20 }, (_, length) =>
  MARKED_NAMES.filter(({ name }) => name.length === length),
);

/**
 * @param at where the first line begins, or the empty line.
 * @returns the place behind the empty line; -1 when a line is not valid or not all there.
 */
export function scanLines(bytes: Buffer, at: number, limit: number, found: ScannedLines): number {
  resetLines(found);
  let runStart = at;
  while (at < limit && bytes[at] !== CR) {
    const colon = findNameEnd(bytes, at, limit);
    const end = colon < 0 ? -1 : findLineEnd(bytes, colon + 1, limit);
    if (end < 0) {
      return -1;
    }
    if (((bytes[at] as number) | LETTER_CASE) === SMALL_X && bytes[at + 1] === HYPHEN) {
      found.hasExtensions = true;
    }
    const length = colon - at;
    if (length < MARKED_BY_LENGTH.length && isTaken(bytes, at, colon, end, found)) {
      if (runStart < at) {
        found.lines += bytes.toString('latin1', runStart, at);
      }
      runStart = end + 2;
    }
    at = end + 2;
  }
  if (at + 1 >= limit || bytes[at + 1] !== LF) {
    return -1;
  }
  if (runStart < at) {
    found.lines += bytes.toString('latin1', runStart, at);
  }
  return at + 2;
}

/** @returns where the colon is behind a token that begins at `at`; -1 if that is not what there is. */
function findNameEnd(bytes: Buffer, at: number, limit: number): number {
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

/** @returns true when the line does not pass. */
function isTaken(
  bytes: Buffer,
  at: number,
  colon: number,
  end: number,
  found: ScannedLines,
): boolean {
  const candidates = MARKED_BY_LENGTH[colon - at] as readonly MarkedName[];
  for (let i = 0; i < candidates.length; i += 1) {
    const marked = candidates[i] as MarkedName;
    if (marked.name.isAt(at)) {
      if (marked.read !== null) {
        const from = skipSpace(bytes, colon + 1, end);
        marked.read(found, bytes, from, dropSpace(bytes, from, end));
      }
      return !marked.passes;
    }
  }
  return false;
}

function isSpace(byte: number): boolean {
  return byte === SPACE || byte === TAB || byte === NO_BREAK_SPACE;
}

function skipSpace(bytes: Buffer, from: number, to: number): number {
  while (from < to && isSpace(bytes[from] as number)) {
    from += 1;
  }
  return from;
}

function dropSpace(bytes: Buffer, from: number, to: number): number {
  while (to > from && isSpace(bytes[to - 1] as number)) {
    to -= 1;
  }
  return to;
}

const EVENT_STREAM = createCaseless('text/event-stream');
const IDENTITY = createCaseless('identity');
const CHUNKED_TEXT = createCaseless('chunked');
const KEEP_ALIVE = createCaseless('keep-alive');
const CLOSE = createCaseless('close');
const TIMEOUT = createCaseless('timeout=');
/** More are not read: the number stays exact. */
const LENGTH_DIGITS_MAX = 15;
const TIMEOUT_DIGITS_MAX = 6;
const TIMEOUT_WITHIN = /[,;\s]timeout=([0-9]{1,6})/;

function isText(text: FixedText, from: number, to: number): boolean {
  return to - from === text.length && text.isAt(from);
}

function readContentType(found: ScannedLines, _bytes: Buffer, from: number, to: number): void {
  found.isEventStream = to - from >= EVENT_STREAM.length && EVENT_STREAM.isAt(from);
}

function readContentEncoding(found: ScannedLines, _bytes: Buffer, from: number, to: number): void {
  found.isEncoded = to > from && !isText(IDENTITY, from, to);
}

function readContentLength(found: ScannedLines, bytes: Buffer, from: number, to: number): void {
  if (found.contentLength !== ABSENT) {
    found.repeated ??= 'CONTENT_LENGTH';
    return;
  }
  const digits = to - from;
  const isNumber = digits > 0 && digits <= LENGTH_DIGITS_MAX && areDigits(bytes, from, to);
  found.contentLength = isNumber ? readDigits(bytes, from, to) : MALFORMED;
}

function readTransferEncoding(found: ScannedLines, _bytes: Buffer, from: number, to: number): void {
  if (found.transferEncoding !== ABSENT) {
    found.repeated ??= 'TRANSFER_ENCODING';
    return;
  }
  found.transferEncoding = isText(CHUNKED_TEXT, from, to) ? CHUNKED : MALFORMED;
}

function readConnection(found: ScannedLines, bytes: Buffer, from: number, to: number): void {
  if (isText(KEEP_ALIVE, from, to)) {
    found.connection += 'keep-alive,';
  } else if (isText(CLOSE, from, to)) {
    found.connection += 'close,';
  } else {
    found.connection += `${bytes.toString('latin1', from, to).toLowerCase()},`;
  }
}

function readKeepAlive(found: ScannedLines, bytes: Buffer, from: number, to: number): void {
  const digits = from + TIMEOUT.length;
  if (to > digits && TIMEOUT.isAt(from)) {
    const end = skipDigits(bytes, digits, Math.min(to, digits + TIMEOUT_DIGITS_MAX));
    if (end > digits) {
      found.keepAliveHintMs = readDigits(bytes, digits, end) * 1000;
      return;
    }
  }
  const match = TIMEOUT_WITHIN.exec(bytes.toString('latin1', from, to).toLowerCase());
  found.keepAliveHintMs = match === null ? -1 : Number(match[1]) * 1000;
}

export function areDigits(bytes: Buffer, from: number, to: number): boolean {
  return skipDigits(bytes, from, to) === to;
}

function skipDigits(bytes: Buffer, from: number, to: number): number {
  let i = from;
  while (i < to && IS_DIGIT[bytes[i] as number] === 1) {
    i += 1;
  }
  return i;
}

/** @param from from here to `to` there are digits, fifteen at most. */
export function readDigits(bytes: Buffer, from: number, to: number): number {
  let value = 0;
  for (let i = from; i < to; i += 1) {
    value = value * 10 + (bytes[i] as number) - ZERO;
  }
  return value;
}

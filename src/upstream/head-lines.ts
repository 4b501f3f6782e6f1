/**
 * Walks over the header lines of an answer once: what it checks, it also reads, and nothing becomes a string but the
 * lines that pass, a slice for each run of them: copying header by header costs more than all the rest.
 */
import {
  areDigits,
  CR,
  createCaseless,
  dropSpace,
  type FixedText,
  findLineEnd,
  findNameEnd,
  HYPHEN,
  LETTER_CASE,
  LF,
  readDigits,
  SMALL_X,
  skipDigits,
  skipSpace,
} from './head-bytes.js';

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
const MARKED_BY_LENGTH = Array.from(
  { length: 1 + Math.max(...MARKED_NAMES.map(({ name }) => name.length)) },
  (_, length) => MARKED_NAMES.filter(({ name }) => name.length === length),
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

const EVENT_STREAM = createCaseless('text/event-stream');
const IDENTITY = createCaseless('identity');
const CHUNKED_TEXT = createCaseless('chunked');
const KEEP_ALIVE = createCaseless('keep-alive');
const CLOSE = createCaseless('close');
const TIMEOUT = createCaseless('timeout=');
/** So that the number stays exact. */
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

/**
 * What src/upstream/response-head.ts and response-parser.ts must make of a head, written with regular expressions and
 * strings and without regard for speed: the same result, and where there are several errors the same one.
 */
import { STATUS_CODES } from 'node:http';
import { MalformedResponse, type ResponseHead } from '../../src/upstream/response-head.js';

const HEAD_BYTES_MAX = 64 * 1024;

/** The code of an error, or null where more is to come. */
export type Verdict = ResponseHead | string | null;

/** The head that `bytes` begin with, in pieces of these lengths; what comes behind it is left alone. */
export function judgePieces(pieces: readonly Buffer[]): Verdict {
  let kept = '';
  for (const piece of pieces) {
    kept += piece.toString('latin1');
    const end = kept.indexOf('\r\n\r\n');
    if (end > HEAD_BYTES_MAX) return 'HEAD_TOO_LARGE';
    if (end >= 0) return judgeWhole(kept.slice(0, end + 2));
    if (!kept.startsWith('HTTP/1.'.slice(0, kept.length))) return 'STATUS_LINE';
    if (/(?:^|[^\r])\n/.test(kept)) return 'BARE_LF';
    if (kept.length > HEAD_BYTES_MAX + 3) return 'HEAD_TOO_LARGE';
  }
  return null;
}

function judgeWhole(text: string): Verdict {
  try {
    return parseHead(text);
  } catch (error) {
    if (error instanceof MalformedResponse) return error.code;
    throw error;
  }
}

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?$/;

/** Every line is a token, a colon and a value without control characters; hence no folding and no bare CR or LF. */
const HEADER_LINES = /^(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)*$/;
const DECIMAL = /^[0-9]{1,15}$/;
const PLAIN_REASON = /^[\t\x20-\x7e]+$/;

const STANDARD_LINES = new Map(
  Object.entries(STATUS_CODES).map(([status, text]) => [Number(status), `${status} ${text}`]),
);

/** Any status as it stands in an answer, with its standard words. */
function formatStatus(status: number): string {
  return STANDARD_LINES.get(status) ?? `${status} Unknown`;
}

/** Whether `text`, in Latin-1, is nothing but header lines, each with its CR LF. */
function areHeaderLines(text: string): boolean {
  return HEADER_LINES.test(text);
}

/**
 * @param text a whole head as Latin-1, from `HTTP/` to the CR LF of its last header, without the empty line.
 * @throws MalformedResponse
 */
function parseHead(text: string): ResponseHead {
  const lineEnd = text.indexOf('\r\n');
  const match = STATUS_LINE.exec(lineEnd < 0 ? text : text.slice(0, lineEnd));
  if (match === null) {
    throw new MalformedResponse('STATUS_LINE');
  }
  const headers = lineEnd < 0 ? '' : text.slice(lineEnd + 2);
  if (!areHeaderLines(headers)) {
    throw new MalformedResponse('HEADER');
  }
  return readHeaders(Number(match[2]), match[3] ?? '', headers, match[1] === '0');
}

/** For an engine that has parsed the head itself: the same rules about what passes. */
function readHeaders(
  status: number,
  reason: string,
  headers: string,
  isHttp10: boolean,
): ResponseHead {
  const found = scanHeaders(headers);
  if (found.contentLength !== '' && !DECIMAL.test(found.contentLength)) {
    throw new MalformedResponse('CONTENT_LENGTH');
  }
  if (found.transferEncoding !== '' && found.transferEncoding !== 'chunked') {
    throw new MalformedResponse('TRANSFER_ENCODING');
  }
  if (found.transferEncoding !== '' && found.contentLength !== '') {
    throw new MalformedResponse('LENGTH_AND_CHUNKED');
  }
  const { connection } = found;
  const isChunked = found.transferEncoding !== '';
  // HTTP/1.0 knows no chunks: such an answer is read, and nothing after it trusted (RFC 9112 section 6.1).
  const closes = isHttp10
    ? isChunked || !connection.includes('keep-alive')
    : connection.includes('close');
  const lines = namesHeaders(connection) ? dropNamed(found.lines, connection) : found.lines;
  return {
    status,
    statusLine: formatStatusLine(status, reason),
    lines,
    hasExtensions: found.hasExtensions,
    contentLength: found.contentLength === '' ? -1 : Number(found.contentLength),
    isChunked,
    closes,
    keepAliveHintMs: readKeepAliveHint(found.keepAlive),
    isEventStream: found.contentType.startsWith('text/event-stream'),
    isEncoded: found.contentEncoding !== '' && found.contentEncoding !== 'identity',
  };
}

const SMALL_X = 0x78;
/** The bit in which small letters differ from capitals. */
const LETTER_CASE = 0x20;

interface Found {
  lines: string;
  hasExtensions: boolean;
  contentLength: string;
  transferEncoding: string;
  connection: string;
  keepAlive: string;
  contentType: string;
  contentEncoding: string;
}

/**
 * One pass over the lines. Left out are hop-by-hop headers (RFC 9110 section 7.6.1), what frames the body, `date`, which
 * uWebSockets.js writes itself, `alt-svc`, which would lead clients past the gateway, and a name of Weir's own.
 * A name's length decides first, so most names cost no string.
 */
function scanHeaders(headers: string): Found {
  const found: Found = {
    lines: '',
    hasExtensions: false,
    contentLength: '',
    transferEncoding: '',
    connection: '',
    keepAlive: '',
    contentType: '',
    contentEncoding: '',
  };
  let runStart = 0;
  for (let at = 0; at < headers.length; ) {
    const end = headers.indexOf('\r\n', at) + 2;
    const colon = headers.indexOf(':', at);
    if ((headers.charCodeAt(at) | LETTER_CASE) === SMALL_X && headers[at + 1] === '-') {
      found.hasExtensions = true;
    }
    if (MARKED_LENGTHS[colon - at] === 1 && isTaken(headers, at, colon, end, found)) {
      if (runStart < at) {
        found.lines += headers.slice(runStart, at);
      }
      runStart = end;
    }
    at = end;
  }
  if (runStart < headers.length) {
    found.lines += headers.slice(runStart);
  }
  return found;
}

/** @returns true when the line does not pass. */
function isTaken(headers: string, at: number, colon: number, end: number, found: Found): boolean {
  const name = headers.slice(at, colon).toLowerCase();
  switch (name) {
    case 'content-type':
      found.contentType = readValue(headers, colon, end);
      return false;
    case 'content-encoding':
      found.contentEncoding = readValue(headers, colon, end);
      return false;
    case 'content-length':
      if (found.contentLength !== '') {
        throw new MalformedResponse('CONTENT_LENGTH');
      }
      found.contentLength = readValue(headers, colon, end) || 'empty';
      return true;
    case 'transfer-encoding':
      if (found.transferEncoding !== '') {
        throw new MalformedResponse('TRANSFER_ENCODING');
      }
      found.transferEncoding = readValue(headers, colon, end) || 'empty';
      return true;
    case 'connection':
      found.connection += `${readValue(headers, colon, end)},`;
      return true;
    case 'keep-alive':
      found.keepAlive = readValue(headers, colon, end);
      return true;
    default:
      return DROPPED.has(name);
  }
}

const DROPPED: ReadonlySet<string> = new Set([
  'alt-svc',
  'date',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'upgrade',
  'x-weir-id',
]);

const MARKED_LENGTHS = markLengths([
  ...DROPPED,
  'content-type',
  'content-encoding',
  'content-length',
  'transfer-encoding',
  'connection',
  'keep-alive',
]);

function markLengths(names: readonly string[]): Uint8Array {
  const marks = new Uint8Array(1 + Math.max(...names.map((name) => name.length)));
  for (const name of names) {
    marks[name.length] = 1;
  }
  return marks;
}

function readValue(headers: string, colon: number, end: number): string {
  return headers
    .slice(colon + 1, end - 2)
    .replace(/^[\t ]+|[\t ]+$/g, '')
    .toLowerCase();
}

function readKeepAliveHint(value: string): number {
  const match = /(?:^|[,;\s])timeout=([0-9]{1,6})/.exec(value);
  return match === null ? -1 : Number(match[1]) * 1000;
}

/** Whether a `connection` header names anything but the usual. The list of values ends in a comma. */
function namesHeaders(connection: string): boolean {
  return connection !== '' && connection !== 'keep-alive,' && connection !== 'close,';
}

function dropNamed(lines: string, connection: string): string {
  const named = new Set(connection.split(',').map((name) => name.trim()));
  return lines
    .split('\r\n')
    .filter((line) => line !== '' && !named.has(line.slice(0, line.indexOf(':')).toLowerCase()))
    .map((line) => `${line}\r\n`)
    .join('');
}

function formatStatusLine(status: number, reason: string): string {
  const standard = formatStatus(status);
  if (standard.length === reason.length + 4 && standard.endsWith(reason)) {
    return standard;
  }
  return PLAIN_REASON.test(reason) ? `${status} ${reason}` : standard;
}

/**
 * Reads the head of a provider's answer, strictly (RFC 9112), and says what of it passes to the client. What passes
 * is kept as the text that came.
 */
import { STATUS_CODES } from 'node:http';
import {
  areDigits,
  FixedText,
  findLineEnd,
  isEnd,
  readDigits,
  SPACE,
  viewBytes,
  ZERO,
} from './head-bytes.js';
import { ABSENT, CHUNKED, createScannedLines, MALFORMED, scanLines } from './head-lines.js';

export interface ResponseHead {
  readonly status: number;
  /** Such as `200 OK`; the provider's own words if they are plain text. */
  readonly statusLine: string;
  /** The header lines that pass, each with its CR LF, as Latin-1 text. */
  readonly lines: string;
  /** A name among the lines begins with `x-`. */
  readonly hasExtensions: boolean;
  /** -1 where there is none. */
  readonly contentLength: number;
  readonly isChunked: boolean;
  /** The provider will close the connection after this answer. */
  readonly closes: boolean;
  /** From `keep-alive: timeout=…`; -1 where there is none. */
  readonly keepAliveHintMs: number;
  readonly isEventStream: boolean;
  /** There is a content-encoding; nothing can be added to the body. */
  readonly isEncoded: boolean;
}

/** The answer is not valid HTTP/1.1. `code` is what logs and messages show. */
export class MalformedResponse extends Error {
  readonly code: string;

  constructor(code: string) {
    super(`malformed response: ${code}`);
    this.name = 'MalformedResponse';
    this.code = code;
  }
}

const PLAIN_REASON = /^[\t\x20-\x7e]+$/;

const STANDARD_LINES = new Map(
  Object.entries(STATUS_CODES).map(([status, text]) => [Number(status), `${status} ${text}`]),
);

/** Any status as it stands in an answer, with its standard words. */
export function formatStatus(status: number): string {
  return STANDARD_LINES.get(status) ?? `${status} Unknown`;
}

const USUAL_LINE = new FixedText('HTTP/1.1 200 OK\r\n');
/** Beyond it there is no class of statuses, so that nobody could say what became of the request (RFC 9110 section 15). */
const STATUS_MAX = 599;

/** The least there can be of a status line: a status without words. */
const STATUS_LINE_BYTES_MIN = 'HTTP/1.1 200\r\n'.length;
const VERSION_START = 'HTTP/1.';
const VERSION_AT = VERSION_START.length;
const STATUS_AT = 'HTTP/1.1 '.length;
const REASON_AT = 'HTTP/1.1 200 '.length;

/** What the scan of a head tells instead of its end: where it met with what is not valid, or not there yet. */
export const BROKEN_STATUS_LINE = -1;
const BROKEN_LINES = -2;

/** The head that was scanned last. */
const lines = createScannedLines();
let status = 0;
let statusLine = '';
let isHttp10 = false;

/**
 * Reads the head that begins at `at`. It is taken by takeHead() before another is scanned.
 *
 * @returns the place behind its empty line, or one of the two constants above.
 */
export function scanHead(bytes: Buffer, at: number, limit: number): number {
  viewBytes(bytes);
  const linesAt = scanStatusLine(bytes, at, limit);
  if (linesAt < 0) {
    return BROKEN_STATUS_LINE;
  }
  const end = scanLines(bytes, linesAt, limit, lines);
  return end < 0 ? BROKEN_LINES : end;
}

/**
 * The head that was scanned last, which was whole.
 *
 * @throws MalformedResponse where what it says can't be.
 */
export function takeHead(): ResponseHead {
  refuseContradictions();
  const { connection } = lines;
  const isChunked = lines.transferEncoding === CHUNKED;
  // HTTP/1.0 knows no chunks: such an answer is read, and nothing after it trusted (RFC 9112 section 6.1).
  const closes = isHttp10
    ? isChunked || !connection.includes('keep-alive')
    : connection !== '' && connection !== 'keep-alive,' && connection.includes('close');
  return {
    status,
    statusLine,
    lines: namesHeaders(connection) ? dropNamed(lines.lines, connection) : lines.lines,
    hasExtensions: lines.hasExtensions,
    contentLength: lines.contentLength,
    isChunked,
    closes,
    keepAliveHintMs: lines.keepAliveHintMs,
    isEventStream: lines.isEventStream,
    isEncoded: lines.isEncoded,
  };
}

/** For an engine that has parsed the head itself: the same rules about what passes. */
export function readHeaders(ofStatus: number, reason: string, headers: string): ResponseHead {
  if (ofStatus > STATUS_MAX) {
    throw new MalformedResponse('HEADER');
  }
  const bytes = Buffer.from(`${headers}\r\n`, 'latin1');
  viewBytes(bytes);
  status = ofStatus;
  statusLine = formatStatusLine(ofStatus, reason);
  isHttp10 = false;
  if (scanLines(bytes, 0, bytes.length, lines) !== bytes.length) {
    throw new MalformedResponse('HEADER');
  }
  return takeHead();
}

function refuseContradictions(): void {
  if (lines.repeated !== null) {
    throw new MalformedResponse(lines.repeated);
  }
  if (lines.contentLength === MALFORMED) {
    throw new MalformedResponse('CONTENT_LENGTH');
  }
  if (lines.transferEncoding === MALFORMED) {
    throw new MalformedResponse('TRANSFER_ENCODING');
  }
  if (lines.transferEncoding === CHUNKED && lines.contentLength !== ABSENT) {
    throw new MalformedResponse('LENGTH_AND_CHUNKED');
  }
}

/** @returns where the header lines begin; -1 when it is not valid or not all there. */
function scanStatusLine(bytes: Buffer, at: number, limit: number): number {
  if (at + USUAL_LINE.length <= limit && USUAL_LINE.isAt(at)) {
    isHttp10 = false;
    status = 200;
    statusLine = '200 OK';
    return at + USUAL_LINE.length;
  }
  if (at + STATUS_LINE_BYTES_MIN > limit || !isTextAt(VERSION_START, bytes, at)) {
    return -1;
  }
  const minor = (bytes[at + VERSION_AT] as number) - ZERO;
  const statusAt = at + STATUS_AT;
  if ((minor !== 0 && minor !== 1) || bytes[statusAt - 1] !== SPACE) {
    return -1;
  }
  isHttp10 = minor === 0;
  status = readDigits(bytes, statusAt, statusAt + 3);
  if (status < 100 || status > STATUS_MAX || !areDigits(bytes, statusAt, statusAt + 3)) {
    return -1;
  }
  const standard = STANDARD_LINES.get(status);
  if (standard !== undefined) {
    const end = statusAt + standard.length;
    if (end + 2 <= limit && isEnd(bytes, end) && isTextAt(standard, bytes, statusAt)) {
      statusLine = standard;
      return end + 2;
    }
  }
  return scanReason(bytes, at + REASON_AT - 1, limit);
}

/** For words that are not the usual ones. */
function scanReason(bytes: Buffer, at: number, limit: number): number {
  const hasReason = bytes[at] === SPACE;
  const from = hasReason ? at + 1 : at;
  const end = findLineEnd(bytes, from, limit);
  if (end < 0 || (!hasReason && end > from)) {
    return -1;
  }
  statusLine = formatStatusLine(status, bytes.toString('latin1', from, end));
  return end + 2;
}

/** Whether exactly `text` is there; the bytes are known to be as many. */
function isTextAt(text: string, bytes: Buffer, at: number): boolean {
  for (let i = 0; i < text.length; i += 1) {
    if (bytes[at + i] !== text.charCodeAt(i)) {
      return false;
    }
  }
  return true;
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

/**
 * Parses the answers of one connection, one after the other, from reads of any size (RFC 9112). Strict where a lax
 * reading could be two: what two parsers might frame differently is an error, and the connection is over.
 */
import { MalformedResponse, parseHead, type ResponseHead } from './response-head.js';

/** Told of one answer's parts, in order. */
export interface ResponseSink {
  /** The final head; 1xx never arrive here. */
  onParsedHead(head: ResponseHead): void;
  /** A view into the bytes that were given to parse(). */
  onParsedData(bytes: Buffer): void;
}

/** Of a head or of trailers. Cloudflare's cookies and policies take some KB; 64 KB is what Envoy allows. */
const HEAD_BYTES_MAX = 64 * 1024;
/** 1xx heads before a final one; a server may send several 102 and 103, and one that never stops is broken. */
export const INTERIM_HEADS_MAX = 32;
/** Of a chunk's size line with its extensions, as nginx and llhttp bound it or tighter. */
const CHUNK_LINE_BYTES_MAX = 4096;

const HEAD_END = Buffer.from('\r\n\r\n');
const LF = 0x0a;
const CR = 0x0d;
const CHUNK_LINE = /^([0-9A-Fa-f]{1,12})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/;

type State =
  | 'idle'
  | 'head'
  | 'length'
  | 'until-close'
  | 'chunk-line'
  | 'chunk'
  | 'chunk-end'
  | 'trailers';

export class ResponseParser {
  #state: State = 'idle';
  #sink: ResponseSink;
  /** The answer to HEAD has no body, whatever its head says. */
  #isToHead = false;
  #interimHeads = 0;
  #bodyBytesLeft = 0;
  #trailerBytes = 0;
  /** The beginning of a head or line whose end has not come yet. */
  #kept: Buffer | null = null;

  constructor(sink: ResponseSink) {
    this.#sink = sink;
  }

  /** Another answer is to come. */
  begin(isToHead: boolean): void {
    this.#state = 'head';
    this.#isToHead = isToHead;
    this.#interimHeads = 0;
    this.#kept = null;
  }

  /** Between answers. */
  get isIdle(): boolean {
    return this.#state === 'idle';
  }

  /**
   * Takes in what was read. An answer that is complete leaves the parser idle.
   *
   * @returns how many of the bytes belong to the answer; fewer than given when it is complete before them.
   * @throws MalformedResponse
   */
  parse(bytes: Buffer): number {
    let at = 0;
    while (at < bytes.length && this.#state !== 'idle') {
      switch (this.#state) {
        case 'head':
          at = this.#takeHead(bytes, at);
          break;
        case 'length':
        case 'chunk':
          at = this.#takeCounted(bytes, at);
          break;
        case 'until-close':
          this.#sink.onParsedData(at === 0 ? bytes : bytes.subarray(at));
          at = bytes.length;
          break;
        case 'chunk-line':
          at = this.#takeChunkLine(bytes, at);
          break;
        case 'chunk-end':
          at = this.#takeChunkEnd(bytes, at);
          break;
        case 'trailers':
          at = this.#takeTrailers(bytes, at);
          break;
      }
    }
    return at;
  }

  /**
   * The connection has ended in order (FIN).
   *
   * @returns true when that is how the answer ends; false when it is cut.
   */
  finish(): boolean {
    const isWhole = this.#state === 'until-close';
    this.#state = 'idle';
    return isWhole;
  }

  #takeHead(bytes: Buffer, at: number): number {
    const kept = this.#kept;
    // The empty line may lie across two reads, so the search begins three bytes back.
    const searchFrom = kept === null ? at : Math.max(0, kept.length - 3);
    const all = kept === null ? bytes : Buffer.concat([kept, bytes.subarray(at)]);
    const end = all.indexOf(HEAD_END, searchFrom);
    const start = kept === null ? at : 0;
    if (end < 0) {
      if (!mayBeginHead(all, start)) {
        throw new MalformedResponse('STATUS_LINE');
      }
      return this.#keep(all.subarray(start), HEAD_BYTES_MAX, bytes.length);
    }
    if (end - start > HEAD_BYTES_MAX) {
      throw new MalformedResponse('HEAD_TOO_LARGE');
    }
    this.#kept = null;
    const next = kept === null ? end + 4 : end + 4 - kept.length + at;
    this.#beginBody(parseHead(all.toString('latin1', start, end + 2)));
    return next;
  }

  #beginBody(head: ResponseHead): void {
    const { status } = head;
    if (status < 200) {
      this.#interimHeads += 1;
      if (status === 101 || this.#interimHeads > INTERIM_HEADS_MAX) {
        throw new MalformedResponse(status === 101 ? 'UNASKED_UPGRADE' : 'TOO_MANY_INTERIM');
      }
      return;
    }
    const isBodiless = this.#isToHead || status === 204 || status === 304;
    this.#sink.onParsedHead(head);
    if (isBodiless || head.contentLength === 0) {
      this.#state = 'idle';
    } else if (head.isChunked) {
      this.#state = 'chunk-line';
    } else if (head.contentLength > 0) {
      this.#bodyBytesLeft = head.contentLength;
      this.#state = 'length';
    } else {
      this.#state = 'until-close';
    }
  }

  #takeCounted(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.#bodyBytesLeft);
    this.#bodyBytesLeft -= end - at;
    this.#sink.onParsedData(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end));
    if (this.#bodyBytesLeft === 0) {
      this.#state = this.#state === 'length' ? 'idle' : 'chunk-end';
    }
    return end;
  }

  #takeChunkLine(bytes: Buffer, at: number): number {
    const size = this.#kept === null ? readPlainSize(bytes, at) : -1;
    if (size >= 0) {
      this.#beginChunk(size);
      return plainEnd;
    }
    const end = bytes.indexOf(LF, at);
    if (end < 0) {
      return this.#keepMore(bytes, at, CHUNK_LINE_BYTES_MAX);
    }
    const line = this.#takeLine(bytes, at, end);
    const match = CHUNK_LINE.exec(line);
    if (match === null || line.length > CHUNK_LINE_BYTES_MAX) {
      throw new MalformedResponse('CHUNK_SIZE');
    }
    this.#beginChunk(Number.parseInt(match[1] as string, 16));
    return end + 1;
  }

  #beginChunk(size: number): void {
    this.#bodyBytesLeft = size;
    this.#state = size === 0 ? 'trailers' : 'chunk';
  }

  #takeChunkEnd(bytes: Buffer, at: number): number {
    if (this.#kept === null) {
      if (bytes[at] !== CR) {
        throw new MalformedResponse('CHUNK_END');
      }
      if (at + 1 === bytes.length) {
        this.#kept = JUST_CR;
        return bytes.length;
      }
      at += 1;
    }
    this.#kept = null;
    if (bytes[at] !== LF) {
      throw new MalformedResponse('CHUNK_END');
    }
    this.#state = 'chunk-line';
    return at + 1;
  }

  /** Trailers are read and dropped: uWebSockets.js can't send any. */
  #takeTrailers(bytes: Buffer, at: number): number {
    const end = bytes.indexOf(LF, at);
    if (end < 0) {
      return this.#keepMore(bytes, at, CHUNK_LINE_BYTES_MAX);
    }
    this.#trailerBytes += end + 1 - at;
    if (this.#trailerBytes > HEAD_BYTES_MAX) {
      throw new MalformedResponse('TRAILERS_TOO_LARGE');
    }
    if (this.#takeLine(bytes, at, end) === '') {
      this.#trailerBytes = 0;
      this.#state = 'idle';
    }
    return end + 1;
  }

  /** A line without its CR LF. */
  #takeLine(bytes: Buffer, at: number, end: number): string {
    const kept = this.#kept;
    const line =
      kept === null
        ? bytes.toString('latin1', at, end)
        : kept.toString('latin1', 0, kept.length) + bytes.toString('latin1', at, end);
    this.#kept = null;
    if (!line.endsWith('\r')) {
      throw new MalformedResponse('BARE_LF');
    }
    return line.slice(0, -1);
  }

  #keepMore(bytes: Buffer, at: number, bytesMax: number): number {
    const more = bytes.subarray(at);
    return this.#keep(
      this.#kept === null ? more : Buffer.concat([this.#kept, more]),
      bytesMax,
      bytes.length,
    );
  }

  /** What is kept is copied: the bytes given to parse() are only lent. */
  #keep(bytes: Buffer, bytesMax: number, next: number): number {
    if (bytes.length > bytesMax) {
      throw new MalformedResponse('LINE_TOO_LONG');
    }
    this.#kept = Buffer.from(bytes);
    return next;
  }
}

const JUST_CR = Buffer.from('\r');
const HEAD_BEGIN = Buffer.from('HTTP/1.');

/** What is no HTTP need not hold an empty line, so it is not waited for. */
function mayBeginHead(bytes: Buffer, start: number): boolean {
  const length = Math.min(HEAD_BEGIN.length, bytes.length - start);
  return bytes.compare(HEAD_BEGIN, 0, length, start, start + length) === 0;
}

/** Where the size line ended that readPlainSize read last; a second result without an object. */
let plainEnd = 0;

/**
 * The usual size line, hexadecimal digits and CR LF, all there: nearly every chunk of every stream.
 *
 * @returns -1 for any other line, which then is looked at with care.
 */
function readPlainSize(bytes: Buffer, at: number): number {
  let size = 0;
  let i = at;
  for (; i < bytes.length && i < at + 8; i += 1) {
    const digit = HEX_DIGITS[bytes[i] as number] as number;
    if (digit === NOT_HEX) {
      break;
    }
    size = size * 16 + digit;
  }
  if (i === at || bytes[i] !== CR || bytes[i + 1] !== LF) {
    return -1;
  }
  plainEnd = i + 2;
  return size;
}

const NOT_HEX = 255;
const HEX_DIGITS = new Uint8Array(256).fill(NOT_HEX);
for (let digit = 0; digit < 16; digit += 1) {
  const text = digit.toString(16);
  HEX_DIGITS[text.charCodeAt(0)] = digit;
  HEX_DIGITS[text.toUpperCase().charCodeAt(0)] = digit;
}

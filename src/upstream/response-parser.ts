/**
 * Parses the answers of one connection, one after the other, from reads of any size (RFC 9112). Strict where a lax
 * reading could be two: what two parsers might frame differently is an error, and the connection is over.
 */
import {
  areHeaderLines,
  MalformedResponse,
  parseHead,
  type ResponseHead,
} from './response-head.js';

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
/** Of a chunk's size line with its extensions, or of a trailer, with its CR; as nginx and llhttp bound it or tighter. */
const LINE_BYTES_MAX = 4096;

const EMPTY = Buffer.alloc(0);
const HEAD_START = Buffer.from('HTTP/1.');
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
  | 'chunk-end-lf'
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
  #kept: Buffer = EMPTY;
  #keptBytes = 0;

  constructor(sink: ResponseSink) {
    this.#sink = sink;
  }

  /** Another answer is to come. */
  begin(isToHead: boolean): void {
    this.#state = 'head';
    this.#isToHead = isToHead;
    this.#interimHeads = 0;
    this.#trailerBytes = 0;
    this.#dropKept();
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
        case 'chunk-end-lf':
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
    const keptBytes = this.#keptBytes;
    if (keptBytes === 0) {
      const end = bytes.indexOf(HEAD_END, at);
      if (end >= 0) {
        this.#endHead(bytes, at, end);
        return end + 4;
      }
    }
    this.#keep(bytes, at);
    const all = this.#kept.subarray(0, this.#keptBytes);
    // The empty line may lie across two reads, so the search begins three bytes back.
    const end = keptBytes === 0 ? -1 : all.indexOf(HEAD_END, Math.max(0, keptBytes - 3));
    if (end >= 0) {
      this.#dropKept();
      this.#endHead(all, 0, end);
      return at + end + 4 - keptBytes;
    }
    refuseHopeless(all, keptBytes);
    if (all.length > HEAD_BYTES_MAX + 3) {
      throw new MalformedResponse('HEAD_TOO_LARGE');
    }
    return bytes.length;
  }

  #endHead(bytes: Buffer, start: number, end: number): void {
    if (end - start > HEAD_BYTES_MAX) {
      throw new MalformedResponse('HEAD_TOO_LARGE');
    }
    this.#beginBody(parseHead(bytes.toString('latin1', start, end + 2)));
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
    const size = this.#keptBytes === 0 ? readPlainSize(bytes, at) : -1;
    if (size >= 0) {
      this.#beginChunk(size);
      return plainEnd;
    }
    const end = bytes.indexOf(LF, at);
    if (end < 0) {
      return this.#keepLine(bytes, at);
    }
    const match = CHUNK_LINE.exec(this.#takeLine(bytes, at, end));
    if (match === null) {
      throw new MalformedResponse('CHUNK_SIZE');
    }
    this.#beginChunk(Number.parseInt(match[1] as string, 16));
    return end + 1;
  }

  #beginChunk(size: number): void {
    this.#bodyBytesLeft = size;
    this.#state = size === 0 ? 'trailers' : 'chunk';
  }

  /** CR LF after a chunk's data. */
  #takeChunkEnd(bytes: Buffer, at: number): number {
    if (this.#state === 'chunk-end') {
      if (bytes[at] !== CR) {
        throw new MalformedResponse('CHUNK_END');
      }
      at += 1;
      if (at === bytes.length) {
        this.#state = 'chunk-end-lf';
        return at;
      }
    }
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
      return this.#keepLine(bytes, at);
    }
    const line = this.#takeLine(bytes, at, end);
    this.#trailerBytes += line.length + 2;
    if (this.#trailerBytes > HEAD_BYTES_MAX) {
      throw new MalformedResponse('TRAILERS_TOO_LARGE');
    }
    if (line === '') {
      this.#state = 'idle';
    } else if (!areHeaderLines(`${line}\r\n`)) {
      throw new MalformedResponse('TRAILER');
    }
    return end + 1;
  }

  /** A line without its CR LF. */
  #takeLine(bytes: Buffer, at: number, end: number): string {
    if (this.#keptBytes + end - at > LINE_BYTES_MAX) {
      throw new MalformedResponse('LINE_TOO_LONG');
    }
    let line = bytes.toString('latin1', at, end);
    if (this.#keptBytes > 0) {
      line = this.#kept.toString('latin1', 0, this.#keptBytes) + line;
      this.#dropKept();
    }
    if (!line.endsWith('\r')) {
      throw new MalformedResponse('BARE_LF');
    }
    return line.slice(0, -1);
  }

  #keepLine(bytes: Buffer, at: number): number {
    this.#keep(bytes, at);
    if (this.#keptBytes > LINE_BYTES_MAX) {
      throw new MalformedResponse('LINE_TOO_LONG');
    }
    return bytes.length;
  }

  /**
   * What is kept is copied: the bytes given to parse() are only lent. Room doubles, so that a head that comes byte by
   * byte is not copied anew with each.
   */
  #keep(bytes: Buffer, at: number): void {
    const needed = this.#keptBytes + bytes.length - at;
    if (needed > this.#kept.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#kept.length * 2));
      this.#kept.copy(grown, 0, 0, this.#keptBytes);
      this.#kept = grown;
    }
    bytes.copy(this.#kept, this.#keptBytes, at);
    this.#keptBytes = needed;
  }

  #dropKept(): void {
    this.#kept = EMPTY;
    this.#keptBytes = 0;
  }
}

/**
 * A beginning that can't become a head any more is refused as soon as it is seen: a server that speaks something else
 * would be waited for until the first-byte timeout.
 */
function refuseHopeless(head: Buffer, checkedBytes: number): void {
  if (checkedBytes < HEAD_START.length) {
    const length = Math.min(head.length, HEAD_START.length);
    if (head.compare(HEAD_START, 0, length, 0, length) !== 0) {
      throw new MalformedResponse('STATUS_LINE');
    }
  }
  for (let at = head.indexOf(LF, checkedBytes); at >= 0; at = head.indexOf(LF, at + 1)) {
    if (head[at - 1] !== CR) {
      throw new MalformedResponse('BARE_LF');
    }
  }
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

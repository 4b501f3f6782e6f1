/**
 * Parses the answers of one connection, one after the other, from reads of any size (RFC 9112). Strict where a lax
 * reading could be two: what two parsers might frame differently is an error, and the connection is over.
 */
import { isHeaderLine } from './head-bytes.js';
import {
  BROKEN_STATUS_LINE,
  MalformedResponse,
  type ResponseHead,
  scanHead,
  takeHead,
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
const SIZE_LINE = /^([0-9A-Fa-f]{1,12})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/;

/** Where in an answer the parser is. Small integers, because they are looked at and set several times a read. */
const IDLE = 0;
const HEAD = 1;
const LENGTH = 2;
const UNTIL_CLOSE = 3;
const CHUNK_LINE = 4;
const CHUNK = 5;
const CHUNK_END = 6;
const CHUNK_END_LF = 7;
const TRAILERS = 8;

export class ResponseParser {
  #state = IDLE;
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
    this.#state = HEAD;
    this.#isToHead = isToHead;
    this.#interimHeads = 0;
    this.#trailerBytes = 0;
    this.#dropKept();
  }

  /** Between answers. */
  get isIdle(): boolean {
    return this.#state === IDLE;
  }

  /**
   * Takes in what was read. An answer that is complete leaves the parser idle.
   *
   * @param limit where it ends in `bytes`; what lies behind is left alone.
   * @returns where the answer's bytes end; before the limit when it is complete before it.
   * @throws MalformedResponse
   */
  parse(bytes: Buffer, limit = bytes.length): number {
    let at = 0;
    while (at < limit && this.#state !== IDLE) {
      switch (this.#state) {
        case HEAD:
          at = this.#takeHead(bytes, at, limit);
          break;
        case LENGTH:
        case CHUNK:
          at = this.#takeCounted(bytes, at, limit);
          break;
        case UNTIL_CLOSE:
          this.#sink.onParsedData(viewPart(bytes, at, limit));
          at = limit;
          break;
        case CHUNK_LINE:
          at = this.#takeChunkLine(bytes, at, limit);
          break;
        case CHUNK_END:
        case CHUNK_END_LF:
          at = this.#takeChunkEnd(bytes, at, limit);
          break;
        case TRAILERS:
          at = this.#takeTrailers(bytes, at, limit);
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
    const isWhole = this.#state === UNTIL_CLOSE;
    this.#state = IDLE;
    return isWhole;
  }

  #takeHead(bytes: Buffer, at: number, limit: number): number {
    const keptBytes = this.#keptBytes;
    if (keptBytes === 0) {
      const end = scanHead(bytes, at, limit);
      if (end >= 0) {
        this.#endHead(end, end - at);
        return end;
      }
    }
    // Not all there, or not valid; the search for the empty line tells, and which error comes first.
    this.#keep(bytes, at, limit);
    const all = this.#kept.subarray(0, this.#keptBytes);
    // The empty line may lie across two reads, so the search begins three bytes back.
    const lineEnd = all.indexOf(HEAD_END, Math.max(0, keptBytes - 3));
    if (lineEnd >= 0) {
      const end = lineEnd + HEAD_END.length;
      this.#dropKept();
      this.#endHead(scanHead(all, 0, end), end);
      return at + end - keptBytes;
    }
    refuseHopeless(all, keptBytes);
    if (all.length > HEAD_BYTES_MAX + 3) {
      throw new MalformedResponse('HEAD_TOO_LARGE');
    }
    return limit;
  }

  /**
   * @param scanned what the scan of it told.
   * @param headBytes with the empty line.
   */
  #endHead(scanned: number, headBytes: number): void {
    if (headBytes - HEAD_END.length > HEAD_BYTES_MAX) {
      throw new MalformedResponse('HEAD_TOO_LARGE');
    }
    if (scanned < 0) {
      throw new MalformedResponse(scanned === BROKEN_STATUS_LINE ? 'STATUS_LINE' : 'HEADER');
    }
    this.#beginBody(takeHead());
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
      this.#state = IDLE;
    } else if (head.isChunked) {
      this.#state = CHUNK_LINE;
    } else if (head.contentLength > 0) {
      this.#bodyBytesLeft = head.contentLength;
      this.#state = LENGTH;
    } else {
      this.#state = UNTIL_CLOSE;
    }
  }

  #takeCounted(bytes: Buffer, at: number, limit: number): number {
    const end = Math.min(limit, at + this.#bodyBytesLeft);
    this.#bodyBytesLeft -= end - at;
    this.#sink.onParsedData(viewPart(bytes, at, end));
    if (this.#bodyBytesLeft === 0) {
      this.#state = this.#state === LENGTH ? IDLE : CHUNK_END;
    }
    return end;
  }

  #takeChunkLine(bytes: Buffer, at: number, limit: number): number {
    const size = this.#keptBytes === 0 ? readPlainSize(bytes, at, limit) : -1;
    if (size >= 0) {
      this.#beginChunk(size);
      return plainEnd;
    }
    const end = findLineFeed(bytes, at, limit);
    if (end < 0) {
      return this.#keepLine(bytes, at, limit);
    }
    const match = SIZE_LINE.exec(this.#takeLine(bytes, at, end));
    if (match === null) {
      throw new MalformedResponse('CHUNK_SIZE');
    }
    this.#beginChunk(Number.parseInt(match[1] as string, 16));
    return end + 1;
  }

  #beginChunk(size: number): void {
    this.#bodyBytesLeft = size;
    this.#state = size === 0 ? TRAILERS : CHUNK;
  }

  /** CR LF after a chunk's data. */
  #takeChunkEnd(bytes: Buffer, at: number, limit: number): number {
    if (this.#state === CHUNK_END) {
      if (bytes[at] !== CR) {
        throw new MalformedResponse('CHUNK_END');
      }
      at += 1;
      if (at === limit) {
        this.#state = CHUNK_END_LF;
        return at;
      }
    }
    if (bytes[at] !== LF) {
      throw new MalformedResponse('CHUNK_END');
    }
    this.#state = CHUNK_LINE;
    return at + 1;
  }

  /** Trailers are read and dropped: uWebSockets.js can't send any. */
  #takeTrailers(bytes: Buffer, at: number, limit: number): number {
    const isFirst = this.#trailerBytes === 0 && this.#keptBytes === 0;
    if (isFirst && at + 1 < limit && bytes[at] === CR && bytes[at + 1] === LF) {
      // None, as nearly always.
      this.#state = IDLE;
      return at + 2;
    }
    const end = findLineFeed(bytes, at, limit);
    if (end < 0) {
      return this.#keepLine(bytes, at, limit);
    }
    const line = this.#takeLine(bytes, at, end);
    this.#trailerBytes += line.length + 2;
    if (this.#trailerBytes > HEAD_BYTES_MAX) {
      throw new MalformedResponse('TRAILERS_TOO_LARGE');
    }
    if (line === '') {
      this.#state = IDLE;
    } else if (!isHeaderLine(line)) {
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

  #keepLine(bytes: Buffer, at: number, limit: number): number {
    this.#keep(bytes, at, limit);
    if (this.#keptBytes > LINE_BYTES_MAX) {
      throw new MalformedResponse('LINE_TOO_LONG');
    }
    return limit;
  }

  /**
   * What is kept is copied: the bytes given to parse() are only lent. Room doubles, so that a head that comes byte by
   * byte is not copied anew with each.
   */
  #keep(bytes: Buffer, at: number, limit: number): void {
    const needed = this.#keptBytes + limit - at;
    if (needed > this.#kept.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#kept.length * 2));
      this.#kept.copy(grown, 0, 0, this.#keptBytes);
      this.#kept = grown;
    }
    bytes.copy(this.#kept, this.#keptBytes, at, limit);
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

function viewPart(bytes: Buffer, from: number, to: number): Buffer {
  return from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to);
}

/** @returns -1 where there is none before the limit; what lies behind it was read before, and may have one. */
function findLineFeed(bytes: Buffer, at: number, limit: number): number {
  const end = bytes.subarray(at, limit).indexOf(LF);
  return end < 0 ? -1 : at + end;
}

/** Where the size line ended that readPlainSize read last; a second result without an object. */
let plainEnd = 0;

/**
 * The usual size line, hexadecimal digits and CR LF, all there: nearly every chunk of every stream.
 *
 * @returns -1 for any other line, which then is looked at with care.
 */
function readPlainSize(bytes: Buffer, at: number, limit: number): number {
  let size = 0;
  let i = at;
  for (; i < limit && i < at + 8; i += 1) {
    const digit = HEX_DIGITS[bytes[i] as number] as number;
    if (digit === NOT_HEX) {
      break;
    }
    size = size * 16 + digit;
  }
  if (i === at || i + 1 >= limit || bytes[i] !== CR || bytes[i + 1] !== LF) {
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

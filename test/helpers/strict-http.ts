/**
 * A strict reader of one HTTP/1.1 message, on purpose not the one that the gateway uses. It takes
 * nothing on trust: whatever RFC 9112 does not allow a sender to send is a ProtocolViolation.
 */
import { createHash, type Hash } from 'node:crypto';

export type HeaderPair = readonly [name: string, value: string];
export type BodyFraming = 'none' | 'length' | 'chunked' | 'close';
export type MessageKind = 'request' | 'response';

export class ProtocolViolation extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ProtocolViolation';
  }
}

export interface ParserOptions {
  /** The response answers a HEAD request and therefore has no body, whatever its headers say. */
  readonly toHead?: boolean;
  /** Left off for bodies of hundreds of MB; length and SHA-256 are known all the same. */
  readonly keepBody?: boolean;
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const STATUS_LINE = /^HTTP\/1\.1 ([1-5]\d\d) [\t\x20-\x7e\x80-\xff]*$/;
const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e]+) HTTP\/1\.1$/;
const CHUNK_SIZE = /^([0-9A-Fa-f]{1,12})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?$/;
const HEAD_BYTES_MAX = 1 << 20;
const EMPTY = Buffer.alloc(0);

/** Header names and values are latin-1: one character is one byte. */
export class HttpMessage {
  startLine = '';
  /** Request: method and target. Response: empty. */
  method = '';
  target = '';
  /** Response: the status. Request: 0. */
  status = 0;
  headers: HeaderPair[] = [];
  trailers: HeaderPair[] = [];
  rawHead: Buffer = EMPTY;
  framing: BodyFraming = 'none';
  chunkSizes: number[] = [];
  bodyBytes = 0;
  /** Whether the message's framing says that all of it arrived. */
  complete = false;
  headAtMs = 0;
  firstBodyAtMs: number | null = null;
  endAtMs: number | null = null;
  readonly pieces: Buffer[] = [];
  sha256 = '';

  get body(): Buffer {
    return Buffer.concat(this.pieces);
  }

  get text(): string {
    return this.body.toString('utf8');
  }

  /** The body as JSON; the caller says what it expects to find in it. */
  json(): unknown {
    return JSON.parse(this.text);
  }

  all(name: string): string[] {
    const wanted = name.toLowerCase();
    return this.headers.filter(([key]) => key.toLowerCase() === wanted).map(([, value]) => value);
  }

  header(name: string): string | undefined {
    return this.all(name)[0];
  }
}

type State = 'head' | 'length' | 'size' | 'data' | 'data-end' | 'trailers' | 'close' | 'done';

export class MessageParser {
  readonly message = new HttpMessage();
  readonly #kind: MessageKind;
  readonly #toHead: boolean;
  readonly #keepBody: boolean;
  readonly #hash: Hash = createHash('sha256');
  #state: State = 'head';
  #pending: Buffer = EMPTY;
  #left = 0;

  constructor(kind: MessageKind, options: ParserOptions = {}) {
    this.#kind = kind;
    this.#toHead = options.toHead ?? false;
    this.#keepBody = options.keepBody ?? true;
  }

  get isHeadDone(): boolean {
    return this.#state !== 'head';
  }

  get isDone(): boolean {
    return this.#state === 'done';
  }

  /** Whether no byte of this message has come yet. */
  get isUntouched(): boolean {
    return this.#state === 'head' && this.#pending.length === 0;
  }

  /** Reads on and returns the bytes that belong to the next message. */
  push(bytes: Buffer): Buffer {
    let rest = bytes;
    while (this.#state !== 'done') {
      const before = rest.length;
      const stateBefore = this.#state;
      rest = this.#step(rest);
      if (rest.length === 0 && this.#state === stateBefore) break;
      if (rest.length === before && this.#state === stateBefore) break;
    }
    return rest;
  }

  /** The sender closed: that completes only a body which is framed by the close. */
  finish(): void {
    if (this.#state === 'close') this.#complete();
  }

  #step(bytes: Buffer): Buffer {
    switch (this.#state) {
      case 'head':
        return this.#readHead(bytes);
      case 'length':
        return this.#readCounted(bytes, 'done');
      case 'size':
        return this.#readChunkSize(bytes);
      case 'data':
        return this.#readCounted(bytes, 'data-end');
      case 'data-end':
        return this.#readLine(bytes, (line) => {
          if (line !== '') throw new ProtocolViolation(`no CRLF after a chunk but ${show(line)}`);
          this.#state = 'size';
        });
      case 'trailers':
        return this.#readLine(bytes, (line) => {
          if (line === '') this.#complete();
          else this.message.trailers.push(parseField(line));
        });
      case 'close':
        this.#take(bytes);
        return EMPTY;
      case 'done':
        return bytes;
    }
  }

  #readHead(bytes: Buffer): Buffer {
    this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    const end = this.#pending.indexOf('\r\n\r\n');
    if (end < 0) {
      if (this.#pending.length > HEAD_BYTES_MAX) throw new ProtocolViolation('endless head');
      return EMPTY;
    }
    const message = this.message;
    message.rawHead = this.#pending.subarray(0, end + 4);
    const rest = this.#pending.subarray(end + 4);
    this.#pending = EMPTY;
    const [startLine = '', ...fields] = message.rawHead.toString('latin1', 0, end).split('\r\n');
    message.startLine = startLine;
    message.headAtMs = performance.now();
    this.#readStartLine(startLine);
    message.headers = fields.map(parseField);
    this.#chooseFraming();
    return rest;
  }

  #readStartLine(line: string): void {
    const match = (this.#kind === 'request' ? REQUEST_LINE : STATUS_LINE).exec(line);
    if (match === null) throw new ProtocolViolation(`malformed ${this.#kind} line ${show(line)}`);
    if (this.#kind === 'response') {
      this.message.status = Number(match[1]);
      return;
    }
    this.message.method = match[1] ?? '';
    this.message.target = match[2] ?? '';
  }

  #chooseFraming(): void {
    const message = this.message;
    const lengths = message.all('content-length');
    const codings = message.all('transfer-encoding');
    if (lengths.length > 1) throw new ProtocolViolation('content-length more than once');
    if (lengths.length + codings.length > 1) throw new ProtocolViolation('framed twice');
    const length = lengths[0];
    const coding = codings[0];
    if (length !== undefined && !/^\d{1,15}$/.test(length)) {
      throw new ProtocolViolation(`content-length ${show(length)}`);
    }
    if (coding !== undefined && coding.toLowerCase() !== 'chunked') {
      throw new ProtocolViolation(`transfer-encoding ${show(coding)}`);
    }
    if (this.#kind === 'request' && message.all('host').length !== 1) {
      throw new ProtocolViolation('not exactly one host');
    }
    if (this.#isBodiless()) {
      this.#complete();
    } else if (coding !== undefined) {
      message.framing = 'chunked';
      this.#state = 'size';
    } else if (length !== undefined) {
      message.framing = 'length';
      this.#left = Number(length);
      this.#state = 'length';
      if (this.#left === 0) this.#complete();
    } else if (this.#kind === 'response') {
      message.framing = 'close';
      this.#state = 'close';
    } else {
      this.#complete();
    }
  }

  #isBodiless(): boolean {
    const { status } = this.message;
    if (this.#kind === 'request') return false;
    return this.#toHead || status < 200 || status === 204 || status === 304;
  }

  #readCounted(bytes: Buffer, next: 'done' | 'data-end'): Buffer {
    const part = bytes.subarray(0, this.#left);
    this.#take(part);
    this.#left -= part.length;
    if (this.#left === 0) {
      if (next === 'done') this.#complete();
      else this.#state = next;
    }
    return bytes.subarray(part.length);
  }

  #readChunkSize(bytes: Buffer): Buffer {
    return this.#readLine(bytes, (line) => {
      const match = CHUNK_SIZE.exec(line);
      if (match === null) throw new ProtocolViolation(`chunk size ${show(line)}`);
      const size = Number.parseInt(match[1] ?? '', 16);
      this.#left = size;
      if (size > 0) this.message.chunkSizes.push(size);
      this.#state = size === 0 ? 'trailers' : 'data';
    });
  }

  #readLine(bytes: Buffer, use: (line: string) => void): Buffer {
    this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    const end = this.#pending.indexOf('\r\n');
    if (end < 0) {
      if (this.#pending.length > 8192) throw new ProtocolViolation('endless line');
      return EMPTY;
    }
    const line = this.#pending.toString('latin1', 0, end);
    const rest = this.#pending.subarray(end + 2);
    this.#pending = EMPTY;
    use(line);
    return rest;
  }

  #take(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.message.firstBodyAtMs ??= performance.now();
    this.message.bodyBytes += bytes.length;
    this.#hash.update(bytes);
    if (this.#keepBody) this.message.pieces.push(bytes);
  }

  #complete(): void {
    this.#state = 'done';
    this.message.complete = true;
    this.message.endAtMs = performance.now();
    this.message.sha256 = this.#hash.digest('hex');
  }
}

function parseField(line: string): HeaderPair {
  const colon = line.indexOf(':');
  const name = line.slice(0, Math.max(colon, 0));
  const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '');
  if (!TOKEN.test(name)) throw new ProtocolViolation(`header name ${show(name)} in ${show(line)}`);
  if (!FIELD_VALUE.test(value)) throw new ProtocolViolation(`header value ${show(value)}`);
  return [name, value];
}

function show(text: string): string {
  return JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}…` : text);
}

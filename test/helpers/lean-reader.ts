/**
 * Reads HTTP messages at the speed of memory: it keeps nothing and hashes nothing. It trusts the framing,
 * which strict-http.ts does not; tests that look at the framing take that.
 */
export interface LeanReaderEvents {
  /** The whole head, from the first line to the empty one, as latin-1. */
  onHead(head: string): void;
  /** Lent for the call. */
  onBody(bytes: Buffer): void;
  onEnd(): void;
}

type State = 'head' | 'counted' | 'size' | 'chunk' | 'chunk-end' | 'last-end';

const LF = 0x0a;

export class LeanReader {
  readonly #events: LeanReaderEvents;
  #state: State = 'head';
  #text = '';
  #left = 0;

  constructor(events: LeanReaderEvents) {
    this.#events = events;
  }

  push(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) at = this.#step(bytes, at);
  }

  #step(bytes: Buffer, at: number): number {
    switch (this.#state) {
      case 'head':
        return this.#readHead(bytes, at);
      case 'counted':
      case 'chunk':
        return this.#readCounted(bytes, at);
      default:
        return this.#readLine(bytes, at);
    }
  }

  #readHead(bytes: Buffer, at: number): number {
    const before = this.#text.length;
    this.#text += bytes.toString('latin1', at);
    const end = this.#text.indexOf('\r\n\r\n');
    if (end < 0) return bytes.length;
    const head = this.#text.slice(0, end + 4);
    this.#text = '';
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    const isChunked = /\r\ntransfer-encoding: *chunked/i.test(head);
    this.#left = Number(length ?? 0);
    this.#state = isChunked ? 'size' : 'counted';
    this.#events.onHead(head);
    if (!isChunked && this.#left === 0) this.#finish();
    return at + end + 4 - before;
  }

  #readCounted(bytes: Buffer, at: number): number {
    const part = bytes.subarray(at, at + this.#left);
    this.#left -= part.length;
    this.#events.onBody(part);
    if (this.#left === 0) {
      if (this.#state === 'chunk') this.#state = 'chunk-end';
      else this.#finish();
    }
    return at + part.length;
  }

  #readLine(bytes: Buffer, at: number): number {
    const end = bytes.indexOf(LF, at);
    this.#text += bytes.toString('latin1', at, end < 0 ? bytes.length : end);
    if (end < 0) return bytes.length;
    const line = this.#text.replace('\r', '');
    this.#text = '';
    if (this.#state === 'chunk-end') {
      if (line !== '') throw new Error(`no line end after a chunk but ${JSON.stringify(line)}`);
      this.#state = 'size';
    } else if (this.#state === 'last-end') {
      this.#finish();
    } else {
      if (!/^[0-9a-f]+$/i.test(line)) throw new Error(`chunk size ${JSON.stringify(line)}`);
      this.#left = Number.parseInt(line, 16);
      this.#state = this.#left === 0 ? 'last-end' : 'chunk';
    }
    return end + 1;
  }

  #finish(): void {
    this.#state = 'head';
    this.#events.onEnd();
  }
}

/**
 * A client that writes bytes and reads bytes: nothing between a test and the socket. It can split
 * writes anywhere, stop reading so that the kernel's window closes, half-close and reset.
 */
import { connect, type Socket } from 'node:net';
import { splitAt } from './byte-splits.js';
import { Changes, pause } from './changes.js';
import { type HttpMessage, MessageParser } from './strict-http.js';

/** How the other side ended the connection. `open`: it has not. */
export type CloseKind = 'fin' | 'rst' | 'open';

export interface Arrival {
  readonly atMs: number;
  readonly bytes: Buffer;
}

export interface RawClientOptions {
  readonly port: number;
  readonly host?: string;
  /** The address that the client calls from, such as 127.0.0.2. */
  readonly localAddress?: string;
  /** Start without reading; see `pauseReads`. */
  readonly isPaused?: boolean;
  /** Left off when hundreds of MB come through: `received` and `arrivals` then stay empty. */
  readonly recordsBytes?: boolean;
  readonly timeoutMs?: number;
}

export interface ReadOptions {
  readonly toHead?: boolean;
  readonly keepBody?: boolean;
  readonly timeoutMs?: number;
}

export class RawClient {
  readonly socket: Socket;
  readonly openedAtMs = performance.now();
  readonly arrivals: Arrival[] = [];
  /** 1xx answers that came before the final ones. */
  readonly informational: HttpMessage[] = [];
  bytesReceived = 0;
  closeKind: CloseKind = 'open';
  closedAtMs: number | null = null;
  errorCode: string | null = null;
  readonly #changes = new Changes();
  readonly #recordsBytes: boolean;
  #unread: Buffer[] = [];
  #isConnected = false;

  private constructor(options: RawClientOptions) {
    this.#recordsBytes = options.recordsBytes ?? true;
    this.socket = connect({
      port: options.port,
      host: options.host ?? '127.0.0.1',
      ...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
      allowHalfOpen: true,
      noDelay: true,
    });
    this.socket.on('connect', () => {
      this.#isConnected = true;
      this.#changes.notify();
    });
    this.socket.on('data', (bytes) => this.#onData(bytes));
    this.socket.on('end', () => this.#onClosed('fin', null));
    this.socket.on('error', (error: NodeJS.ErrnoException) =>
      this.#onClosed('rst', error.code ?? error.message),
    );
    this.socket.on('close', () => this.#onClosed('fin', null));
    if (options.isPaused === true) this.socket.pause();
  }

  static async connect(options: RawClientOptions): Promise<RawClient> {
    const client = new RawClient(options);
    await client.#changes.until(
      () => {
        if (client.errorCode !== null) throw new Error(`connect failed: ${client.errorCode}`);
        return client.#isConnected ? true : undefined;
      },
      options.timeoutMs ?? 5000,
      `a connection to port ${options.port}`,
    );
    return client;
  }

  /** All bytes so far. */
  get received(): Buffer {
    return Buffer.concat(this.arrivals.map((arrival) => arrival.bytes));
  }

  /** Strings are sent as latin-1, so that every byte can be written down. */
  send(bytes: string | Buffer): void {
    if (this.socket.writable) this.socket.write(toBytes(bytes));
  }

  /** Resolves when the kernel has taken all of it: an uploader that respects backpressure. */
  async sendAll(bytes: string | Buffer): Promise<void> {
    await new Promise<void>((resolve) => {
      if (!this.socket.writable) return resolve();
      this.socket.write(toBytes(bytes), () => resolve());
    });
  }

  /** Each piece is a segment of its own; `pauseMs` lies between them. */
  async sendSplit(bytes: string | Buffer, points: readonly number[], pauseMs = 0): Promise<void> {
    const pieces = splitAt(toBytes(bytes), points);
    for (const [index, piece] of pieces.entries()) {
      if (this.closeKind !== 'open') return;
      if (index > 0) await pause(pauseMs);
      await this.sendAll(piece);
    }
  }

  async sendEachByte(bytes: string | Buffer, pauseMs = 0): Promise<void> {
    const whole = toBytes(bytes);
    await this.sendSplit(whole, [...whole.keys()].slice(1), pauseMs);
  }

  /** Our FIN; reading goes on. */
  halfClose(): void {
    this.socket.end();
  }

  /** Our RST. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  /** Closes both ways at once; what is left unread may turn it into a reset. */
  destroy(): void {
    this.socket.destroy();
  }

  /** Reads no more: Node's buffer fills, then the kernel's, then the sender stands still. */
  pauseReads(): void {
    this.socket.pause();
  }

  resumeReads(): void {
    this.socket.resume();
  }

  /** Waits until `probe` finds what it looks for; it is asked after every arrival and the close. */
  waitFor<T>(probe: (client: RawClient) => T | undefined, timeoutMs: number, what: string) {
    return this.#changes.until(() => probe(this), timeoutMs, what);
  }

  waitForBytes(count: number, timeoutMs = 10_000): Promise<true> {
    return this.waitFor(
      () => (this.bytesReceived >= count ? true : undefined),
      timeoutMs,
      `${count} bytes (have ${this.bytesReceived})`,
    );
  }

  /** Throws if the other side does not close within the bound. */
  waitForClose(timeoutMs = 15_000): Promise<CloseKind> {
    return this.waitFor(
      () => (this.closeKind === 'open' ? undefined : this.closeKind),
      timeoutMs,
      'the close of the connection',
    );
  }

  /**
   * The next response on the connection; a second call reads the one after it. A response that
   * broke off has `complete` false. Throws ProtocolViolation, or if nothing came before the close.
   */
  async readResponse(options: ReadOptions = {}): Promise<HttpMessage> {
    const response = await this.readResponseOrClose(options);
    if (response !== null) return response;
    throw new Error(
      `closed (${this.closeKind}, ${this.errorCode ?? 'no error'}) without an answer`,
    );
  }

  /** The same, but null if the connection was closed before the first byte of an answer. */
  async readResponseOrClose(options: ReadOptions = {}): Promise<HttpMessage | null> {
    let parser = new MessageParser('response', options);
    const probe = (): HttpMessage | null | undefined => {
      for (;;) {
        this.#feed(parser);
        if (!parser.isDone || parser.message.status >= 200) break;
        this.informational.push(parser.message);
        parser = new MessageParser('response', options);
      }
      if (parser.isDone) return parser.message;
      if (this.closeKind === 'open') return undefined;
      if (parser.isUntouched) return null;
      if (this.closeKind === 'fin') parser.finish();
      return parser.message;
    };
    const found = await this.#changes.until(
      () => {
        const answer = probe();
        return answer === undefined ? undefined : { answer };
      },
      options.timeoutMs ?? 15_000,
      'a whole response',
    );
    return found.answer;
  }

  #feed(parser: MessageParser): void {
    while (!parser.isDone) {
      const next = this.#unread.shift();
      if (next === undefined) return;
      const rest = parser.push(next);
      if (rest.length > 0) this.#unread.unshift(rest);
    }
  }

  #onData(bytes: Buffer): void {
    this.bytesReceived += bytes.length;
    if (this.#recordsBytes) this.arrivals.push({ atMs: performance.now(), bytes });
    this.#unread.push(bytes);
    this.#changes.notify();
  }

  #onClosed(kind: 'fin' | 'rst', code: string | null): void {
    if (this.closeKind !== 'open') return;
    this.closeKind = kind;
    this.errorCode = code;
    this.closedAtMs = performance.now();
    this.socket.end();
    this.#changes.notify();
  }
}

function toBytes(bytes: string | Buffer): Buffer {
  return typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
}

/** One connection of the scripted upstream: its requests in order, its script, its end. */
import type { Socket } from 'node:net';
import { Changes } from './changes.js';
import type { Script } from './mock-steps.js';
import { type HttpMessage, MessageParser } from './strict-http.js';

export interface MockRequest extends HttpMessage {
  connection: MockConnection;
  /** Over all connections of the upstream, from 0. */
  number: number;
}

export interface ConnectionRules {
  readonly reads: 'all' | 'head' | 'never';
  readonly startsAt: 'head' | 'end';
  readonly keepsBodies: boolean;
  readonly onChange: () => void;
  readonly onRequest: (request: MockRequest) => void;
  readonly chooseScript: (request: MockRequest) => Script;
}

/** What the upstream wrote, and when the kernel had taken it. */
export interface Sent {
  readonly atMs: number;
  readonly byteCount: number;
}

export class MockConnection {
  readonly socket: Socket;
  readonly number: number;
  readonly openedAtMs = performance.now();
  readonly requests: MockRequest[] = [];
  readonly sent: Sent[] = [];
  bytesReceived = 0;
  /** First bytes received, for connections that are not HTTP (a TLS hello, garbage). */
  firstBytes: Buffer = Buffer.alloc(0);
  violation: string | null = null;
  closeKind: 'fin' | 'rst' | 'open' = 'open';
  /** Who ended it first. */
  closedBy: 'gateway' | 'mock' | null = null;
  closedAtMs: number | null = null;
  /** Settles when the connection is over; script steps race with it. */
  readonly closed: Promise<void>;
  readonly #rules: ConnectionRules;
  readonly #changes = new Changes();
  readonly #settleClosed: () => void;
  #parser: MessageParser;
  #queue: Promise<void> = Promise.resolve();

  constructor(socket: Socket, number: number, rules: ConnectionRules) {
    this.socket = socket;
    this.number = number;
    this.#rules = rules;
    this.#parser = this.#createParser();
    let settle = (): void => {};
    this.closed = new Promise<void>((resolve) => {
      settle = resolve;
    });
    this.#settleClosed = settle;
    socket.on('end', () => this.#onClosed('fin'));
    socket.on('error', () => this.#onClosed('rst'));
    socket.on('close', () => this.#onClosed('fin'));
    socket.on('data', (bytes) => this.#onData(bytes));
    if (rules.reads === 'never') socket.pause();
  }

  get isOpen(): boolean {
    return this.closeKind === 'open';
  }

  /** Bytes that the script wrote and the gateway has not taken. */
  get unsentBytes(): number {
    return this.socket.writableLength;
  }

  get sentBytes(): number {
    return this.sent.reduce((sum, part) => sum + part.byteCount, 0);
  }

  resumeReads(): void {
    this.socket.resume();
  }

  pauseReads(): void {
    this.socket.pause();
  }

  /** Throws if the connection does not end within the bound. Returns when it ended. */
  waitForClose(timeoutMs = 5000): Promise<number> {
    return this.#changes.until(
      () => this.closedAtMs ?? undefined,
      timeoutMs,
      `the close of upstream connection ${this.number}`,
    );
  }

  waitForBytes(count: number, timeoutMs = 5000): Promise<true> {
    return this.#changes.until(
      () => (this.bytesReceived >= count ? true : undefined),
      timeoutMs,
      `${count} bytes on upstream connection ${this.number}`,
    );
  }

  /** Called by the steps that end the connection, before they do. */
  noteOwnClose(): void {
    this.closedBy ??= 'mock';
  }

  noteSent(byteCount: number): void {
    this.sent.push({ atMs: performance.now(), byteCount });
    this.#rules.onChange();
  }

  #createParser(): MessageParser {
    return new MessageParser('request', { keepBody: this.#rules.keepsBodies });
  }

  #onData(bytes: Buffer): void {
    this.bytesReceived += bytes.length;
    if (this.firstBytes.length < 64) {
      this.firstBytes = Buffer.concat([this.firstBytes, bytes.subarray(0, 64)]);
    }
    if (this.violation === null && this.#rules.reads !== 'never') {
      try {
        this.#parse(bytes);
      } catch (error) {
        this.violation = error instanceof Error ? error.message : String(error);
      }
    }
    this.#changes.notify();
    this.#rules.onChange();
  }

  #parse(bytes: Buffer): void {
    let rest = bytes;
    while (rest.length > 0) {
      const wasHeadDone = this.#parser.isHeadDone;
      rest = this.#parser.push(rest);
      if (!wasHeadDone && this.#parser.isHeadDone) this.#onHead();
      if (!this.#parser.isDone) return;
      const request = this.requests.at(-1);
      if (request !== undefined && this.#rules.startsAt === 'end') this.#run(request);
      this.#parser = this.#createParser();
    }
  }

  #onHead(): void {
    const request = Object.assign(this.#parser.message, { connection: this, number: -1 });
    this.requests.push(request);
    this.#rules.onRequest(request);
    if (this.#rules.reads === 'head') this.socket.pause();
    if (this.#rules.startsAt === 'head') this.#run(request);
  }

  #run(request: MockRequest): void {
    const script = this.#rules.chooseScript(request);
    this.#queue = this.#queue.then(async () => {
      for (const step of script) {
        if (!this.isOpen) return;
        await Promise.race([step(this), this.closed]);
      }
    });
    // A step that throws must fail the test instead of being lost: the rejection stays unhandled.
  }

  #onClosed(kind: 'fin' | 'rst'): void {
    if (!this.isOpen) return;
    this.closeKind = kind;
    this.closedBy ??= 'gateway';
    this.closedAtMs = performance.now();
    this.socket.end();
    this.#settleClosed();
    this.#changes.notify();
    this.#rules.onChange();
  }
}

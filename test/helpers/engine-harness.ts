/** Calls a provider as the pipeline does, without a gateway around it, and writes down what its observer is told. */
import { createServer, type Server, type Socket } from 'node:net';
import type { ProviderConfig } from '../../src/config/model.js';
import { Deadlines } from '../../src/core/deadlines.js';
import { GatewayError } from '../../src/core/errors.js';
import type { UpstreamCall, UpstreamObserver } from '../../src/upstream/call.js';
import type { UpstreamRequest } from '../../src/upstream/engine.js';
import {
  Provider,
  type ProviderDialing,
  type ProviderEvents,
} from '../../src/upstream/provider.js';
import type { ResponseHead } from '../../src/upstream/response-head.js';
import { Changes } from './changes.js';

export type EngineName = 'lean' | 'undici';
export const ENGINES: readonly EngineName[] = ['lean', 'undici'];

export interface ProviderOptions {
  readonly keepAliveMs?: number;
  readonly connectionsMax?: number;
  readonly firstByteMs?: number;
  readonly idleMs?: number;
  readonly connectMs?: number;
  readonly warm?: number;
  /** In place of `http://127.0.0.1:port/v1`. */
  readonly baseUrl?: string;
  readonly proxyUrl?: string;
  readonly dialing?: ProviderDialing;
}

export class ProviderHarness {
  readonly provider: Provider;
  readonly #changes = new Changes();
  openConnections = 0;
  queued = 0;
  /** How long calls were in the queue, and connections took to open, in the order told. */
  readonly queueMs: number[] = [];
  readonly connectMs: number[] = [];

  constructor(engine: EngineName, port: number, options: ProviderOptions = {}) {
    const config: ProviderConfig = {
      name: 'p',
      dialect: 'openai',
      baseUrl: options.baseUrl ?? `http://127.0.0.1:${port}/v1`,
      apiKey: null,
      timeouts: {
        connectMs: options.connectMs ?? 5000,
        firstByteMs: options.firstByteMs ?? 10_000,
        firstTokenMs: null,
        idleMs: options.idleMs ?? 10_000,
        wholeMs: null,
      },
      connections: {
        max: 8,
        queue: 8,
        queueTimeoutMs: 5000,
        keepAliveMs: options.keepAliveMs ?? 60_000,
        warm: options.warm ?? 0,
      },
      tls: null,
      proxyUrl: options.proxyUrl ?? null,
      engine,
      asksUsage: true,
      tellsClient: false,
      breaker: null,
      health: null,
    };
    const { connectionsMax = 8, warm = 0 } = options;
    const share = { connectionsMax, queueMax: 8, warm };
    const events: ProviderEvents = {
      onConnections: (delta) => {
        this.openConnections += delta;
        this.#changes.notify();
      },
      onQueue: (delta) => {
        this.queued += delta;
      },
      onQueueRefused: () => {},
      onWaited: (ms) => this.queueMs.push(ms),
      onConnected: (ms) => this.connectMs.push(ms),
      onReplay: () => {},
    };
    this.provider = new Provider(config, share, new Deadlines(), events, options.dialing);
  }

  call(request: Partial<UpstreamRequest> = {}): ObservedCall {
    const observed = new ObservedCall();
    observed.call = this.provider.send({ ...PLAIN_GET, ...request }, observed);
    return observed;
  }

  waitForOpen(count: number, timeoutMs = 5000): Promise<true> {
    return this.#changes.until(
      () => (this.openConnections === count ? true : undefined),
      timeoutMs,
      `${count} open connections`,
    );
  }
}

const PLAIN_GET: UpstreamRequest = {
  method: 'GET',
  target: '/v1/x',
  headerLines: '',
  pieces: [],
  isLent: true,
  place: null,
  upload: null,
  isRepeatable: true,
  bodyBytes: 0,
};

export class ObservedCall implements UpstreamObserver {
  call: UpstreamCall | null = null;
  head: ResponseHead | null = null;
  readonly events: string[] = [];
  readonly #pieces: Buffer[] = [];
  failure: unknown = null;
  isWhole = false;
  /** As told when it was sent, last; -1: it was not. */
  waitedMs = -1;
  readonly #changes = new Changes();

  get body(): Buffer {
    return Buffer.concat(this.#pieces);
  }

  get failureCode(): string | null {
    return this.failure instanceof GatewayError ? this.failure.code : null;
  }

  /** Resolves when the call is over, in whatever way. */
  over(timeoutMs = 10_000): Promise<this> {
    return this.#changes.until(
      () => (this.isWhole || this.failure !== null ? this : undefined),
      timeoutMs,
      'the end of the call',
    );
  }

  until(probe: (call: ObservedCall) => boolean, what: string): Promise<true> {
    return this.#changes.until(() => (probe(this) ? true : undefined), 5000, what);
  }

  onUpstreamSent(_atMs: number, waitedMs: number): void {
    this.waitedMs = waitedMs;
    this.#note('sent');
  }

  onUpstreamHead(head: ResponseHead): void {
    this.head = head;
    this.#note('head');
  }

  onUpstreamData(chunk: Buffer): void {
    this.#pieces.push(Buffer.from(chunk));
    this.#note('data');
  }

  onUpstreamTurn(): void {
    this.#note('turn');
  }

  onUpstreamEnd(): void {
    this.isWhole = true;
    this.#note('end');
  }

  onUpstreamFailure(failure: unknown): void {
    this.failure = failure;
    this.#note('failure');
  }

  #note(event: string): void {
    this.events.push(event);
    this.#changes.notify();
  }
}

/** A server that hands every request's connection to a script as soon as the empty line of its head is there. */
export class ByteServer {
  readonly sockets: Socket[] = [];
  requests = 0;
  port = 0;
  readonly #server: Server;

  private constructor(script: (socket: Socket, requestNumber: number) => void) {
    this.#server = createServer({ noDelay: true }, (socket) => {
      this.sockets.push(socket);
      let tail = '';
      socket.on('error', () => {});
      socket.on('data', (bytes: Buffer) => {
        tail += bytes.toString('latin1');
        if (tail.includes('\r\n\r\n')) {
          tail = '';
          this.requests += 1;
          script(socket, this.requests - 1);
        }
      });
    });
  }

  static async start(script: (socket: Socket, requestNumber: number) => void): Promise<ByteServer> {
    const server = new ByteServer(script);
    await new Promise<void>((resolve) => {
      server.#server.listen(0, '127.0.0.1', resolve);
    });
    const address = server.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    server.port = address.port;
    return server;
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }
}

/**
 * A provider on a string: it does to each request exactly what a script says, byte by byte, and
 * writes down what it got and when, so that framing and time-to-cancel can be asserted.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { Changes } from './changes.js';
import { renderJson } from './http-text.js';
import { MockConnection, type MockRequest } from './mock-connection.js';
import { type Script, send } from './mock-steps.js';

export type { MockConnection, MockRequest } from './mock-connection.js';
export * from './mock-steps.js';

export interface MockUpstreamOptions {
  /** The script for a request; by default 200 with a small JSON. Numbers count from 0. */
  readonly script?: (request: MockRequest, requestNumber: number) => Script;
  /** When the script begins: after the request's head, or after its body (the default). */
  readonly startsAt?: 'head' | 'end';
  /**
   * `all`: reads everything. `head`: stops reading after a request's head, so that an upload meets
   * backpressure. `never`: accepts and reads nothing; also stands for a TLS server that never
   * answers the handshake, the connecting phase of an https provider.
   * A connection that is not read does not notice its end: call `resumeReads()` on it to look.
   */
  readonly reads?: 'all' | 'head' | 'never';
  /** Off for uploads of hundreds of MB; their length and SHA-256 are known all the same. */
  readonly keepsBodies?: boolean;
  readonly port?: number;
}

export class MockUpstream {
  readonly connections: MockConnection[] = [];
  /** In the order in which their heads came, over all connections. */
  readonly requests: MockRequest[] = [];
  readonly options: MockUpstreamOptions;
  readonly #changes = new Changes();
  readonly #server: Server;
  port = 0;

  private constructor(options: MockUpstreamOptions) {
    this.options = options;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
      this.#accept(socket),
    );
  }

  static async start(options: MockUpstreamOptions = {}): Promise<MockUpstream> {
    const upstream = new MockUpstream(options);
    const server = upstream.#server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port: options.port ?? 0, host: '127.0.0.1', backlog: 4096 }, resolve);
    });
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    upstream.port = address.port;
    return upstream;
  }

  /** For `base_url`. */
  get baseUrl(): string {
    return `http://127.0.0.1:${this.port}/v1`;
  }

  /** For a provider whose TLS handshake never ends; start with `reads: 'never'`. */
  get tlsBaseUrl(): string {
    return `https://127.0.0.1:${this.port}/v1`;
  }

  get openConnections(): MockConnection[] {
    return this.connections.filter((connection) => connection.closeKind === 'open');
  }

  /** Malformed bytes from the gateway, over all connections. Expected to be empty, always. */
  get violations(): string[] {
    return this.connections.flatMap((connection) => connection.violation ?? []);
  }

  waitFor<T>(probe: (upstream: MockUpstream) => T | undefined, timeoutMs: number, what: string) {
    return this.#changes.until(() => probe(this), timeoutMs, what);
  }

  /** The n-th connection, counted from 0, as soon as it is accepted. */
  waitForConnection(number = 0, timeoutMs = 5000): Promise<MockConnection> {
    return this.waitFor(() => this.connections[number], timeoutMs, `upstream connection ${number}`);
  }

  /** The n-th request, counted from 0, as soon as its head is read; `whole`: and its body. */
  waitForRequest(number = 0, timeoutMs = 5000, part: 'head' | 'whole' = 'head') {
    return this.waitFor(
      () => {
        const request = this.requests[number];
        return part === 'head' || request?.complete === true ? request : undefined;
      },
      timeoutMs,
      `upstream request ${number}`,
    );
  }

  /** Closes everything and frees the port, which then refuses connections. */
  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const connection of this.connections) connection.socket.destroy();
    await closed;
  }

  #accept(socket: Socket): void {
    const connection = new MockConnection(socket, this.connections.length, {
      reads: this.options.reads ?? 'all',
      startsAt: this.options.startsAt ?? 'end',
      keepsBodies: this.options.keepsBodies ?? true,
      onChange: () => this.#changes.notify(),
      onRequest: (request) => {
        request.number = this.requests.length;
        this.requests.push(request);
      },
      chooseScript: (request) =>
        this.options.script?.(request, request.number) ?? [send(renderJson({ ok: true }))],
    });
    this.connections.push(connection);
    this.#changes.notify();
  }
}

/** Below what systems give away by themselves, so that no other test is given it meanwhile. */
const CLOSED_PORTS = { from: 10_000, to: 30_000 } as const;

/** A port at which nobody listens: connecting is refused. */
export async function findClosedPort(): Promise<number> {
  for (;;) {
    const server = createServer();
    const { from, to } = CLOSED_PORTS;
    const port = from + Math.floor(Math.random() * (to - from));
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}

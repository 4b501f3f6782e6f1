/**
 * The smuggling oracle: an upstream on node:http, whose parser (llhttp, strict) shares nothing with
 * the gateway's. What it counts is what a real provider would have executed.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Changes } from './changes.js';
import type { HeaderPair } from './strict-http.js';

export interface EchoedRequest {
  readonly method: string;
  readonly target: string;
  /** As received, in order. */
  readonly headers: readonly HeaderPair[];
  readonly bodyBytes: number;
  readonly bodySha256: string;
  /** False if the gateway hung up in the middle of the body. */
  readonly complete: boolean;
}

/** What node:http tells of bytes that are no request. */
interface RejectedBytes extends NodeJS.ErrnoException {
  readonly rawPacket?: Buffer;
}

/** Answers 200 with what it got; OPTIONS with `allow`; 204 where `x-echo-status: 204` asks for it. */
export class EchoUpstream {
  /** In the order in which they were answered. */
  readonly requests: EchoedRequest[] = [];
  /** Heads seen, answered or not. */
  startedCount = 0;
  /** What the parser refused. Expected to be empty, always. */
  readonly parseErrors: string[] = [];
  /** The bytes that it refused, as Latin-1 text, in the same order. */
  readonly rejected: string[] = [];
  readonly #changes = new Changes();
  readonly #server: Server;
  port = 0;

  private constructor() {
    this.#server = createServer({
      insecureHTTPParser: false,
      keepAliveTimeout: 60_000,
      requestTimeout: 0,
      headersTimeout: 0,
      maxHeaderSize: 128 * 1024,
    });
    this.#server.maxHeadersCount = 0;
    this.#server.on('request', (request, response) => this.#answer(request, response));
    this.#server.on('clientError', (error: RejectedBytes, socket) => {
      if (error.code !== 'ECONNRESET') {
        this.parseErrors.push(error.code ?? error.message);
        this.rejected.push(error.rawPacket?.toString('latin1') ?? '');
      }
      this.#changes.notify();
      socket.destroy();
    });
  }

  static async start(): Promise<EchoUpstream> {
    const upstream = new EchoUpstream();
    const server = upstream.#server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, resolve);
    });
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    upstream.port = address.port;
    return upstream;
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${this.port}/v1`;
  }

  /** Requests that carry a header with that value. */
  withHeader(name: string, value: string): EchoedRequest[] {
    return this.requests.filter((request) => findHeader(request, name) === value);
  }

  waitFor<T>(probe: (upstream: EchoUpstream) => T | undefined, timeoutMs: number, what: string) {
    return this.#changes.until(() => probe(this), timeoutMs, what);
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    this.startedCount++;
    const hash = createHash('sha256');
    let bodyBytes = 0;
    request.on('data', (bytes: Buffer) => {
      hash.update(bytes);
      bodyBytes += bytes.length;
    });
    const record = (complete: boolean): EchoedRequest => {
      const echoed: EchoedRequest = {
        method: request.method ?? '',
        target: request.url ?? '',
        headers: pairUp(request.rawHeaders),
        bodyBytes,
        bodySha256: hash.copy().digest('hex'),
        complete,
      };
      this.requests.push(echoed);
      this.#changes.notify();
      return echoed;
    };
    request.on('error', () => this.#changes.notify());
    request.on('close', () => {
      if (!request.complete) record(false);
    });
    request.on('end', () => {
      const body = Buffer.from(JSON.stringify(record(true)));
      if (request.headers['x-echo-status'] === '204') {
        response.writeHead(204).end();
        return;
      }
      if (request.method === 'OPTIONS') response.setHeader('allow', 'GET, POST, OPTIONS');
      response.writeHead(200, {
        'content-type': 'application/json',
        'content-length': body.length,
      });
      response.end(body);
    });
  }
}

export function findHeader(request: EchoedRequest, name: string): string | undefined {
  const wanted = name.toLowerCase();
  return request.headers.find(([key]) => key.toLowerCase() === wanted)?.[1];
}

/** Whether a body is one of the echo's answers. */
export function isEchoAnswer(value: unknown): value is EchoedRequest {
  return typeof value === 'object' && value !== null && 'target' in value && 'bodySha256' in value;
}

function pairUp(raw: readonly string[]): HeaderPair[] {
  const pairs: HeaderPair[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) pairs.push([raw[at] ?? '', raw[at + 1] ?? '']);
  return pairs;
}

/** A collector of traces: takes OTLP over HTTP, reads it, and keeps the spans. */
import {
  createServer,
  type IncomingHttpHeaders,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { Changes } from './changes.js';
import { decodeSpans, type ReadSpan } from './otlp-proto.js';

export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly spans: readonly ReadSpan[];
}

/** `refuse`: 400; `hang`: it reads and never answers. */
export type ReceiverManner = 'take' | 'refuse' | 'hang';

export class OtlpReceiver {
  readonly requests: Received[] = [];
  /** What went wrong in reading; expected to be empty. */
  readonly problems: unknown[] = [];
  manner: ReceiverManner = 'take';
  readonly #changes = new Changes();
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      const pieces: Buffer[] = [];
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('end', () => {
        this.#take(request.url ?? '', request.headers, Buffer.concat(pieces), response);
      });
    });
  }

  static async start(manner: ReceiverManner = 'take'): Promise<OtlpReceiver> {
    const receiver = new OtlpReceiver();
    receiver.manner = manner;
    await new Promise<void>((resolve) => receiver.#server.listen(0, '127.0.0.1', resolve));
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get spans(): ReadSpan[] {
    return this.requests.flatMap(({ spans }) => spans);
  }

  /** Of one trace, the server's first, as soon as there are so many. */
  waitForTrace(traceId: string, count: number, timeoutMs = 8000): Promise<ReadSpan[]> {
    return this.#changes.until(
      () => {
        const spans = this.spans.filter((span) => span.traceId === traceId);
        if (spans.length < count) return undefined;
        return spans.sort((a, b) => a.startMs - b.startMs || (a.kind === 'server' ? -1 : 1));
      },
      timeoutMs,
      `${count} spans of trace ${traceId}`,
    );
  }

  waitForSpans(count: number, timeoutMs = 8000): Promise<ReadSpan[]> {
    return this.#changes.until(
      () => (this.spans.length >= count ? this.spans : undefined),
      timeoutMs,
      `${count} spans`,
    );
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  #take(path: string, headers: IncomingHttpHeaders, body: Buffer, response: ServerResponse): void {
    try {
      this.requests.push({ path, headers, spans: decodeSpans(body) });
    } catch (error) {
      this.problems.push(error);
    }
    if (this.manner !== 'hang') {
      response.writeHead(this.manner === 'take' ? 200 : 400, {
        'content-type': 'application/x-protobuf',
      });
      response.end();
    }
    this.#changes.notify();
  }
}

/**
 * A provider of many slow event streams at little cost: one timer for all of them. Each stream says in every event
 * which one it is and how far, so that a lost, doubled or misled event is seen. The request's body holds the
 * stream's number as `"stream_number":N`.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { renderChunk } from './http-text.js';
import { LeanReader } from './lean-reader.js';

const TICK_MS = 50;
const HEAD =
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n';
export const LAST_EVENT = 'data: [DONE]\n\n';

/** What stream `stream` says as its `sequence`-th event. */
export function formatTick(stream: number, sequence: number): string {
  return `data: {"id":"s-${stream}","seq":${sequence},"choices":[{"delta":{"content":"${'é'.repeat(sequence % 40)}"}}]}\n\n`;
}

interface Ticking {
  readonly socket: Socket;
  readonly stream: number;
  sequence: number;
}

export class TickingUpstream {
  readonly #sockets = new Set<Socket>();
  /** Each holds the streams that are due in the same tick. */
  readonly #slots: Ticking[][];
  readonly #server: Server;
  readonly #timer: NodeJS.Timeout;
  #slot = 0;
  port = 0;

  private constructor(everyMs: number | null) {
    this.#slots = Array.from(
      { length: Math.max(1, Math.round((everyMs ?? 0) / TICK_MS)) },
      () => [],
    );
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
    this.#timer = setInterval(() => {
      if (everyMs !== null) this.#tick();
    }, TICK_MS);
  }

  /** @param everyMs between two events of a stream; null: only the first comes. */
  static async start(everyMs: number | null): Promise<TickingUpstream> {
    const upstream = new TickingUpstream(everyMs);
    await new Promise<void>((resolve) => {
      upstream.#server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, resolve);
    });
    const address = upstream.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    upstream.port = address.port;
    return upstream;
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${this.port}/v1`;
  }

  get openConnections(): number {
    return this.#sockets.size;
  }

  get ticking(): number {
    return this.#slots.reduce((sum, slot) => sum + slot.length, 0);
  }

  /** Ends every stream after the event that it is at. */
  finishAll(): void {
    for (const slot of this.#slots) {
      for (const { socket } of slot) {
        socket.write(Buffer.concat([renderChunk(LAST_EVENT), Buffer.from('0\r\n\r\n')]));
      }
      slot.length = 0;
    }
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    let body = '';
    const reader = new LeanReader({
      onHead: () => {
        body = '';
      },
      onBody: (bytes) => {
        body += bytes.toString('latin1');
      },
      onEnd: () => this.#begin(socket, Number(/"stream_number":(\d+)/.exec(body)?.[1] ?? 0)),
    });
    socket.on('data', (bytes) => reader.push(bytes));
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
  }

  #begin(socket: Socket, stream: number): void {
    socket.write(Buffer.concat([Buffer.from(HEAD), renderTick(stream, 0)]));
    const slot = this.#slots[stream % this.#slots.length] as Ticking[];
    slot.push({ socket, stream, sequence: 1 });
  }

  #tick(): void {
    this.#slot = (this.#slot + 1) % this.#slots.length;
    for (const ticking of this.#slots[this.#slot] as Ticking[]) {
      ticking.socket.write(renderTick(ticking.stream, ticking.sequence));
      ticking.sequence += 1;
    }
  }
}

function renderTick(stream: number, sequence: number): Buffer {
  return renderChunk(Buffer.from(formatTick(stream, sequence)));
}

/**
 * A provider for large bodies that holds none of them: it sends and checks pattern.ts. `GET …?bytes=N` (with
 * `&chunked` for that framing) is answered with N bytes, an upload with its size and the place of its first wrong byte.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { LAST_CHUNK, renderChunk, renderJson } from './http-text.js';
import { LeanReader } from './lean-reader.js';
import { PatternCheck, patternAt } from './pattern.js';

const PIECE_BYTES = 64 * 1024;

export interface BulkOptions {
  /** After an upload's head nothing is read until `release()`. */
  readonly holdsUploads?: boolean;
}

export class BulkConnection {
  readonly socket: Socket;
  target = '';
  isOpen = true;
  closedAtMs = 0;
  /** Of the answer's body, given to the socket. */
  sentBytes = 0;
  /** The socket takes no more for now. */
  isStalled = false;

  constructor(socket: Socket) {
    this.socket = socket;
  }
}

export class BulkUpstream {
  readonly connections: BulkConnection[] = [];
  readonly #options: BulkOptions;
  readonly #server: Server;
  port = 0;

  private constructor(options: BulkOptions) {
    this.#options = options;
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  static async start(options: BulkOptions = {}): Promise<BulkUpstream> {
    const upstream = new BulkUpstream(options);
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

  /** The connection that carried the target last. */
  find(target: string): BulkConnection | undefined {
    return this.connections.findLast((connection) => connection.target === target);
  }

  /** Reads the uploads that were held. */
  release(): void {
    for (const { socket } of this.connections) socket.resume();
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const { socket } of this.connections) socket.destroy();
    await closed;
  }

  #accept(socket: Socket): void {
    const connection = new BulkConnection(socket);
    this.connections.push(connection);
    let check = new PatternCheck();
    const reader = new LeanReader({
      onHead: (head) => {
        check = new PatternCheck();
        const [method, target = ''] = head.split(' ', 2);
        connection.target = target;
        if (method !== 'GET' && this.#options.holdsUploads === true) socket.pause();
      },
      onBody: (bytes) => check.take(bytes),
      onEnd: () => {
        const bytes = /[?&]bytes=(\d+)/.exec(connection.target)?.[1];
        if (bytes !== undefined) answer(connection, Number(bytes));
        else socket.write(renderJson({ bytes: check.bytes, wrongAt: check.wrongAt }));
      },
    });
    socket.on('data', (bytes) => reader.push(bytes));
    socket.on('error', () => {});
    socket.on('close', () => {
      connection.isOpen = false;
      connection.closedAtMs = performance.now();
    });
  }
}

function answer(connection: BulkConnection, bytes: number): void {
  const { socket, target } = connection;
  const isChunked = target.includes('&chunked');
  const framing = isChunked ? 'transfer-encoding: chunked' : `content-length: ${bytes}`;
  connection.sentBytes = 0;
  socket.write(`HTTP/1.1 200 OK\r\ncontent-type: audio/wav\r\n${framing}\r\n\r\n`);
  const pump = (): void => {
    connection.isStalled = false;
    while (connection.isOpen && connection.sentBytes < bytes) {
      const left = Math.min(PIECE_BYTES, bytes - connection.sentBytes);
      const piece = patternAt(connection.sentBytes, left);
      connection.sentBytes += piece.length;
      if (!socket.write(isChunked ? renderChunk(piece) : piece)) {
        connection.isStalled = true;
        socket.once('drain', pump);
        return;
      }
    }
    if (isChunked) socket.write(LAST_CHUNK);
  };
  pump();
}

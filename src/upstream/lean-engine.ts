/**
 * The engine for HTTP/1.1 that Weir usually speaks to providers with. What it leaves out makes it fast: all sockets
 * read into one buffer, and what is read is parsed and passed on before the next read, so nothing of an answer is
 * copied here; a request's head and body are written into one buffer and sent with one call.
 *
 * It serves one thing only, requests and answers in turn on a connection of their own. No pipelining, no upgrades.
 */
import type { Socket } from 'node:net';
import { nowMs } from '../core/clock.js';
import type { DeadlineList, Timed } from '../core/deadlines.js';
import type { Address } from './addresses.js';
import type { Dial, Dialer } from './dial.js';
import {
  type ConnectionEvents,
  countBytes,
  type Engine,
  type ResponseHandler,
  type UpstreamConnection,
  type UpstreamRequest,
} from './engine.js';
import { writeRequestHead } from './request-head.js';
import { RequestWriter } from './request-writer.js';
import type { ResponseHead } from './response-head.js';
import { ResponseParser, type ResponseSink } from './response-parser.js';
import { UploadPump } from './upload-pump.js';

/** Read by every socket of the thread, one after the other. As large as what Node reads at most. */
const READ_BUFFER = Buffer.allocUnsafeSlow(64 * 1024);

export class LeanEngine implements Engine {
  readonly #host: string;
  readonly #idle: DeadlineList;

  /**
   * @param host the value of the host header.
   * @param idle how long an unused connection is kept.
   */
  constructor(host: string, idle: DeadlineList) {
    this.#host = host;
    this.#idle = idle;
  }

  connect(dialer: Dialer, events: ConnectionEvents): Dial {
    let connection: LeanConnection | null = null;
    return dialer.dial(
      {
        onOpen: (socket, address) => {
          connection = new LeanConnection(socket, address, this.#host, this.#idle, events);
          events.onOpen(connection);
        },
        onFailed: (error) => events.onFailed(error),
      },
      {
        buffer: READ_BUFFER,
        callback: (bytesRead) => {
          connection?.onRead(bytesRead);
          return true;
        },
      },
    );
  }
}

/** A server's keep-alive hint is cut by this, so that a request never crosses its closing (P-23). */
const KEEP_ALIVE_MARGIN_MS = 1000;

class LeanConnection implements UpstreamConnection, ResponseSink, Timed {
  readonly address: Address;
  readonly #socket: Socket;
  readonly #host: string;
  readonly #idle: DeadlineList;
  readonly #events: ConnectionEvents;
  readonly #parser = new ResponseParser(this);
  #handler: ResponseHandler | null = null;
  #pump: UploadPump | null = null;
  #isUsable = true;
  /** The server closes after this answer, or something about it forbids another request. */
  #closesAfter = false;
  /** From the last answer's hint, else Infinity. */
  #idleMsMax = Number.POSITIVE_INFINITY;
  #error: Error | null = null;
  /** When the bytes in hand were read. */
  #readMs = 0;
  readonly #writer: RequestWriter;

  deadlineList: DeadlineList | null = null;
  deadlinePrevious: Timed | null = null;
  deadlineNext: Timed | null = null;
  deadlineStartMs = 0;

  constructor(
    socket: Socket,
    address: Address,
    host: string,
    idle: DeadlineList,
    events: ConnectionEvents,
  ) {
    this.#socket = socket;
    this.address = address;
    this.#host = host;
    this.#idle = idle;
    this.#events = events;
    this.#writer = new RequestWriter(socket);
    socket.on('error', (error) => {
      this.#error = error;
    });
    socket.on('end', () => this.#onEnd());
    socket.on('close', () => this.#onClose());
  }

  get isUsable(): boolean {
    return (
      this.#isUsable &&
      this.#handler === null &&
      // A hint is checked when the connection is asked for; the list only knows the provider's own time.
      (this.#idleMsMax === Number.POSITIVE_INFINITY || this.#idle.waitedMs(this) < this.#idleMsMax)
    );
  }

  send(request: UpstreamRequest, handler: ResponseHandler, keeps: boolean): void {
    this.#idle.remove(this);
    this.#handler = handler;
    this.#closesAfter = false;
    this.#parser.begin(request.method === 'HEAD');
    this.#write(request, keeps);
    if (request.upload !== null) {
      this.#pump = new UploadPump(this.#socket, request.upload, request.bodyBytes < 0, (error) =>
        this.#fail(error),
      );
    }
    // Last, because it may destroy this connection.
    handler.onSent();
  }

  recallBody(): Buffer | null {
    return this.#writer.recallBody();
  }

  rest(): void {
    this.#idle.add(this);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  destroy(): void {
    this.#handler = null;
    this.#isUsable = false;
    this.#pump?.stop();
    this.#socket.destroy();
  }

  /** The provider's keep-alive time is over. */
  onDeadline(): void {
    this.destroy();
  }

  /** @param bytesRead as many as there are to take in at the start of the read buffer. */
  onRead(bytesRead: number): void {
    const handler = this.#handler;
    if (handler === null) {
      // Nothing was asked. An answer to nobody must not become the next one's (P-24).
      this.destroy();
      return;
    }
    this.#readMs = nowMs();
    this.#writer.forget();
    try {
      const taken = this.#parser.parse(READ_BUFFER, bytesRead);
      if (this.#parser.isIdle) {
        this.#complete(taken === bytesRead);
      } else if (this.#handler === handler) {
        handler.onTurn(this.#readMs);
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  onParsedHead(head: ResponseHead): void {
    this.#closesAfter = head.closes;
    this.#idleMsMax =
      head.keepAliveHintMs < 0
        ? Number.POSITIVE_INFINITY
        : head.keepAliveHintMs - KEEP_ALIVE_MARGIN_MS;
    this.#handler?.onHead(head, this.#readMs);
  }

  onParsedData(bytes: Buffer): void {
    this.#handler?.onData(bytes);
  }

  #complete(isExact: boolean): void {
    const handler = this.#handler;
    this.#handler = null;
    const isUploadDone = this.#pump === null || this.#pump.isDone;
    this.#pump?.stop();
    this.#pump = null;
    const isSpent = this.#closesAfter || this.#idleMsMax <= 0;
    if (isSpent || !isExact || !isUploadDone || this.#writer.isBusy) {
      this.#isUsable = false;
    } else {
      this.#idle.add(this, this.#readMs);
    }
    handler?.onEnd(this.#readMs);
    if (!this.#isUsable) {
      this.#socket.destroy();
    }
  }

  #onEnd(): void {
    this.#isUsable = false;
    if (this.#handler === null) {
      return;
    }
    this.#readMs = nowMs();
    if (this.#parser.finish()) {
      this.#complete(true);
    } else {
      this.#fail(this.#error ?? new ConnectionEnded());
    }
  }

  #onClose(): void {
    this.#isUsable = false;
    this.#idle.remove(this);
    if (this.#handler !== null) {
      this.#fail(this.#error ?? new ConnectionEnded());
    }
    this.#writer.forget();
    this.#events.onClosed(this);
  }

  #fail(error: unknown): void {
    const handler = this.#handler;
    this.destroy();
    handler?.onError(error);
  }

  #write(request: UpstreamRequest, keeps: boolean): void {
    const head = writeRequestHead(request, this.#host);
    const { pieces, place } = request;
    const isChunked = request.bodyBytes < 0;
    const size = isChunked ? countBytes(pieces) : 0;
    const opening = isChunked && size > 0 ? `${head}${size.toString(16)}\r\n` : head;
    const closing = isChunked && size > 0 ? '\r\n' : '';
    this.#writer.write(opening, pieces, closing, keeps, place);
  }
}

class ConnectionEnded extends Error {
  readonly code = 'ENDED';

  constructor() {
    super('the connection ended before the answer was complete');
    this.name = 'ConnectionEnded';
  }
}

/**
 * The engine on undici: one Client a connection, over a socket that is open already. undici's own pool queues
 * without bound and looks through all its clients at each dispatch (D-2), its timers are coarse (D-3), and its
 * connector can't be cancelled; so it is given none of these tasks.
 */
import type { Socket } from 'node:net';
import { Client, type Dispatcher } from 'undici';
import type { Engine, ResponseHandler, UpstreamConnection, UpstreamRequest } from './engine.js';

export function createUndiciEngine(origin: string, keepAliveMs: number): Engine {
  return (socket, onClosed) => new UndiciConnection(origin, keepAliveMs, socket, onClosed);
}

/** Of an answer's head; what Node itself takes by default. Beyond it undici fails with UND_ERR_HEADERS_OVERFLOW. */
const RESPONSE_HEADER_BYTES_MAX = 16 * 1024;

/** A provider's keep-alive hint is cut by this, so that a request never crosses its closing (D-7, P-23). */
const KEEP_ALIVE_MARGIN_MS = 1000;

class UndiciConnection implements UpstreamConnection, Dispatcher.DispatchHandler {
  readonly #client: Client;
  readonly #socket: Socket;
  #handler: ResponseHandler | null = null;
  #controller: Dispatcher.DispatchController | null = null;
  #isConnected = false;

  constructor(origin: string, keepAliveMs: number, socket: Socket, onClosed: () => void) {
    this.#socket = socket;
    this.#client = new Client(origin, {
      connect: (_options, callback) => {
        // Called again after the socket was lost; this connection then is over and does not get another.
        if (this.#isConnected) {
          callback(new Error('the connection is closed'), null);
        } else {
          this.#isConnected = true;
          // Called back at once undici would take no notice: it is in the middle of its own loop.
          queueMicrotask(() => callback(null, socket));
        }
      },
      pipelining: 1,
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: keepAliveMs,
      keepAliveMaxTimeout: keepAliveMs,
      keepAliveTimeoutThreshold: KEEP_ALIVE_MARGIN_MS,
      maxHeaderSize: RESPONSE_HEADER_BYTES_MAX,
      allowH2: false,
    });
    socket.once('close', () => {
      onClosed();
      this.#client.destroy(null, ignore);
    });
  }

  get isUsable(): boolean {
    return !this.#socket.destroyed && this.#socket.writable && this.#handler === null;
  }

  send(request: UpstreamRequest, handler: ResponseHandler): void {
    this.#handler = handler;
    this.#client.dispatch(
      {
        method: request.method as Dispatcher.HttpMethod,
        path: request.target,
        headers: request.headers as string[],
        body: request.body,
      },
      this,
    );
  }

  pause(): void {
    this.#controller?.pause();
  }

  resume(): void {
    this.#controller?.resume();
  }

  destroy(): void {
    this.#handler = null;
    this.#controller = null;
    this.#socket.destroy();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    this.#handler?.onSent();
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    statusText?: string,
  ): void {
    // undici reports 1xx as well (P-25).
    if (status >= 200) {
      this.#handler?.onHead(status, statusText ?? '', controller.rawHeaders as Buffer[]);
    }
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#handler?.onData(chunk);
  }

  onResponseEnd(): void {
    const handler = this.#take();
    // Where an answer is ended by the connection's end, undici takes a reset for such an end; it is a cut.
    const reset = this.#socket.errored;
    if (reset === null) {
      handler?.onEnd();
    } else {
      handler?.onError(reset);
    }
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#take()?.onError(error);
  }

  #take(): ResponseHandler | null {
    const handler = this.#handler;
    this.#handler = null;
    this.#controller = null;
    return handler;
  }
}

function ignore(): void {}

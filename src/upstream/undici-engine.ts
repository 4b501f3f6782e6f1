/**
 * The engine on undici: one Client a connection, over a socket that is open already. undici's own pool queues
 * without bound and looks through all its clients at each dispatch (D-2), its timers are coarse (D-3), and its
 * connector can't be cancelled; so it is given none of these tasks.
 *
 * What it can't do, and the lean engine can: take a `100 Continue` that was not asked for (it ends the connection, hence
 * 502), and give the whole of a provider's own reason phrase that came in two reads.
 */
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import type { Client, Dispatcher } from 'undici';
import { nowMs } from '../core/clock.js';
import type { Address } from './addresses.js';
import type { Dial, Dialer } from './dial.js';
import type {
  ConnectionEvents,
  Engine,
  ResponseHandler,
  UpstreamConnection,
  UpstreamRequest,
} from './engine.js';
import { splitHeaderLines } from './request-head.js';
import { formatStatus, MalformedResponse, readHeaders } from './response-head.js';
import { INTERIM_HEADS_MAX } from './response-parser.js';

export class UndiciEngine implements Engine {
  readonly #origin: string;
  readonly #keepAliveMs: number;

  constructor(origin: string, keepAliveMs: number) {
    this.#origin = origin;
    this.#keepAliveMs = keepAliveMs;
  }

  connect(dialer: Dialer, events: ConnectionEvents): Dial {
    return dialer.dial({
      onOpen: (socket, address) => {
        const connection = new UndiciConnection(
          this.#origin,
          this.#keepAliveMs,
          socket,
          address,
          events,
        );
        events.onOpen(connection);
      },
      onFailed: (error) => events.onFailed(error),
    });
  }
}

/** Loaded when a provider asks for it: it takes a tenth of a second in every worker, a third of the whole start. */
let undici: typeof import('undici') | null = null;

function loadUndici(): typeof import('undici') {
  undici ??= createRequire(import.meta.url)('undici') as typeof import('undici');
  return undici;
}

/** Of an answer's head, as in the lean engine. Beyond it undici fails with UND_ERR_HEADERS_OVERFLOW. */
const RESPONSE_HEADER_BYTES_MAX = 64 * 1024;

/** A provider's keep-alive hint is cut by this, so that a request never crosses its closing (D-7, P-23). */
const KEEP_ALIVE_MARGIN_MS = 1000;

class UndiciConnection implements UpstreamConnection, Dispatcher.DispatchHandler {
  readonly address: Address;
  readonly #client: Client;
  readonly #socket: Socket;
  #handler: ResponseHandler | null = null;
  #controller: Dispatcher.DispatchController | null = null;
  #isConnected = false;
  #isTurnScheduled = false;
  #status = 0;
  #interimHeads = 0;

  /** The body that may have to be sent again, empty where there is none; null: it can't. */
  #kept: Buffer | null = null;
  #bytesReadBefore = 0;
  readonly #keepAliveMs: number;
  #isResting = false;

  constructor(
    origin: string,
    keepAliveMs: number,
    socket: Socket,
    address: Address,
    events: ConnectionEvents,
  ) {
    this.#socket = socket;
    this.#keepAliveMs = keepAliveMs;
    this.address = address;
    this.#client = new (loadUndici().Client)(origin, {
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
    // undici listens with its first request only.
    socket.on('error', ignore);
    socket.once('close', () => {
      events.onClosed(this);
      this.#client.destroy(null, ignore);
    });
  }

  get isUsable(): boolean {
    return !this.#socket.destroyed && this.#socket.writable && this.#handler === null;
  }

  send(request: UpstreamRequest, handler: ResponseHandler, keeps: boolean): void {
    this.#wake();
    this.#handler = handler;
    this.#interimHeads = 0;
    const { upload, bodyBytes } = request;
    // undici keeps the body until the answer is over, so borrowed pieces are copied.
    const start = request.pieces.length === 0 ? null : Buffer.concat(request.pieces);
    this.#kept = keeps ? (start ?? EMPTY) : null;
    this.#bytesReadBefore = this.#socket.bytesRead;
    const headers = splitHeaderLines(request.headerLines);
    if (upload !== null) {
      if (bodyBytes >= 0) {
        headers.push('content-length', String(bodyBytes));
      }
      if (start !== null) {
        upload.unshift(start);
      }
    }
    this.#client.dispatch(
      {
        method: request.method as Dispatcher.HttpMethod,
        path: request.target,
        headers,
        body: upload ?? start,
      },
      this,
    );
  }

  recallBody(): Buffer | null {
    return this.#socket.bytesRead === this.#bytesReadBefore ? this.#kept : null;
  }

  /** undici takes the socket over with its first request; until then it is watched here. */
  rest(): void {
    this.#isResting = true;
    this.#socket.on('data', this.#close);
    this.#socket.resume();
    this.#socket.setTimeout(this.#keepAliveMs, this.#close);
  }

  #wake(): void {
    if (this.#isResting) {
      this.#isResting = false;
      this.#socket.off('data', this.#close);
      this.#socket.off('timeout', this.#close);
      this.#socket.setTimeout(0);
      this.#socket.pause();
    }
  }

  readonly #close = (): void => {
    this.destroy();
  };

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
    if (status < 200) {
      this.#interimHeads += 1;
      if (this.#interimHeads > INTERIM_HEADS_MAX) {
        controller.abort(new MalformedResponse('TOO_MANY_INTERIM'));
      }
    } else {
      this.#status = status;
      this.#kept = null;
      const lines = joinHeaders(controller.rawHeaders as Buffer[]);
      const head = readHeaders(status, mendReason(status, statusText), lines);
      this.#handler?.onHead(head, nowMs());
    }
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (chunk.length === 0) {
      // When it is resumed with nothing read in between, undici's parser may report no bytes as a piece of the body.
      return;
    }
    this.#handler?.onData(chunk);
    if (!this.#isTurnScheduled) {
      this.#isTurnScheduled = true;
      queueMicrotask(this.#endTurn);
    }
  }

  readonly #endTurn = (): void => {
    this.#isTurnScheduled = false;
    this.#handler?.onTurn(nowMs());
  };

  onResponseEnd(): void {
    const handler = this.#take();
    // Where an answer is ended by the connection's end, undici takes a reset for such an end; it is a cut.
    const reset = this.#socket.errored;
    if (reset === null) {
      handler?.onEnd(nowMs());
    } else {
      handler?.onError(reset);
    }
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    const code = (error as NodeJS.ErrnoException).code;
    const isBodiless = this.#status === 304 || this.#status === 204;
    if (isBodiless && code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH') {
      // undici misses the body that such an answer may announce and never has (RFC 9110 sections 15.3.5, 15.4.5).
      this.#take()?.onEnd(nowMs());
      return;
    }
    this.#take()?.onError(error);
  }

  #take(): ResponseHandler | null {
    const handler = this.#handler;
    this.#handler = null;
    this.#controller = null;
    return handler;
  }
}

/** Of a reason that came in two reads undici gives only the end, so the end of the standard words stands for them. */
function mendReason(status: number, reason = ''): string {
  const standard = formatStatus(status).slice(4);
  return standard.endsWith(reason) ? standard : reason;
}

function joinHeaders(raw: readonly Buffer[]): string {
  let lines = '';
  for (let i = 0; i < raw.length; i += 2) {
    lines += `${raw[i]?.toString('latin1')}: ${raw[i + 1]?.toString('latin1')}\r\n`;
  }
  return lines;
}

const EMPTY = Buffer.alloc(0);

function ignore(): void {}

/**
 * The middle of an exchange: stands between the client's connection and the provider's, passes bytes on unaltered
 * with backpressure both ways, and ends the exchange exactly once, whoever ends it.
 *
 * What the provider sends within one turn of the loop is gathered and written in one cork, hence one send. A head
 * waits for the first bytes of its body (docs/decisions/0003).
 */
import type { AnswerHead, DownstreamObserver } from '../accept/downstream.js';
import { BOUNDS } from '../core/bounds.js';
import { nowMs } from '../core/clock.js';
import { GatewayError } from '../core/errors.js';
import type { Ended, Exchange, Phase } from '../exchange.js';
import { type AnswerShape, copyHeaders, formatStatus, formatTiming } from './answer-head.js';

/** The provider's side, as far as a relay needs it. */
export interface RelayedCall {
  readonly phase: Phase;
  /** Where it was when it ended. */
  readonly endedIn: Phase;
  pause(): void;
  resume(): void;
  cancel(): void;
}

/** What a relay needs of its worker. */
export interface RelayHost {
  /** Shapes of errors in the dialect of the caller. */
  formatError(exchange: Exchange, error: GatewayError): string;
  formatStreamError(exchange: Exchange, error: GatewayError): string;
  /** Something was thrown that is no GatewayError: a defect of Weir's. */
  onFault(exchange: Exchange, thrown: unknown): void;
  /** Called exactly once for each exchange, when it is over in whatever way. */
  onEnded(exchange: Exchange): void;
  /** The worker wants its connections to end. */
  readonly isDraining: boolean;
  /** The worker cuts what is left: the client did not go by itself. */
  readonly isClosing: boolean;
}

const EMPTY = Buffer.alloc(0);
const LINE_FEED = 0x0a;
const JSON_TYPE = ['content-type', 'application/json'] as const;

export class Relay implements DownstreamObserver {
  readonly #exchange: Exchange;
  readonly #host: RelayHost;
  #call: RelayedCall | null = null;
  /** Set from the provider's head until it is written. */
  #head: AnswerHead | null = null;
  #shape: AnswerShape | null = null;
  /** HEAD, 204 and 304 have a head only (RFC 9110 sections 6.4.1, 9.3.2, 15.4.5). */
  #isBodiless = false;
  #pieces: Buffer[] = [];
  #isFlushScheduled = false;
  #hasBegun = false;
  #isUpstreamDone = false;
  #isCongested = false;
  /** The last two bytes of an event stream were line feeds: an event may follow. */
  #isBetweenEvents = true;
  readonly #flushLater = (): void => {
    this.#isFlushScheduled = false;
    this.#flush();
  };

  constructor(exchange: Exchange, host: RelayHost) {
    this.#exchange = exchange;
    this.#host = host;
    exchange.downstream.observe(this);
  }

  /** The call that answers this exchange. It may have failed already, while it was made. */
  begin(call: RelayedCall): void {
    if (this.#exchange.ended === null) {
      this.#call = call;
    } else {
      call.cancel();
    }
  }

  /** Answers with an error of Weir's own, or cuts an answer that has begun. */
  refuse(thrown: unknown): void {
    const exchange = this.#exchange;
    if (exchange.ended !== null) {
      return;
    }
    const error = this.#toGatewayError(thrown);
    const phase = this.#phase();
    exchange.error = error;
    this.#call?.cancel();
    if (this.#hasBegun) {
      this.#cutVisibly(error);
    } else {
      const { row } = error;
      exchange.status = row.status;
      const body = this.#host.formatError(exchange, error);
      this.#answerLocally(
        row.status,
        body,
        row.closes || this.#hasMuchUnread(),
        retryHeaders(error),
      );
    }
    this.#end({ by: blame(error), phase, reason: error.code });
  }

  /** A whole JSON answer of Weir's own. */
  answer(status: number, body: string): void {
    this.#exchange.status = status;
    this.#answerLocally(status, body, false, []);
    this.#end({ by: 'gateway', phase: this.#phase(), reason: 'complete' });
  }

  onDownstreamGone(): void {
    const phase = this.#phase();
    this.#call?.cancel();
    if (this.#host.isClosing) {
      this.#end({ by: 'gateway', phase, reason: 'draining' });
    } else {
      this.#end({ by: 'downstream', phase, reason: 'aborted' });
    }
  }

  onDownstreamWritable(): void {
    this.#isCongested = false;
    this.#flush();
    if (!this.#isCongested) {
      this.#call?.resume();
    }
  }

  onUpstreamSent(): void {
    this.#exchange.sentMs = nowMs();
  }

  onUpstreamHead(status: number, statusText: string, rawHeaders: readonly Buffer[]): void {
    const exchange = this.#exchange;
    exchange.headMs = nowMs();
    exchange.status = status;
    const headers: (string | Uint8Array)[] = [];
    this.#shape = copyHeaders(rawHeaders, headers);
    this.#head = { status: formatStatus(status, statusText), headers };
    this.#isBodiless = exchange.head.method === 'HEAD' || status === 204 || status === 304;
  }

  onUpstreamData(chunk: Buffer): void {
    this.#exchange.responseBytes += chunk.length;
    this.#pieces.push(chunk);
    this.#scheduleFlush();
  }

  onUpstreamEnd(): void {
    this.#isUpstreamDone = true;
    this.#scheduleFlush();
  }

  onUpstreamFailure(error: GatewayError): void {
    // Once an answer has begun, what came before the failure goes down first; a client may use what it got.
    if (this.#hasBegun && !this.#isCongested) {
      this.#flush();
    }
    this.refuse(error);
  }

  #scheduleFlush(): void {
    if (!this.#isFlushScheduled && !this.#isCongested) {
      this.#isFlushScheduled = true;
      queueMicrotask(this.#flushLater);
    }
  }

  #flush(): void {
    const { downstream } = this.#exchange;
    if (this.#exchange.ended !== null || this.#shape === null) {
      return;
    }
    const pieces = this.#pieces;
    if (pieces.length === 0 && !this.#isUpstreamDone) {
      return;
    }
    this.#pieces = [];
    const isLast = this.#isUpstreamDone;
    if (!this.#hasBegun && isLast && this.#answerWhole(pieces)) {
      return;
    }
    const head = this.#takeHead();
    if (this.#shape.isEventStream && pieces.length > 0) {
      this.#isBetweenEvents = endsEvent(pieces[pieces.length - 1] as Buffer);
    }
    const isTaken = downstream.send(head, pieces, this.#shape.contentLength, isLast);
    if (isLast && !downstream.isOpen) {
      this.#end({ by: 'upstream', phase: 'done', reason: 'complete' });
    } else if (!isTaken) {
      this.#isCongested = true;
      this.#call?.pause();
    }
  }

  /** An answer that is there whole before anything of it was sent: one write. */
  #answerWhole(pieces: readonly Buffer[]): boolean {
    const { downstream } = this.#exchange;
    const contentLength = this.#shape?.contentLength ?? -1;
    if (this.#isBodiless) {
      const head = this.#takeHead();
      if (head !== null) {
        downstream.answerWithoutBody(head, contentLength < 0 ? null : contentLength);
      }
    } else if (pieces.length === 0 || (pieces.length === 1 && contentLength >= 0)) {
      const closes = this.#closes();
      const head = this.#takeHead(!closes);
      if (head !== null) {
        downstream.answer(head, pieces[0] ?? EMPTY, closes);
      }
    } else {
      return false;
    }
    this.#end({ by: 'upstream', phase: 'done', reason: 'complete' });
    return true;
  }

  /** The provider's head with what Weir adds; null if it has been taken. */
  #takeHead(isConnectionWritten = false): AnswerHead | null {
    const head = this.#head;
    if (head === null) {
      return null;
    }
    this.#head = null;
    this.#hasBegun = true;
    const exchange = this.#exchange;
    exchange.firstByteMs = nowMs();
    const headers = head.headers as (string | Uint8Array)[];
    this.#pushOwnHeaders(headers, addedMs(exchange));
    if (!isConnectionWritten && this.#closes()) {
      headers.push('connection', 'close');
    }
    return head;
  }

  #pushOwnHeaders(headers: (string | Uint8Array)[], added: number): void {
    headers.push('x-weir-id', this.#exchange.id, 'server-timing', formatTiming(added));
  }

  /** After a chunked request two parsers may disagree about where the next one begins; after it, or when draining, close. */
  #closes(): boolean {
    return this.#exchange.head.isChunked || this.#host.isDraining;
  }

  #hasMuchUnread(): boolean {
    const { head, requestBytes } = this.#exchange;
    return head.isChunked || head.contentLength - requestBytes > BOUNDS.drainUnreadBytesMax;
  }

  #answerLocally(status: number, body: string, closes: boolean, extra: readonly string[]): void {
    const exchange = this.#exchange;
    exchange.firstByteMs = nowMs();
    const headers: (string | Uint8Array)[] = [...JSON_TYPE, ...extra];
    this.#pushOwnHeaders(headers, exchange.firstByteMs - (exchange.readyMs || exchange.startedMs));
    const head = { status: formatStatus(status, ''), headers };
    this.#hasBegun = true;
    const isBodiless = exchange.head.method === 'HEAD';
    exchange.responseBytes = isBodiless ? 0 : Buffer.byteLength(body);
    if (closes || this.#closes()) {
      exchange.downstream.answerAndClose(head, isBodiless ? '' : body);
    } else if (isBodiless) {
      exchange.downstream.answerWithoutBody(head, Buffer.byteLength(body));
    } else {
      exchange.downstream.answer(head, body, false);
    }
  }

  /** An answer that has begun can't become another one: its connection is cut, after an error event where one fits. */
  #cutVisibly(error: GatewayError): void {
    const { downstream } = this.#exchange;
    const shape = this.#shape;
    if (shape?.isEventStream && !shape.isEncoded && shape.contentLength < 0 && !this.#isCongested) {
      const gap = this.#isBetweenEvents ? '' : '\n\n';
      const event = gap + this.#host.formatStreamError(this.#exchange, error);
      downstream.send(this.#takeHead(), [Buffer.from(event)], -1, false);
    }
    downstream.cut();
  }

  #phase(): Phase {
    const call = this.#call;
    if (call === null) {
      return this.#exchange.phase;
    }
    return call.phase === 'done' ? call.endedIn : call.phase;
  }

  #toGatewayError(thrown: unknown): GatewayError {
    if (thrown instanceof GatewayError) {
      return thrown;
    }
    this.#host.onFault(this.#exchange, thrown);
    return new GatewayError('gateway_error', 'The gateway failed to handle this request.');
  }

  #end(ended: Ended): void {
    const exchange = this.#exchange;
    if (exchange.ended === null) {
      exchange.ended = ended;
      this.#pieces = [];
      exchange.releaseBody?.();
      this.#host.onEnded(exchange);
    }
  }
}

/** Time that Weir took before the request was written and after the answer's head came; waiting for a connection counts. */
function addedMs(exchange: Exchange): number {
  return exchange.sentMs - exchange.readyMs + (exchange.firstByteMs - exchange.headMs);
}

function endsEvent(piece: Buffer): boolean {
  const { length } = piece;
  if (length < 2 || piece[length - 1] !== LINE_FEED) {
    return false;
  }
  return piece[length - 2] === LINE_FEED || piece[length - 3] === LINE_FEED;
}

function retryHeaders(error: GatewayError): string[] {
  const { retryAfterMs } = error;
  return retryAfterMs === null
    ? []
    : [
        'retry-after',
        String(Math.ceil(retryAfterMs / 1000)),
        'retry-after-ms',
        String(Math.ceil(retryAfterMs)),
      ];
}

function blame(error: GatewayError): Ended['by'] {
  return error.code.startsWith('upstream_') ? 'upstream' : 'gateway';
}

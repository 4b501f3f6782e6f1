/**
 * The middle of an exchange: stands between the client's connection and the provider's, passes bytes on unaltered
 * with backpressure both ways, and ends the exchange exactly once, whoever ends it.
 *
 * What one read from the provider brought is written in one cork, hence one send. A head waits for the first bytes of
 * its body (docs/decisions/0003).
 */

import type { DownstreamObserver } from '../accept/downstream.js';
import type { AnswerHead } from '../core/answer-head.js';
import { BOUNDS } from '../core/bounds.js';
import { nowMs } from '../core/clock.js';
import { GatewayError } from '../core/errors.js';
import type { Deferred } from '../core/turn-row.js';
import type { Ended, Exchange, Phase } from '../exchange.js';
import { lookInto } from './answer-watch.js';
import { blame, hasMuchUnread, hidesLength } from './ending.js';
import { ExchangeDeadline } from './exchange-deadline.js';
import { endsEvent, KeepAlive } from './keep-alive.js';
import { createLocalHead, formatOwnLines, tellAttempts } from './own-lines.js';
import { countBytes, keepPieces } from './pieces.js';
import type { RelayedCall, RelayedHead, RelayHost } from './relay-host.js';

const EMPTY = Buffer.alloc(0);
const REFUSALS_FROM = 400;
const COMPLETE: Ended = Object.freeze({ by: 'upstream', phase: 'done', reason: 'complete' });

export class Relay implements DownstreamObserver, Deferred {
  readonly #exchange: Exchange;
  readonly #host: RelayHost;
  #call: RelayedCall | null = null;
  #head: RelayedHead | null = null;
  /** HEAD, 204 and 304 have a head only (RFC 9110 sections 6.4.1, 9.3.2, 15.4.5). */
  #isBodiless = false;
  /** From the provider, not yet offered to the client. Lent for the turn, but for the first #keptPieces. */
  #pieces: Buffer[] = [];
  #keptPieces = 0;
  /** Something has been written to the client. */
  #hasBegun = false;
  #isCongested = false;
  /** The last bytes of an event stream ended an event: another may follow. */
  #isBetweenEvents = true;
  #deadline: ExchangeDeadline | null = null;
  #keepAlive: KeepAlive | null = null;
  /** It waits for the end of the turn, and since when. */
  #isInRow = false;
  #readMs = 0;

  constructor(exchange: Exchange, host: RelayHost) {
    this.#exchange = exchange;
    this.#host = host;
    exchange.downstream.observe(this);
  }

  /** The exchange is over at the latest so long after it began; of several times the shortest counts. */
  limitTime(durationMs: number): void {
    this.#deadline ??= new ExchangeDeadline(this.#exchange, this.#host.deadlines, this);
    this.#deadline.limit(durationMs);
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
      const body = this.#host.formatError(exchange, error);
      this.#answerLocally(row.status, body, row.closes || hasMuchUnread(exchange), error);
    }
    this.#end({ by: blame(error), phase, reason: error.code });
  }

  /** A whole JSON answer of Weir's own. */
  answer(status: number, body: string): void {
    this.#answerLocally(status, body, false, null);
    this.#end({ by: 'gateway', phase: this.#phase(), reason: 'complete' });
  }

  onDownstreamGone(): void {
    const phase = this.#phase();
    this.#call?.cancel();
    if (this.#host.isClosing) {
      this.#end({ by: 'gateway', phase, reason: this.#host.closingReason });
    } else {
      this.#end({ by: 'downstream', phase, reason: 'aborted' });
    }
  }

  onDownstreamWritable(): void {
    this.#isCongested = false;
    this.#flush(0);
    if (!this.#isCongested) {
      this.#call?.resume();
    }
  }

  onUpstreamSent(atMs: number, waitedMs: number): void {
    this.#exchange.sentMs = atMs;
    this.#exchange.waitedMs = waitedMs;
  }

  onUpstreamHead(head: RelayedHead, atMs: number): void {
    const exchange = this.#exchange;
    exchange.headMs = atMs;
    exchange.status = head.status;
    exchange.upstreamStatus = head.status;
    if (head.status >= REFUSALS_FROM) exchange.refusalLines = head.lines;
    exchange.dropBody(false);
    this.#head = head;
    this.#isBodiless =
      exchange.head.method === 'HEAD' || head.status === 204 || head.status === 304;
    if (!this.#isBodiless) lookInto(exchange, head);
    const keepAliveMs = head.isEventStream ? (exchange.target?.keepAliveMs ?? 0) : 0;
    if (keepAliveMs > 0 && !this.#isBodiless && !head.isEncoded && this.#bodyBytes(head) < 0) {
      this.#keepAlive = new KeepAlive(this.#host.deadlines, keepAliveMs, this);
    }
  }

  onUpstreamData(chunk: Buffer): void {
    const { meter, trace } = this.#exchange;
    this.#exchange.noteData(chunk);
    trace?.answer?.take(chunk);
    if (meter === null) {
      this.#pieces.push(chunk);
    } else {
      meter.take(chunk, this.#pieces);
    }
  }

  onUpstreamTurn(atMs: number): void {
    if (!this.#waits(atMs)) {
      this.#flush(atMs);
      this.#checkBudget();
    }
  }

  /** The client has been sent nothing for a while. @internal */
  onSilence(comment: Buffer): void {
    // What waits for the end of the turn may end within an event.
    if (this.#isBetweenEvents && !this.#isCongested && !this.#isInRow) {
      this.#pieces.push(comment);
      this.#flush(0);
    }
  }

  onUpstreamEnd(atMs: number): void {
    this.#exchange.isUpstreamDone = true;
    this.#exchange.upstreamDoneMs = atMs;
    this.#exchange.meter?.finish(this.#pieces);
    if (!this.#waits(atMs)) {
      this.#flush(atMs);
    }
  }

  /** At the end of the turn in which what waits was read. */
  run(): void {
    this.#isInRow = false;
    if (!this.#isCongested) {
      this.#flush(this.#readMs);
      this.#checkBudget();
    }
  }

  onUpstreamFailure(failure: unknown): void {
    // Once an answer has begun, what came before the failure goes down first; a client may use what it got. After a
    // defect of this relay's own nothing does: half of it may be gone already.
    const hasBegun = this.#hasBegun || this.#isInRow;
    if (failure instanceof GatewayError && hasBegun && !this.#isCongested) {
      this.#exchange.meter?.finish(this.#pieces);
      this.#flush(0);
    }
    this.refuse(failure);
  }

  /** A stream that has used up its consumer's limit is ended in the shape of its API, and says why. */
  #checkBudget(): void {
    const exchange = this.#exchange;
    const head = this.#head;
    if (!exchange.endsWhenExhausted || exchange.ended !== null || !this.#hasBegun) {
      return;
    }
    if (head?.isEventStream !== true || this.#isCongested || !this.#host.isExhausted(exchange)) {
      return;
    }
    const error = new GatewayError(
      'limit_reached',
      'A limit of this consumer was used up; the stream ends here.',
    );
    const phase = this.#phase();
    exchange.error = error;
    this.#call?.cancel();
    if (this.#bodyBytes(head) < 0) {
      const gap = this.#isBetweenEvents ? '' : '\n\n';
      const end = this.#host.formatStreamLength(exchange);
      const event = this.#host.formatStreamError(exchange, error);
      exchange.downstream.send(null, [Buffer.from(gap + end + event)], -1, true);
    }
    exchange.downstream.cut();
    this.#end({ by: 'gateway', phase, reason: error.code });
  }

  /**
   * What was read is kept: for a client that is behind until it has caught up; where there are many exchanges, and it is
   * little, until the end of the turn, when it is sent in a row with what others have.
   */
  #waits(readMs: number): boolean {
    const waits = this.#isCongested || this.#mayWait();
    if (waits) {
      this.#keptPieces = keepPieces(this.#pieces, this.#keptPieces);
      if (!this.#isCongested && !this.#isInRow) {
        this.#isInRow = true;
        this.#readMs = readMs;
        this.#host.row.add(this);
      }
    }
    return waits;
  }

  #mayWait(): boolean {
    return (
      this.#host.workerInFlight >= BOUNDS.turnRowFrom &&
      countBytes(this.#pieces) <= BOUNDS.turnRowAnswerBytesMax
    );
  }

  /** @param readMs when what an answer may begin with was read; 0: there is nothing of the provider's in it. */
  #flush(readMs: number): void {
    const exchange = this.#exchange;
    const head = this.#head;
    const pieces = this.#pieces;
    if (exchange.ended !== null || head === null) {
      return;
    }
    if (pieces.length === 0 && !exchange.isUpstreamDone) {
      return;
    }
    this.#pieces = [];
    this.#keptPieces = 0;
    const isLast = exchange.isUpstreamDone;
    if (!this.#hasBegun) {
      exchange.answerReadMs = readMs;
    }
    if (!this.#hasBegun && isLast && this.#answerWhole(head, pieces)) {
      return;
    }
    if (head.isEventStream && pieces.length > 0) {
      this.#isBetweenEvents = endsEvent(pieces[pieces.length - 1] as Buffer);
    }
    this.#keepAlive?.touch();
    const { downstream } = exchange;
    const isTaken = downstream.send(
      this.#hasBegun ? null : this.#beginAnswer(head, this.#closes()),
      pieces,
      this.#bodyBytes(head),
      isLast,
    );
    if (isLast && !downstream.isOpen) {
      this.#end(COMPLETE);
    } else if (!isTaken) {
      this.#isCongested = true;
      this.#call?.pause();
    }
  }

  /** The length of what the client gets; -1 if it is not known beforehand. */
  #bodyBytes(head: RelayedHead): number {
    return this.#exchange.meter?.isFiltering === true ? -1 : head.contentLength;
  }

  /** An answer that is there whole before anything of it was sent: one write. */
  #answerWhole(head: RelayedHead, pieces: readonly Buffer[]): boolean {
    const { downstream } = this.#exchange;
    const contentLength = this.#bodyBytes(head);
    const closes = this.#closes();
    if (this.#isBodiless && closes && this.#exchange.head.method === 'HEAD') {
      // Only an answer with a body, be it empty, closes the connection for certain.
      downstream.answer(this.#beginAnswer(head, false), EMPTY, true);
    } else if (this.#isBodiless) {
      const reportedBytes = contentLength < 0 ? null : contentLength;
      downstream.answerWithoutBody(this.#beginAnswer(head, closes), reportedBytes);
    } else if (pieces.length === 0 || (pieces.length === 1 && contentLength >= 0)) {
      downstream.answer(this.#beginAnswer(head, false), pieces[0] ?? EMPTY, closes);
    } else {
      return false;
    }
    // It took no longer than the clock takes to be read.
    this.#end(COMPLETE, this.#exchange.firstByteMs);
    return true;
  }

  /** The provider's head with what Weir adds. */
  #beginAnswer(head: RelayedHead, announcesClose: boolean): AnswerHead {
    this.#hasBegun = true;
    const exchange = this.#exchange;
    exchange.firstByteMs = nowMs();
    const limits = this.#host.formatLimits(exchange);
    const passes = limits === null || !head.hasExtensions;
    const lines = passes ? head.lines : this.#host.dropLimitLines(head.lines);
    return {
      status: head.statusLine,
      lines:
        lines +
        formatOwnLines(exchange.id, exchange.addedMs, announcesClose) +
        tellAttempts(exchange),
      moreLines: limits,
    };
  }

  /** Where two parsers may disagree about where the next request begins, or when draining, this is the last answer. */
  #closes(): boolean {
    const { head, downstream } = this.#exchange;
    const isAsked = this.#host.isDraining || downstream.endsConnection;
    return isAsked || head.isChunked || hidesLength(head);
  }

  #answerLocally(status: number, body: string, closes: boolean, error: GatewayError | null): void {
    const exchange = this.#exchange;
    const { downstream } = exchange;
    exchange.status = status;
    exchange.firstByteMs = nowMs();
    const begunMs = exchange.readyMs > 0 ? exchange.readyMs : exchange.startedMs;
    const plain = createLocalHead(this.#host.formatStatus(status), error);
    const own =
      formatOwnLines(exchange.id, exchange.firstByteMs - begunMs, false) + tellAttempts(exchange);
    const limits = this.#host.formatLimits(exchange);
    // Of its own, because an answer that closes its connection is written later.
    const moreLines = limits === null ? null : Uint8Array.from(limits);
    const head = { ...plain, lines: plain.lines + own, moreLines };
    const isBodiless = exchange.head.method === 'HEAD';
    this.#hasBegun = true;
    exchange.responseBytes = isBodiless ? 0 : Buffer.byteLength(body);
    if (closes || this.#closes()) {
      downstream.answerAndClose(head, isBodiless ? '' : body);
    } else if (isBodiless) {
      downstream.answerWithoutBody(head, Buffer.byteLength(body));
    } else {
      downstream.answer(head, body, false);
    }
  }

  /** An answer that has begun can't become another one: its connection is cut, after an error event where one fits. */
  #cutVisibly(error: GatewayError): void {
    const { downstream } = this.#exchange;
    const head = this.#head;
    const canSayMore = head !== null && this.#bodyBytes(head) < 0 && !head.isEncoded;
    if (canSayMore && head.isEventStream && !this.#isCongested) {
      const gap = this.#isBetweenEvents ? '' : '\n\n';
      const event = gap + this.#host.formatStreamError(this.#exchange, error);
      downstream.send(null, [Buffer.from(event)], -1, false);
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

  #end(ended: Ended, atMs: number = nowMs()): void {
    const exchange = this.#exchange;
    if (exchange.ended === null) {
      exchange.ended = ended;
      this.#deadline?.stop();
      this.#keepAlive?.stop();
      this.#pieces = [];
      exchange.dropBody(true);
      this.#host.onEnded(exchange, atMs);
    }
  }
}

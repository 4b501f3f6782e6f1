/**
 * One request to a provider, from the queue to the last byte of the answer: its phase, its timeout, and who is
 * told. However it ends, exactly one of onUpstreamEnd and onUpstreamFailure is called, or none after cancel().
 */
import { BOUNDS } from '../core/bounds.js';
import { nowMs } from '../core/clock.js';
import type { DeadlineList, Timed } from '../core/deadlines.js';
import { GatewayError } from '../core/errors.js';
import { type CallTimeouts, FirstTokenWait, holdsTokens } from './call-timeouts.js';
import type { Dial } from './dial.js';
import type { ResponseHandler, UpstreamConnection, UpstreamRequest } from './engine.js';
import { classifyFailure, type FailurePoint } from './failure.js';
import type { ResponseHead } from './response-head.js';

export interface UpstreamObserver {
  /**
   * Times are those of core/clock.ts.
   * @param waitedMs of the time since the call was made: until a connection was free, and until one was open.
   */
  onUpstreamSent(atMs: number, waitedMs: number): void;
  onUpstreamHead(head: ResponseHead, atMs: number): void;
  /** Lent until onUpstreamTurn or onUpstreamEnd has returned. */
  onUpstreamData(chunk: Buffer): void;
  /** `atMs` is when that was read which was told since the turn before. */
  onUpstreamTurn(atMs: number): void;
  onUpstreamEnd(atMs: number): void;
  /** A GatewayError, or whatever this observer threw: then the defect is Weir's, and not the provider's. */
  onUpstreamFailure(failure: unknown): void;
}

export type CallPhase = 'queued' | 'connecting' | 'waiting' | 'streaming' | 'done';

/** What a call needs of its provider. */
export interface CallHost {
  readonly name: string;
  /** The connection may carry another request now. */
  release(connection: UpstreamConnection): void;
  /** The call left the queue or gave up its dial without having had a connection. */
  withdraw(call: UpstreamCall): void;
  /** Starts the call again, on a new connection: the one it was sent on was dead already, and is destroyed. */
  resend(call: UpstreamCall): void;
}

export class UpstreamCall implements ResponseHandler, Timed {
  readonly request: UpstreamRequest;
  readonly #host: CallHost;
  #observer: UpstreamObserver;
  readonly #timeouts: CallTimeouts;
  phase: CallPhase = 'queued';
  /** The phase in which it ended. */
  endedIn: CallPhase = 'queued';
  dial: Dial | null = null;
  #connection: UpstreamConnection | null = null;
  #isPaused = false;
  /** Until the first token has come, where somebody asks for it. */
  #firstToken: FirstTokenWait | null = null;
  /** Infinity: an engine has not begun to send it. */
  #sentMs = Number.POSITIVE_INFINITY;
  /** In the queue, while a connection was opened for it, and until one proved stale. */
  waitedMs = 0;
  /** Its first connection was stale; there is no third. */
  #isResent = false;

  deadlineList: DeadlineList | null = null;
  deadlinePrevious: Timed | null = null;
  deadlineNext: Timed | null = null;
  deadlineStartMs = 0;

  constructor(
    host: CallHost,
    request: UpstreamRequest,
    observer: UpstreamObserver,
    timeouts: CallTimeouts,
  ) {
    this.#host = host;
    this.request = request;
    this.#observer = observer;
    this.#timeouts = timeouts;
  }

  /** A call that waits needs memory of its own where that of its body is lent. */
  keepBody(): void {
    const { pieces, isLent } = this.request;
    if (isLent && pieces.length > 0) {
      this.request.pieces = [Buffer.concat(pieces)];
    }
  }

  /** From now on another is told of this call. */
  handOver(observer: UpstreamObserver): void {
    this.#observer = observer;
  }

  /**
   * Sends over a connection that is free.
   * @param wasIdle whether the provider may have closed it in the meantime.
   */
  start(connection: UpstreamConnection, wasIdle: boolean): void {
    this.dial = null;
    this.#connection = connection;
    this.phase = 'waiting';
    this.request.upload?.on('progress', () => this.#onUploadProgress());
    const { upload, isRepeatable } = this.request;
    connection.send(this.request, this, wasIdle && upload === null && isRepeatable);
    if (this.phase === 'waiting' && this.deadlineList === null) {
      // An engine that has not begun to send yet may never come to it.
      this.#timeouts.firstByte.add(this);
    }
  }

  /** Stops reading the answer; what has been read already still arrives. The idle timeout rests meanwhile. */
  pause(): void {
    if (!this.#isPaused && this.phase === 'streaming') {
      this.#isPaused = true;
      this.deadlineList?.remove(this);
      this.#firstToken?.stop();
      this.#connection?.pause();
    }
  }

  resume(): void {
    if (this.#isPaused && this.phase === 'streaming') {
      this.#isPaused = false;
      this.#timeouts.idle.add(this);
      this.#firstToken?.start();
      this.#connection?.resume();
    }
  }

  /** Ends the call in whatever phase it is; the observer hears nothing more. */
  cancel(): void {
    if (this.phase === 'done') {
      return;
    }
    const isWithoutConnection = this.#connection === null;
    this.#finish();
    this.dial?.cancel();
    if (isWithoutConnection) {
      this.#host.withdraw(this);
    } else {
      this.#connection?.destroy();
    }
  }

  /** Ends the call with an error that did not come from its connection. */
  fail(error: unknown, point: FailurePoint): void {
    if (this.phase !== 'done') {
      this.#finish();
      this.#observer.onUpstreamFailure(classifyFailure(this.#host.name, error, point));
    }
  }

  onDeadline(): void {
    const { phase } = this;
    const isQueued = phase === 'queued';
    this.cancel();
    this.#observer.onUpstreamFailure(describeTimeout(this.#host.name, phase, isQueued));
  }

  onFirstTokenLate(): void {
    this.cancel();
    this.#observer.onUpstreamFailure(
      new GatewayError(
        'first_token_timeout',
        `Provider "${this.#host.name}" did not begin with its answer's content in time.`,
      ),
    );
  }

  onSent(): void {
    const atMs = nowMs();
    this.#sentMs = atMs;
    if (this.phase === 'waiting') {
      this.#timeouts.firstByte.add(this, atMs);
      const { firstToken } = this.#timeouts;
      if (firstToken !== null) {
        this.#firstToken = new FirstTokenWait(firstToken, atMs, this);
      }
    }
    try {
      this.#observer.onUpstreamSent(atMs, this.waitedMs);
    } catch (thrown) {
      this.#giveUp(thrown);
    }
  }

  onHead(head: ResponseHead, atMs: number): void {
    this.phase = 'streaming';
    this.request.pieces = NO_PIECES;
    this.#timeouts.idle.add(this, atMs);
    if (this.#firstToken !== null && !holdsTokens(head)) {
      this.#endFirstToken();
    }
    try {
      this.#observer.onUpstreamHead(head, atMs);
    } catch (thrown) {
      this.#giveUp(thrown);
    }
  }

  onData(chunk: Buffer): void {
    if (this.#firstToken?.take(chunk) === true) {
      this.#endFirstToken();
    }
    try {
      this.#observer.onUpstreamData(chunk);
    } catch (thrown) {
      this.#giveUp(thrown);
    }
  }

  onTurn(atMs: number): void {
    // Nothing happens to a call that is paused, or whose head is not whole yet: it waits in no list, or in another.
    this.#timeouts.idle.touch(this, atMs);
    try {
      this.#observer.onUpstreamTurn(atMs);
    } catch (thrown) {
      this.#giveUp(thrown);
    }
  }

  onEnd(atMs: number): void {
    const connection = this.#connection;
    this.#finish();
    if (connection !== null) {
      this.#host.release(connection);
    }
    try {
      this.#observer.onUpstreamEnd(atMs);
    } catch (thrown) {
      this.#giveUp(thrown);
    }
  }

  onError(error: unknown): void {
    const point = this.phase === 'streaming' ? 'after-head' : 'before-head';
    const connection = this.#connection;
    if (connection !== null && this.phase === 'waiting' && this.#sendAgain(connection)) {
      return;
    }
    this.fail(error, point);
    connection?.destroy();
  }

  /** Where the connection was stale, which is nobody's failure (P-23). */
  #sendAgain(connection: UpstreamConnection): boolean {
    const sinceSentMs = nowMs() - this.#sentMs;
    if (this.#isResent || sinceSentMs > BOUNDS.staleConnectionMs) {
      return false;
    }
    const body = connection.recallBody();
    if (body === null) {
      return false;
    }
    this.#isResent = true;
    this.waitedMs += Math.max(0, sinceSentMs);
    this.#connection = null;
    this.request.pieces = body.length === 0 ? NO_PIECES : [body];
    this.deadlineList?.remove(this);
    this.#endFirstToken();
    connection.destroy();
    this.#host.resend(this);
    return true;
  }

  /** The observer threw. In an engine's hands that would pass for an answer that is not valid. */
  #giveUp(thrown: unknown): void {
    this.cancel();
    this.#observer.onUpstreamFailure(thrown);
  }

  /** Nobody answers before the upload is there, however long that takes. */
  #onUploadProgress(): void {
    if (this.phase === 'waiting') {
      this.#timeouts.firstByte.touch(this);
      if (this.#firstToken !== null) {
        this.#firstToken.start();
      }
    }
  }

  #endFirstToken(): void {
    this.#firstToken?.stop();
    this.#firstToken = null;
  }

  #finish(): void {
    this.endedIn = this.phase;
    this.phase = 'done';
    this.deadlineList?.remove(this);
    if (this.#firstToken !== null) {
      this.#endFirstToken();
    }
  }
}

const NO_PIECES: readonly Uint8Array[] = [];

function describeTimeout(provider: string, phase: CallPhase, isQueued: boolean): GatewayError {
  if (isQueued) {
    return new GatewayError(
      'queue_timeout',
      `No connection to provider "${provider}" became free in time.`,
      {
        retryAfterMs: 1000,
      },
    );
  }
  if (phase === 'connecting') {
    return new GatewayError(
      'connect_timeout',
      `Provider "${provider}" could not be connected to in time.`,
    );
  }
  if (phase === 'waiting') {
    return new GatewayError(
      'first_byte_timeout',
      `Provider "${provider}" did not begin to answer in time.`,
    );
  }
  return new GatewayError(
    'idle_timeout',
    `Provider "${provider}" fell silent in the middle of its answer.`,
  );
}

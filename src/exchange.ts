/**
 * The state of one exchange: one object that all stages share, from the first byte read to the last
 * thing recorded. Declared fields only; a stage writes its own and reads those of the stages before it.
 */
import type { Downstream } from './accept/downstream.js';
import type { TokenPrice } from './admit/cost.js';
import type { DeputyHold } from './admit/deputy.js';
import type { Identity } from './authenticate/keys.js';
import { nowMs } from './core/clock.js';
import type { DialectName, GatewayError } from './core/errors.js';
import type { Usage } from './core/usage.js';
import type { RequestBody } from './inspect/body.js';
import type { BodyEdit } from './inspect/usage-request.js';
import type { Reservation } from './limits/reservation.js';
import type { ExchangeTrace } from './observe/exchange-trace.js';
import type { FirstTokenWatch } from './relay/first-token.js';
import type { Meter } from './relay/meter.js';
import type { Target } from './route/models.js';

export type { DialectName };

/** Where an exchange is. Ordered: an exchange only moves forward. */
export type Phase = 'reading' | 'queued' | 'connecting' | 'waiting' | 'streaming' | 'done';

/** Why an exchange is over. In every access-log line. */
export interface Ended {
  readonly by: 'downstream' | 'upstream' | 'gateway';
  readonly phase: Phase;
  /** `complete`, `aborted`, or a code of core/errors.ts. */
  readonly reason: string;
}

/** What of a request decides how much it may use. */
export interface Asked {
  readonly isStream: boolean;
  /** The most tokens of an answer; -1 where the request does not say. */
  readonly outputTokensMax: number;
  /** How many answers; at least 1. */
  readonly answers: number;
}

/** What an exchange was thought to need before it began. */
export interface Estimate {
  /** The provider's name of the model. */
  readonly modelKey: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Of the request's body: text, and what is attached to it in base64. */
  readonly textBytes: number;
  readonly attachedBytes: number;
}

/** One call to a provider that was made for an exchange, as it is told in the access log. */
export interface AttemptRecord {
  readonly provider: string;
  /** The name that the provider was asked for; null where the request names none. */
  readonly model: string | null;
  /** `ok`, a class of upstream/failure-classes.ts, or why it came to nothing. */
  readonly className: string;
  /** From its beginning to its end, or to its failure. */
  readonly ms: number;
}

/** What an exchange has used in the end. */
export interface Settled {
  readonly usage: Usage;
  /** 0 where the model has no price. */
  readonly costNanoDollars: number;
  readonly isPriced: boolean;
  /** The provider did not say; it is an estimate by what went over the wire. */
  readonly isEstimated: boolean;
}

/** The request's head, copied out of uWebSockets.js. Names are in lower case; values as received. */
export interface RequestHead {
  /** As sent, in its case. */
  readonly method: string;
  /** Path without the query, beginning with `/`. */
  readonly path: string;
  /** Without the question mark; empty if there is none. */
  readonly query: string;
  /** name, value, name, value … in the order received. */
  readonly headers: readonly string[];
  /** Bytes that `content-length` announces; -1 if there is none. */
  readonly contentLength: number;
  readonly isChunked: boolean;
  /** null where there is none; of several the first. */
  readonly contentType: string | null;
  readonly contentEncoding: string | null;
  /** Places in `headers` of the first and the last name of a header that may carry a key; -1 where there is none. */
  readonly firstCredential: number;
  readonly lastCredential: number;
  readonly hasAnthropicVersion: boolean;
  /** `x-weir-timeout`, as sent; of several all, with commas in between; null where there is none. */
  readonly timeout: string | null;
  /** As sent; of several all, with commas in between, which is none that is valid; null where there is none. */
  readonly traceparent: string | null;
  /** `x-weir-debug`, as sent; of several the first; null where there is none. */
  readonly debug: string | null;
  /** A `connection` header says something else than `keep-alive` or `close`. */
  readonly namesHops: boolean;
  /** All values are ASCII. */
  readonly isAscii: boolean;
  /** The headers leave no doubt about where the request ends and how they are to be read: see accept/framing.ts. */
  readonly isSound: boolean;
  /** What stands for the client’s address among callers, see accept/caller-address.ts; empty where nobody asks for it. */
  readonly callerAddress: string;
  /** The client’s address as it is written; empty where nobody asks for it, or nobody can tell. */
  readonly clientAddress: string;
}

export class Exchange {
  readonly id: string;
  readonly head: RequestHead;
  readonly downstream: Downstream;
  /** In which the caller speaks, and errors are answered. */
  readonly dialect: DialectName;
  /** When the head had been read. All times are those of core/clock.ts. */
  readonly startedMs: number;

  /** observe: what a trace is told of it; null where it is not sampled, as nearly all are. */
  trace: ExchangeTrace | null = null;
  /** authenticate: who asks may see the timeline in the answer's headers. */
  isDebugged = false;

  /** relay: when the whole exchange must be over, a moment of core/clock.ts; 0: whenever it is. */
  deadlineMs = 0;

  /** authenticate */
  identity: Identity | null = null;

  /** inspect: the body, or as much of it as was collected before it began to stream. */
  body: RequestBody | null = null;
  /** inspect: the model's name as the client wrote it; null where the request names none. */
  model: string | null = null;
  /** authenticate: what the caller uses is counted, so that more must be known of the request and the answer. */
  isMetered = false;
  /** inspect: what a metered request asks for; null where nothing is metered, or the body is no JSON. */
  asked: Asked | null = null;
  /** authenticate: the end user must be known. */
  asksUser = false;
  /** inspect: the end user that the body names; null where it names none, or nobody asks. */
  user: string | null = null;
  /** inspect: bytes of the body that have come in so far. */
  requestBytes = 0;
  /** inspect: where the body is kept, or what it was counted with; see dropBody(). */
  bodyHold: { release(): void } | null = null;
  /** inspect: when the request could be passed on. */
  readyMs = 0;

  /** route */
  target: Target | null = null;
  /** route: of the prompt's beginning where targets are chosen by it; -1 until somebody asked, -2 where there is none. */
  promptHash = -1;

  /** inspect: what makes the provider tell the usage although the client did not ask; null where nothing need be done. */
  usageEdit: BodyEdit | null = null;
  /** authenticate: the provider must say what was used. */
  asksUsage = false;
  /** admit: the target's price; null where it is not known, undefined until somebody asked. */
  price: TokenPrice | null | undefined = undefined;
  /** admit: what is held of the consumer's limits; null where there are none. */
  reservation: Reservation | null = null;
  /** admit: what is held of the caller's own limits, those of no consumer; null where there are none. */
  callerReservation: Reservation | null = null;
  /** admit: what is held of the consumer's limits where another server keeps them; null elsewhere. */
  deputyHold: DeputyHold | null = null;
  /** admit: what the reservations were made for. */
  estimate: Estimate | null = null;
  /** admit: header lines about what is left, of an exchange that was refused; others' are told from what they hold. */
  refusedLimits: Uint8Array | null = null;
  /** admit: the stream is ended when the reservations' limits are used up. */
  endsWhenExhausted = false;
  /** relay: null while there is no answer, or one that nobody looks into. */
  meter: Meter | null = null;
  /** relay: the provider's status; 0 while there is none. */
  upstreamStatus = 0;
  /** relay: the header lines of a provider's refusal, from 400 on. */
  refusalLines = '';
  /** settle: null where nothing is metered, or nothing was used. */
  settled: Settled | null = null;

  /** upstream: one call was made, and what becomes of it is told when all is over (upstream/direct-attempt.ts). */
  isDirect = false;
  /** upstream: its target was ejected when it was asked, and this is not its trial. */
  isOutOfTurn = false;
  /** upstream: the answer was passed on whole, and how quick its target was counts; told when all is over and settled. */
  isPaced = false;
  /** upstream: calls made so far; 0 where there is no more than one whatever happens. */
  attemptsMade = 0;
  /** upstream: what became of them, once one has failed; bounded. */
  attempts: AttemptRecord[] | null = null;

  /** relay: what the provider's connection is doing; `reading` until the request is passed on. */
  phase: Phase = 'reading';
  sentMs = 0;
  /**
   * Of the time from readyMs to sentMs what went by without Weir: waiting for a connection, opening one, and calls
   * before the one that was written last.
   */
  waitedMs = 0;
  headMs = 0;
  /** relay: looks for the first token of a stream; null elsewhere, and once it has come. */
  firstToken: FirstTokenWatch | null = null;
  /** When the provider sent it; 0: not yet, or it is no stream. */
  firstTokenMs = 0;
  firstByteMs = 0;
  /** When that was read of the provider which the answer began with; 0: it began with something of Weir's own, or not. */
  answerReadMs = 0;
  /** relay: the provider has said all, so that only the client is waited for. */
  isUpstreamDone = false;
  /** When that was read which the provider ended with. */
  upstreamDoneMs = 0;
  status: number | null = null;
  responseBytes = 0;

  /** Set once, by whoever ends the exchange. */
  ended: Ended | null = null;
  error: GatewayError | null = null;

  constructor(
    id: string,
    head: RequestHead,
    downstream: Downstream,
    dialect: DialectName,
    startedMs: number,
  ) {
    this.id = id;
    this.head = head;
    this.downstream = downstream;
    this.dialect = dialect;
    this.startedMs = startedMs;
  }

  /**
   * Lets go of the request's body: when the provider has begun to answer, because a long stream must not keep a long
   * prompt in memory, and at the latest when the exchange is over. A body that still streams stays until then.
   */
  dropBody(isOver: boolean): void {
    if (isOver || this.body?.upload === null) {
      this.bodyHold?.release();
      this.bodyHold = null;
      this.body = null;
    }
  }

  /** Bytes of the answer have come from the provider. */
  noteData(chunk: Buffer): void {
    this.responseBytes += chunk.length;
    if (this.firstToken?.take(chunk) === true) {
      this.firstTokenMs = nowMs();
      this.firstToken = null;
    }
  }

  /** From the moment the request could be passed on until it was written, without waiting. Only where it was. */
  get addedBeforeMs(): number {
    return this.sentMs - this.readyMs - this.waitedMs;
  }

  /** From the moment that was read which the answer began with until it began; 0 where it did not. */
  get addedAfterMs(): number {
    return this.answerReadMs > 0 ? this.firstByteMs - this.answerReadMs : 0;
  }

  /** What Weir added: before and after, waiting included. 0 while the provider has not answered. */
  get addedMs(): number {
    return this.headMs === 0 ? 0 : this.sentMs - this.readyMs + this.addedAfterMs;
  }
}

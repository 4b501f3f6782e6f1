/**
 * What is noted of one sampled exchange beside what it knows itself: its ids, its attempts, and what was seen in its
 * answer. Only sampled ones have it, so all others pay a comparison with null.
 */
import { BOUNDS } from '../core/bounds.js';
import { createSpanId, formatTraceParent } from '../core/trace-context.js';
import type { Exchange } from '../exchange.js';

export interface TracedAttempt {
  readonly spanId: string;
  readonly provider: string;
  readonly model: string | null;
  readonly startedMs: number;
  sentMs: number;
  headMs: number;
  /** 0: it is under way. */
  endedMs: number;
  status: number;
  outcome: string;
}

/** How an attempt ended; moments are those of core/clock.ts, 0 for what it did not come to. */
export interface AttemptEnd {
  readonly sentMs: number;
  readonly headMs: number;
  readonly status: number;
  readonly outcome: string;
  readonly endedMs: number;
}

/** What was seen in the answer on its way through. */
export interface SeenAnswer {
  readonly isStream: boolean;
  /** 0: none has come, or it is no stream. */
  readonly firstTokenMs: number;
  readonly model: string | null;
  readonly id: string | null;
  readonly content: Uint8Array | null;
  take(chunk: Buffer): void;
}

export class ExchangeTrace {
  readonly traceId: string;
  /** Of the exchange’s own span. */
  readonly spanId = createSpanId();
  /** The caller's span; empty where the trace begins here. */
  readonly parentId: string;
  /** Bodies are wanted as well. */
  readonly keepsContent: boolean;
  readonly attempts: TracedAttempt[] = [];
  /** relay: null while there is no answer. */
  answer: SeenAnswer | null = null;
  /** The request's body; null where it is too long, still comes in, or is not wanted. */
  request: Uint8Array | null = null;
  #spanId = '';

  constructor(traceId: string, parentId: string, keepsContent: boolean) {
    this.traceId = traceId;
    this.parentId = parentId;
    this.keepsContent = keepsContent;
  }

  /** The trace is the caller's. */
  get isContinued(): boolean {
    return this.parentId !== '';
  }

  /** A call is about to be written; what is written next is its own. */
  beginAttempt(provider: string, model: string | null, startedMs: number): void {
    this.#spanId = createSpanId();
    if (this.attempts.length < BOUNDS.attemptRecordsMax) {
      const open = { sentMs: 0, headMs: 0, endedMs: 0, status: 0, outcome: 'aborted' };
      this.attempts.push({ spanId: this.#spanId, provider, model, startedMs, ...open });
    }
  }

  /** Once for each that was begun. Two that run beside each other began at different moments, or went elsewhere. */
  endAttempt(provider: string, startedMs: number, end: AttemptEnd): void {
    const attempt = this.attempts.find(
      (one) => one.endedMs === 0 && one.provider === provider && one.startedMs === startedMs,
    );
    if (attempt !== undefined) Object.assign(attempt, end);
  }

  /** While the body's memory is there, which may be lent for this turn. */
  keepRequest({ bytes, upload }: NonNullable<Exchange['body']>): void {
    const isShort = upload === null && bytes.length <= BOUNDS.traceContentBytesMax;
    if (this.keepsContent && this.request === null && isShort) this.request = Buffer.from(bytes);
  }

  /** The header line for the provider, after a CR LF. */
  formatLine(): string {
    const spanId = this.#spanId === '' ? this.spanId : this.#spanId;
    return `\r\ntraceparent: ${formatTraceParent(this.traceId, spanId)}`;
  }
}

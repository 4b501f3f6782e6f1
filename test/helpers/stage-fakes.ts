/** Stand-ins for what surrounds a stage: a client's connection and an exchange on it. */

import type { BodyReader, Downstream, DownstreamObserver } from '../../src/accept/downstream.js';
import { describeHead } from '../../src/accept/head.js';
import type { AnswerHead } from '../../src/core/answer-head.js';
import type { DialectName } from '../../src/core/errors.js';
import { Exchange, type RequestHead } from '../../src/exchange.js';

/** Keeps the promises of src/accept/downstream.ts, and writes down what would go to the client. */
export class FakeDownstream {
  isOpen = true;
  /** `whole`: as promised; `cut`: visibly not; null: open, or the client left. */
  ending: 'whole' | 'cut' | null = null;
  status = '';
  lines = '';
  body = '';
  closes = false;
  reportedBytes: number | null = null;
  /** While set, send() keeps what it is given and says that the client is behind. */
  isBehind = false;
  observer: DownstreamObserver | null = null;
  readonly reads: ('pause' | 'resume')[] = [];
  bodyReader: BodyReader | null = null;

  /** As the stages see it. */
  get asDownstream(): Downstream {
    return this as unknown as Downstream;
  }

  observe(observer: DownstreamObserver): void {
    this.observer = observer;
  }

  readBody(reader: BodyReader): void {
    this.bodyReader = reader;
  }

  pauseReading(): void {
    this.reads.push('pause');
  }

  resumeReading(): void {
    this.reads.push('resume');
  }

  answer(head: AnswerHead, body: string | Uint8Array, closes: boolean): void {
    this.#begin(head);
    this.#take([typeof body === 'string' ? Buffer.from(body) : body]);
    this.closes = closes;
    this.#end('whole');
  }

  answerAndClose(head: AnswerHead, body: string | Uint8Array): void {
    this.answer(head, body, true);
  }

  answerWithoutBody(head: AnswerHead, reportedBytes: number | null): void {
    this.#begin(head);
    this.reportedBytes = reportedBytes;
    this.#end('whole');
  }

  send(
    head: AnswerHead | null,
    pieces: readonly Uint8Array[],
    total: number,
    isLast: boolean,
  ): boolean {
    if (!this.isOpen) return false;
    if (head !== null) this.#begin(head);
    this.#take(pieces);
    if (this.isBehind) return false;
    if (total < 0 ? isLast : Buffer.byteLength(this.body, 'latin1') >= total) this.#end('whole');
    return true;
  }

  cut(): void {
    if (this.isOpen) {
      this.observer = null;
      this.#end('cut');
    }
  }

  /** The client leaves. */
  leave(): void {
    if (this.isOpen) {
      this.isOpen = false;
      this.observer?.onDownstreamGone();
    }
  }

  /** The client takes what was held back. */
  catchUp(): void {
    this.isBehind = false;
    if (this.isOpen) this.observer?.onDownstreamWritable();
  }

  /** A piece of the request's body; its memory is gone afterwards, as uWebSockets.js's is. */
  receive(bytes: Uint8Array, isLast: boolean): void {
    const lent = Buffer.from(Uint8Array.from(bytes).buffer);
    this.bodyReader?.onBodyChunk(lent, isLast);
    lent.fill(0x21);
  }

  #begin(head: AnswerHead): void {
    if (!this.isOpen) throw new Error('written to after its end');
    if (this.status !== '') throw new Error('a second head');
    this.status = head.status;
    this.lines = head.lines + Buffer.from(head.moreLines ?? []).toString('latin1');
  }

  #take(pieces: readonly Uint8Array[]): void {
    for (const piece of pieces) this.body += Buffer.from(piece).toString('latin1');
  }

  #end(ending: 'whole' | 'cut'): void {
    this.isOpen = false;
    this.ending = ending;
  }
}

export interface ExchangeOptions {
  readonly method?: string;
  readonly path?: string;
  readonly query?: string;
  readonly headers?: readonly string[];
  readonly contentLength?: number;
  readonly isChunked?: boolean;
  readonly callerAddress?: string;
  readonly clientAddress?: string;
  readonly dialect?: DialectName;
  readonly downstream?: FakeDownstream;
}

export function createExchange(options: ExchangeOptions = {}): Exchange {
  const described = describeHead(
    options.method ?? 'POST',
    options.path ?? '/v1/chat/completions',
    options.query ?? '',
    options.headers ?? [],
    { text: options.clientAddress ?? '', caller: options.callerAddress ?? '', isTrusted: false },
  );
  const head: RequestHead = {
    ...described,
    contentLength: options.contentLength ?? described.contentLength,
    isChunked: options.isChunked ?? described.isChunked,
  };
  const downstream = (options.downstream ?? new FakeDownstream()).asDownstream;
  return new Exchange('id-1', head, downstream, options.dialect ?? 'openai', 1);
}

/**
 * What a trace is told of an answer that passes: when a stream's first token came, which model the answer says it is
 * from, and its id. Only answers of sampled exchanges are watched; nothing is parsed, altered or held up.
 */
import { BOUNDS } from '../core/bounds.js';
import { nowMs } from '../core/clock.js';
import type { Exchange } from '../exchange.js';
import type { SeenAnswer } from '../observe/exchange-trace.js';
import { FirstTokenWatch } from './first-token.js';
import { Meter } from './meter.js';
import type { RelayedHead } from './relay-host.js';

/** Names and ids stand in the first event, or at the beginning of a document. */
const LOOKED_AT_BYTES = 4096;
const MODEL_NAME = '"model"';
const ID_NAME = '"id"';
/** Between a name and its value. */
const GAP_MAX = 4;
const VALUE_MAX = 256;
const PLAIN_VALUE = /^[ \t]*:[ \t]*"([^"\\]*)"/;

const REFUSALS_FROM = 300;

/** Where what an answer has used must be known, or a trace tells of it, the answer is looked into as it passes. */
export function lookInto(exchange: Exchange, head: RelayedHead): void {
  const { trace, isMetered } = exchange;
  if (trace !== null) trace.answer = new AnswerWatch(head, trace.keepsContent);
  if ((isMetered || trace !== null) && !head.isEncoded && head.status < REFUSALS_FROM) {
    const hidesUsage = exchange.usageEdit !== null;
    exchange.meter = new Meter(head.isEventStream, head.contentLength, hidesUsage);
  }
}

export class AnswerWatch implements SeenAnswer {
  readonly isStream: boolean;
  readonly #isReadable: boolean;
  firstTokenMs = 0;
  model: string | null = null;
  id: string | null = null;
  #tokens: FirstTokenWatch | null;
  #lookedAt = 0;
  #pieces: Buffer[] | null;
  #bytes = 0;

  /** @param keepsContent the bytes are kept, up to a bound. */
  constructor({ isEventStream, isEncoded }: RelayedHead, keepsContent: boolean) {
    this.isStream = isEventStream;
    this.#isReadable = !isEncoded;
    this.#tokens = isEventStream && !isEncoded ? new FirstTokenWatch() : null;
    this.#pieces = keepsContent && !isEncoded ? [] : null;
  }

  /** The whole answer; null where it is too long, encoded, or not wanted. */
  get content(): Uint8Array | null {
    return this.#pieces === null ? null : Buffer.concat(this.#pieces);
  }

  take(chunk: Buffer): void {
    if (this.#tokens?.take(chunk) === true) {
      this.firstTokenMs = nowMs();
      this.#tokens = null;
    }
    if (this.#isReadable && this.#lookedAt < LOOKED_AT_BYTES) {
      const seen = chunk.subarray(0, LOOKED_AT_BYTES - this.#lookedAt);
      this.#lookedAt += seen.length;
      this.model ??= findValue(seen, MODEL_NAME);
      this.id ??= findValue(seen, ID_NAME);
    }
    if (this.#pieces !== null) this.#keep(this.#pieces, chunk);
  }

  #keep(pieces: Buffer[], chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > BOUNDS.traceContentBytesMax) this.#pieces = null;
    else pieces.push(Buffer.from(chunk));
  }
}

/** Within a JSON string quotes are escaped, so a quoted name is a name. Of a split one nothing is found. */
function findValue(bytes: Buffer, name: string): string | null {
  const at = bytes.indexOf(name);
  if (at < 0) return null;
  const from = at + name.length;
  const after = bytes.toString('utf8', from, from + GAP_MAX + VALUE_MAX);
  return PLAIN_VALUE.exec(after)?.[1] ?? null;
}

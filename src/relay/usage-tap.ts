/**
 * Reads in passing what a provider says an answer has used, without altering, copying or delaying it.
 *
 * An answer that is encoded (gzip) is not for a tap. Of an event stream most events are passed over with two native
 * searches, for their end and for the name `usage`; only where that is followed by an object are the event's brackets
 * and strings followed (json-walk.ts says which places are believed). So are events that are split, which can't be
 * searched. Some are kept for an estimate, which is hardly ever made (text-sample.ts). A JSON answer is followed as a
 * whole.
 *
 * Kept besides are the figures, a split name (18 bytes) and a split usage object (16 KB at most).
 */
import type { Usage } from '../core/usage.js';
import { UsageFigures } from './json-usage.js';
import { JsonWalk } from './json-walk.js';
import { findEventEnd, SseLines } from './sse-lines.js';
import { TextSample } from './text-sample.js';
import { findUsageName, NOWHERE } from './usage-name.js';

/** Of a quote and the name. */
const NAME_BYTES = 6;
const QUOTE = 0x22;
const COLON = 0x3a;
const SPACE = 0x20;
const SMALL_N = 0x6e;

/** CR and LF: more is an event. */
const EMPTY_LINE_BYTES_MAX = 2;
/** Of text in JSON, English and code; what OpenAI and Anthropic tell their users. */
const BYTES_PER_TOKEN = 4;
/** Recorded streams with a token an event have 4 to 7 on the mean, the others 17 and more. */
const TOKEN_EVENT_BYTES_MAX = 8;

export class UsageTap {
  readonly #figures = new UsageFigures();
  readonly #isEventStream: boolean;
  readonly #sample = new TextSample();
  #walk: JsonWalk | null = null;
  #lines: SseLines | null = null;

  constructor(isEventStream: boolean) {
    this.#isEventStream = isEventStream;
  }

  /** Of the document walked last; a filter looks there for what to cut. */
  get walk(): JsonWalk {
    this.#walk ??= new JsonWalk(this.#figures);
    return this.#walk;
  }

  get #reader(): SseLines {
    this.#lines ??= new SseLines(this.walk);
    return this.#lines;
  }

  /** What the provider has said by now; null while it has said neither input nor output. */
  get usage(): Usage | null {
    return this.#figures.toUsage();
  }

  /**
   * Whether the provider has stated the input, and the output. Anthropic states both at the beginning, the output
   * then far too low: where a stream did not end well, `estimateDelivered()` is the better figure if it is higher.
   */
  get hasInput(): boolean {
    return this.#figures.hasInput;
  }

  get hasOutput(): boolean {
    return this.#figures.hasOutput;
  }

  /** Events that have ended; `[DONE]` is one, and some of the comments are. */
  get eventCount(): number {
    return this.#sample.eventCount;
  }

  /** Events that brought text of the model, counted in the first 16 and in one of 32 after them. */
  get contentEventCount(): number {
    return this.#sample.textEventCount;
  }

  /** Bytes of the model's text, as it is written in JSON: exact for a JSON answer, measured like the above for a stream. */
  get contentBytes(): number {
    return this.#isEventStream ? this.#sample.textBytes : (this.#walk?.textBytes ?? 0);
  }

  /**
   * Tokens of output that have been delivered, for an answer whose provider did not come to say it. Where events bring
   * few bytes of text each, one counts as a token (OpenAI's way); where they bring more, or it is no stream, four bytes
   * do (Anthropic, Gemini). Reasoning that is not shown can't be known.
   */
  estimateDelivered(): number {
    const { contentEventCount, contentBytes } = this;
    return contentBytes <= contentEventCount * TOKEN_EVENT_BYTES_MAX
      ? contentEventCount
      : Math.ceil(contentBytes / BYTES_PER_TOKEN);
  }

  /** The next bytes of the answer; they need not outlive the call. Never throws. */
  take(piece: Buffer): void {
    if (!this.#isEventStream) {
      this.walk.walk(piece, 0, piece.length);
      return;
    }
    let at = this.begin(piece);
    if (!this.isBetweenEvents) {
      at = this.readEvent(piece, at);
    }
    let usageAt = findUsage(piece, at);
    while (at < piece.length) {
      const end = findEventEnd(piece, at);
      if (end < 0 || usageAt < end) {
        at = this.readEvent(piece, at);
        if (usageAt < at) usageAt = findUsage(piece, at);
      } else {
        at = this.passOver(piece, at, end);
      }
    }
  }

  /** Other bytes come, to be read or passed over event by event; gives where the first begins or goes on. */
  begin(bytes: Buffer): number {
    return this.#reader.begin(bytes);
  }

  /** Reads one event, or as much of it as there is; gives where it ends. */
  readEvent(bytes: Buffer, from: number): number {
    const end = this.#reader.read(bytes, from);
    if (this.#reader.isBetweenEvents) {
      if (this.#reader.takeHasData()) this.#sample.count(this.walk.textBytes);
      // Without data the walk was at no document, and must not show that of another event.
      else this.walk.reset();
    }
    return end;
  }

  /** One event is whole, ends here and holds no usage. Gives where it really ends. */
  passOver(bytes: Buffer, from: number, end: number): number {
    const sample = this.#sample;
    if (!sample.isDue()) {
      if (end - from > EMPTY_LINE_BYTES_MAX) sample.eventCount += 1;
    } else if (this.#canKeep(bytes, from, end)) {
      sample.keep(bytes, from, end);
    } else {
      return this.readEvent(bytes, from);
    }
    this.#reader.passOver(bytes, end);
    return end;
  }

  /** Whether such an event is passed over without being read now. */
  goesUnread(bytes: Buffer, from: number, end: number): boolean {
    return !this.#sample.isDue() || this.#canKeep(bytes, from, end);
  }

  /** The answer is over and all that was to be asked has been. */
  release(): void {
    this.#sample.release();
  }

  /** What holds a CR may end elsewhere than it seems to. */
  #canKeep(bytes: Buffer, from: number, end: number): boolean {
    return this.#sample.canKeep(bytes, from, end) && !this.#reader.hasReturn(bytes, from);
  }

  get isBetweenEvents(): boolean {
    return this.#reader.isBetweenEvents;
  }
}

/** Where the next name that begins with `usage` stands and is not followed by null; NOWHERE if there is none. */
function findUsage(bytes: Buffer, from: number): number {
  let at = findUsageName(bytes, from);
  while (at !== NOWHERE) {
    let next = at + NAME_BYTES;
    if (bytes[next] !== QUOTE) return at;
    next += 1;
    while (bytes[next] === SPACE || bytes[next] === COLON) next += 1;
    if (bytes[next] !== SMALL_N) return at;
    at = findUsageName(bytes, next);
  }
  return NOWHERE;
}

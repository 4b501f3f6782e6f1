/**
 * Reads in passing what a provider says an answer has used, without altering, copying or delaying it.
 *
 * An answer that is encoded (gzip) is not for a tap. Of an event stream most events are passed over with two native
 * searches, for their end and for the name `usage`; only where that is followed by an object are the event's brackets
 * and strings followed (json-walk.ts says which places are believed). So are events that are split, which can't be
 * searched, and one of 32, for the estimate. A JSON answer is followed as a whole.
 *
 * Kept are the figures, a split name (18 bytes) and a split usage object (16 KB at most).
 */
import type { Usage } from '../core/usage.js';
import { UsageFigures } from './json-usage.js';
import { JsonWalk } from './json-walk.js';
import { findEventEnd, SseLines } from './sse-lines.js';
import { findUsageName, NOWHERE } from './usage-name.js';

/** Of a quote and the name. */
const NAME_BYTES = 6;
const QUOTE = 0x22;
const COLON = 0x3a;
const SPACE = 0x20;
const SMALL_N = 0x6e;

/** The first events of a stream are unlike the others (roles, openings of blocks) and are all counted out. */
const HEAD_EVENTS = 16;
/** CR and LF: more is an event. */
const EMPTY_LINE_BYTES_MAX = 2;
/** After them one in so many is; a power of two. */
const SAMPLED_EACH = 32;
/** Of text in JSON, English and code; what OpenAI and Anthropic tell their users. */
const BYTES_PER_TOKEN = 4;
/** Recorded streams with a token an event have 4 to 7 on the mean, the others 17 and more. */
const TOKEN_EVENT_BYTES_MAX = 8;

export class UsageTap {
  readonly #figures = new UsageFigures();
  /** Events that have ended; `[DONE]` is one, and some of the comments are. */
  eventCount = 0;
  readonly #isEventStream: boolean;
  #walk: JsonWalk | null = null;
  #lines: SseLines | null = null;
  #headTextEvents = 0;
  #headTextBytes = 0;
  #tailReadEvents = 0;
  #tailTextEvents = 0;
  #tailTextBytes = 0;

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

  /** Events that brought text of the model, counted in the first 16 and in one of 32 after them. */
  get contentEventCount(): number {
    if (this.#tailReadEvents === 0) return this.#headTextEvents;
    const share = this.#tailTextEvents / this.#tailReadEvents;
    return this.#headTextEvents + Math.round((this.eventCount - HEAD_EVENTS) * share);
  }

  /** Bytes of the model's text, as it is written in JSON: exact for a JSON answer, measured like the above for a stream. */
  get contentBytes(): number {
    if (!this.#isEventStream) return this.#walk?.textBytes ?? 0;
    if (this.#tailReadEvents === 0) return this.#headTextBytes;
    const mean = this.#tailTextBytes / this.#tailReadEvents;
    return this.#headTextBytes + Math.round((this.eventCount - HEAD_EVENTS) * mean);
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
      if (end < 0 || usageAt < end || this.isReadDue()) {
        at = this.readEvent(piece, at);
        if (usageAt < at) usageAt = findUsage(piece, at);
      } else {
        this.passOver(piece, at, end);
        at = end;
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
      if (this.#reader.takeHasData()) this.#count();
      // Without data the walk was at no document, and must not show that of another event.
      else this.walk.reset();
    }
    return end;
  }

  /** One event is whole, ends here and holds no usage. */
  passOver(bytes: Buffer, from: number, end: number): void {
    if (end - from > EMPTY_LINE_BYTES_MAX) this.eventCount += 1;
    this.#reader.passOver(bytes, end);
  }

  /** The next event should be read, whatever it holds. */
  isReadDue(): boolean {
    const count = this.eventCount;
    return count < HEAD_EVENTS || ((count - HEAD_EVENTS) & (SAMPLED_EACH - 1)) === 0;
  }

  get isBetweenEvents(): boolean {
    return this.#reader.isBetweenEvents;
  }

  #count(): void {
    const { textBytes } = this.walk;
    const isText = textBytes > 0 ? 1 : 0;
    if (this.eventCount < HEAD_EVENTS) {
      this.#headTextEvents += isText;
      this.#headTextBytes += textBytes;
    } else if (this.isReadDue()) {
      // Others are read for their usage, and are not like those that are not read.
      this.#tailReadEvents += 1;
      this.#tailTextEvents += isText;
      this.#tailTextBytes += textBytes;
    }
    this.eventCount += 1;
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

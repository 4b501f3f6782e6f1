/**
 * Where the lines and events of an event stream end (WHATWG HTML, "Event stream interpretation"): a line ends with LF, CR
 * or both, an event with an empty line. The payload of `data` fields goes to a walk; several of one event are one
 * document.
 */
import type { JsonWalk } from './json-walk.js';

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const DATA_FIELD = Buffer.from('data:');
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
/** States of a line; below IN_DATA: how many bytes of `data:` have been seen. */
const IN_DATA = DATA_FIELD.length;
const IN_OTHER = IN_DATA + 1;

/**
 * The offset after an empty line that ends the event, which begins at `from`, or -1 where none is found: it does not end
 * here, or with CR alone. An event before it that ends so is not told apart.
 */
export function findEventEnd(bytes: Buffer, from: number): number {
  const first = bytes[from];
  if (first === LINE_FEED) return from + 1;
  if (first === CARRIAGE_RETURN && bytes[from + 1] === LINE_FEED) return from + 2;
  let feedAt = bytes.indexOf(LINE_FEED, from);
  while (feedAt >= 0) {
    const next = bytes[feedAt + 1];
    if (next === LINE_FEED) return feedAt + 2;
    if (next === CARRIAGE_RETURN && bytes[feedAt + 2] === LINE_FEED) return feedAt + 3;
    feedAt = bytes.indexOf(LINE_FEED, feedAt + 1);
  }
  return -1;
}

/** The same for lines that end with CR alone, which no known provider sends. */
export function findRareEventEnd(bytes: Buffer, from: number): number {
  let at = from;
  while (at < bytes.length) {
    const lineEnd = findLineEnd(bytes, at, true);
    if (lineEnd < 0) return -1;
    const isPair = bytes[lineEnd] === CARRIAGE_RETURN && bytes[lineEnd + 1] === LINE_FEED;
    const next = lineEnd + (isPair ? 2 : 1);
    if (lineEnd === at) return next;
    at = next;
  }
  return -1;
}

function findLineEnd(bytes: Buffer, at: number, hasReturn: boolean): number {
  const feedAt = bytes.indexOf(LINE_FEED, at);
  if (!hasReturn) return feedAt;
  const returnAt = bytes.indexOf(CARRIAGE_RETURN, at);
  if (returnAt < 0) return feedAt;
  return feedAt < 0 || returnAt < feedAt ? returnAt : feedAt;
}

/** Reads lines however they are split. */
export class SseLines {
  readonly #walk: JsonWalk;
  /** Nothing of the next event has been seen. */
  isBetweenEvents = true;
  #state = 0;
  #markLength = 0;
  /** The event in hand has data, and the walk is at it. */
  #hasData = false;
  /** The last byte was a CR; an LF after it belongs to the same line end. */
  #isAfterReturn = false;
  /** There is a CR in the bytes; null while nobody has looked. */
  #hasReturn: boolean | null = null;

  constructor(walk: JsonWalk) {
    this.#walk = walk;
  }

  /** Other bytes come; gives where to go on: an LF belongs to the CR with which the last ones ended. */
  begin(bytes: Buffer): number {
    const isFeed = this.#isAfterReturn && bytes[0] === LINE_FEED;
    if (bytes.length > 0) this.#isAfterReturn = false;
    this.#hasReturn = null;
    return isFeed ? 1 : 0;
  }

  /** Whether there is a CR from here on; a look that is remembered for all that follows in these bytes. */
  hasReturn(bytes: Buffer, from: number): boolean {
    this.#hasReturn ??= bytes.indexOf(CARRIAGE_RETURN, from) >= 0;
    return this.#hasReturn;
  }

  /** A whole event went by unread. */
  passOver(bytes: Buffer, end: number): void {
    this.#markLength = BYTE_ORDER_MARK.length;
    this.#isAfterReturn = end === bytes.length && bytes[end - 1] === CARRIAGE_RETURN;
  }

  /** Reads on until an event ends, or the bytes do; gives the offset after it. */
  read(bytes: Buffer, from: number): number {
    let at = from;
    this.#isAfterReturn = false;
    const hasReturn = this.hasReturn(bytes, from);
    while (at < bytes.length) {
      const found = findLineEnd(bytes, at, hasReturn);
      const lineEnd = found < 0 ? bytes.length : found;
      this.#readLine(bytes, at, lineEnd);
      if (found < 0) {
        this.isBetweenEvents = false;
        return bytes.length;
      }
      const isEmpty = this.#state === 0;
      this.#state = 0;
      at = lineEnd + 1;
      if (bytes[lineEnd] === CARRIAGE_RETURN) {
        if (bytes[at] === LINE_FEED) at += 1;
        else this.#isAfterReturn = at === bytes.length;
      }
      if (isEmpty) {
        this.isBetweenEvents = true;
        return at;
      }
      this.isBetweenEvents = false;
    }
    return at;
  }

  /** Whether the event that has just ended had data; asked once for each. */
  takeHasData(): boolean {
    const had = this.#hasData;
    this.#hasData = false;
    return had;
  }

  #readLine(bytes: Buffer, from: number, end: number): void {
    let at = from;
    while (this.#markLength < BYTE_ORDER_MARK.length && at < end) {
      if (bytes[at] !== BYTE_ORDER_MARK[this.#markLength]) {
        this.#markLength = BYTE_ORDER_MARK.length;
        break;
      }
      this.#markLength += 1;
      at += 1;
    }
    while (this.#state < IN_DATA && at < end) {
      this.#state = bytes[at] === DATA_FIELD[this.#state] ? this.#state + 1 : IN_OTHER;
      at += 1;
    }
    if (this.#state === IN_DATA && at < end) {
      if (!this.#hasData) {
        this.#hasData = true;
        this.#walk.reset();
      }
      this.#walk.walk(bytes, at, end);
    }
  }
}

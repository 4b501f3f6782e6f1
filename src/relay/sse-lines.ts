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
 * The offset after the empty line that ends the event, which begins at `from`, or -1 where it does not end here. `hasCr`
 * says whether there is any CR in the bytes.
 */
export function findEventEnd(bytes: Buffer, from: number, hasCr: boolean): number {
  let at = from;
  while (at < bytes.length) {
    const lineEnd = findLineEnd(bytes, at, hasCr);
    if (lineEnd < 0) return -1;
    let next = lineEnd + 1;
    if (bytes[lineEnd] === CARRIAGE_RETURN && bytes[next] === LINE_FEED) next += 1;
    if (lineEnd === at) return next;
    if (bytes[next] === LINE_FEED) return next + 1;
    at = next;
  }
  return -1;
}

function findLineEnd(bytes: Buffer, at: number, hasCr: boolean): number {
  const feedAt = bytes.indexOf(LINE_FEED, at);
  if (!hasCr) return feedAt;
  const returnAt = bytes.indexOf(CARRIAGE_RETURN, at);
  if (returnAt < 0) return feedAt;
  return feedAt < 0 || returnAt < feedAt ? returnAt : feedAt;
}

export function hasCarriageReturn(bytes: Buffer): boolean {
  return bytes.indexOf(CARRIAGE_RETURN) >= 0;
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

  constructor(walk: JsonWalk) {
    this.#walk = walk;
  }

  /** Leaves out the LF that belongs to the CR with which the last bytes ended; gives where to go on. */
  skipFeed(bytes: Buffer): number {
    const isFeed = this.#isAfterReturn && bytes[0] === LINE_FEED;
    if (bytes.length > 0) this.#isAfterReturn = false;
    return isFeed ? 1 : 0;
  }

  /** A whole event went by unread. */
  passOver(bytes: Buffer, end: number): void {
    this.#markLength = BYTE_ORDER_MARK.length;
    this.#isAfterReturn = end === bytes.length && bytes[end - 1] === CARRIAGE_RETURN;
  }

  /** Reads on until an event ends, or the bytes do; gives the offset after it. */
  read(bytes: Buffer, from: number, hasCr: boolean): number {
    let at = from;
    this.#isAfterReturn = false;
    while (at < bytes.length) {
      const found = findLineEnd(bytes, at, hasCr);
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

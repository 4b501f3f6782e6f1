/**
 * Finds where a stream of events begins to hold what a model made, in the shapes of all APIs that are known, without
 * parsing it: text, reasoning, refusals, tool calls, audio. What comes before is no sign that the model has begun:
 * comments, pings, deltas with a role alone, and the events that open an answer, an item or a block.
 *
 * Three events that are neither count as a beginning too (BOUNDS.unrecognisedEventsMax), so that a stream in a shape
 * that nobody has seen here is never taken for a silent one. Errors, ends and [DONE] are such events.
 *
 * It may be split anywhere; a name of at most 14 bytes is all that is kept of it. After the hit it looks at nothing.
 */
import { BOUNDS } from '../core/bounds.js';
import { ContentScan } from './content-scan.js';

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const COLON = 0x3a;
const SPACE = 0x20;
/** The byte order mark that may stand before a stream, byte by byte. */
const MARK = [0xef, 0xbb, 0xbf];

const DATA = 'data';
const EVENT = 'event';
/** Where in a line a byte stands. */
const IN_NAME = 0;
const BEFORE_VALUE = 1;
const IN_VALUE = 2;

/** What a line's field is, as far as its name is read. */
const UNKNOWN_FIELD = 0;
const MAYBE_DATA = 1;
const MAYBE_EVENT = 2;

export class FirstTokenWatch {
  readonly #scan = new ContentScan();
  #hasBegun = false;
  #place = IN_NAME;
  #field = UNKNOWN_FIELD;
  /** Bytes of the line's name so far; the whole line is empty as long as it is 0 and the place is IN_NAME. */
  #nameLength = 0;
  #markLength = 0;
  #isAfterReturn = false;
  /** The event in hand has a data field with something in it. */
  #hasData = false;
  #unrecognised = 0;

  /** Whether content has come; true for ever after it has. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** The next bytes of the stream. @returns whether content has come by now: true for ever after it has. */
  take(chunk: Buffer): boolean {
    let at = 0;
    while (at < chunk.length && !this.#hasBegun) {
      const byte = chunk[at] as number;
      if (byte === LINE_FEED || byte === CARRIAGE_RETURN) {
        this.#endLine(byte);
        at += 1;
      } else {
        this.#isAfterReturn = false;
        at = this.#place === IN_VALUE ? this.#takeValue(chunk, at) : this.#takeByte(byte, at);
      }
    }
    return this.#hasBegun;
  }

  /** Of a line before its value. Gives what is to be read next: a value begins with what is no space. */
  #takeByte(byte: number, at: number): number {
    if (this.#markLength < MARK.length && this.#isMark(byte)) {
      return at + 1;
    }
    if (this.#place === BEFORE_VALUE) {
      this.#place = IN_VALUE;
      return byte === SPACE ? at + 1 : at;
    }
    if (byte === COLON) {
      this.#place = BEFORE_VALUE;
      this.#beginValue();
    } else {
      this.#takeNameByte(byte);
    }
    return at + 1;
  }

  /** A mark that is not whole is none, and then begins a name that nobody knows: no event is lost by that. */
  #isMark(byte: number): boolean {
    const isMark = byte === MARK[this.#markLength];
    this.#markLength = isMark ? this.#markLength + 1 : MARK.length;
    return isMark;
  }

  #takeNameByte(byte: number): void {
    const at = this.#nameLength;
    if (at === 0) {
      this.#field = byte === DATA.charCodeAt(0) ? MAYBE_DATA : MAYBE_EVENT;
    }
    const name = this.#field === MAYBE_DATA ? DATA : EVENT;
    if (at >= name.length || byte !== name.charCodeAt(at)) {
      this.#field = UNKNOWN_FIELD;
    }
    this.#nameLength = at + 1;
  }

  /** The name is over: what is not exactly one of the two is of no interest; an empty one makes a comment. */
  #beginValue(): void {
    const length = this.#nameLength;
    const isData = this.#field === MAYBE_DATA && length === DATA.length;
    const isEvent = this.#field === MAYBE_EVENT && length === EVENT.length;
    if (!isData && !isEvent) {
      this.#field = UNKNOWN_FIELD;
    } else if (isEvent) {
      this.#scan.beginEventName();
    }
  }

  /** Gives where the line ends, or the chunk. */
  #takeValue(chunk: Buffer, from: number): number {
    let end = from;
    while (end < chunk.length && chunk[end] !== LINE_FEED && chunk[end] !== CARRIAGE_RETURN) {
      end += 1;
    }
    if (this.#field === MAYBE_DATA) {
      this.#hasData = true;
      this.#hasBegun = this.#scan.walk(chunk, from, end);
    } else if (this.#field === MAYBE_EVENT) {
      this.#scan.takeEventName(chunk, from, end);
    }
    return end;
  }

  #endLine(byte: number): void {
    if (byte === LINE_FEED && this.#isAfterReturn) {
      this.#isAfterReturn = false;
      return;
    }
    this.#isAfterReturn = byte === CARRIAGE_RETURN;
    const isEmpty = this.#place === IN_NAME && this.#nameLength === 0;
    if (isEmpty) {
      this.#endEvent();
    } else if (this.#field === MAYBE_EVENT && this.#place !== IN_NAME) {
      this.#scan.endEventName();
    }
    this.#place = IN_NAME;
    this.#nameLength = 0;
    this.#field = UNKNOWN_FIELD;
  }

  #endEvent(): void {
    const verdict = this.#hasData ? this.#scan.verdict : 'opener';
    if (verdict === 'unknown') this.#unrecognised += 1;
    this.#hasBegun = verdict === 'content' || this.#unrecognised >= BOUNDS.unrecognisedEventsMax;
    this.#hasData = false;
    this.#scan.reset();
  }
}

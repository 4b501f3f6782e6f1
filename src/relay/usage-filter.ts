/**
 * Takes out of an OpenAI stream what is in it only because Weir asked for usage and the client did not: the last event,
 * which has no choices and the usage, and `"usage":null` in all others. What is left is, bit for bit, what the provider
 * would have sent unasked. Usage in an event with choices stays: such providers (DeepSeek, Groq, Mistral) send it anyway.
 *
 * An event goes on when it is whole, and not before; clients can't make use of a part of one, so none notices. What is
 * left of a piece is moved together in its own memory and goes on as one view of it: two writes would cost the client's
 * connection more than moving the few bytes behind a gap. An event longer than 64 KB goes on as
 * it is. A filter is for a stream without `content-length` and without an encoding, and feeds the tap itself.
 */

import { BOUNDS } from '../core/bounds.js';
import { isJsonSpace } from '../core/json-bytes.js';
import { closesLast } from './json-tail.js';
import { findEventEnd, findRareEventEnd } from './sse-lines.js';
import { findUsageName } from './usage-name.js';
import type { UsageTap } from './usage-tap.js';

const QUOTED_BYTES = '"usage"'.length;
const NULL = Buffer.from('null');
/** Are moved one by one sooner than by a call into native code. */
const FEW_BYTES = 32;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const CLOSE_BRACE = 0x7d;

export class UsageFilter {
  /** The provider sent usage in an event that the client is to see: it does so unasked. */
  sendsUsageAnyway = false;
  readonly #tap: UsageTap;
  /** The beginning of an event. */
  #held: Buffer | null = null;
  /** The event in hand is too long to be held. */
  #isPassing = false;
  /** Of the piece in hand: where the bytes that are kept end, moved together. */
  #keptEnd = 0;
  /** A walk has found the member that is null where it should be: others are believed to be there without one. */
  #hasCutNull = false;
  /** An event was taken out of which the last CR's LF may follow. */
  #dropsFeed = false;

  /** `tap` is for an event stream and is fed by this filter alone. */
  constructor(tap: UsageTap) {
    this.#tap = tap;
  }

  /** Takes the next piece, and its memory; adds to `kept` what the client is to get, which lives as long as `piece`. */
  take(piece: Buffer, kept: Buffer[]): void {
    let bytes = piece;
    if (this.#dropsFeed && bytes.length > 0) {
      this.#dropsFeed = false;
      if (bytes[0] === LINE_FEED) bytes = bytes.subarray(1);
    }
    if (this.#held !== null) {
      bytes = Buffer.concat([this.#held, bytes]);
      this.#held = null;
    }
    this.#keptEnd = 0;
    this.#sift(bytes, bytes !== piece);
    if (this.#keptEnd > 0) {
      kept.push(this.#keptEnd === bytes.length ? bytes : bytes.subarray(0, this.#keptEnd));
    }
  }

  #sift(bytes: Buffer, isOwn: boolean): void {
    let at = this.#tap.begin(bytes);
    if (this.#isPassing) {
      at = this.#tap.readEvent(bytes, at);
      this.#isPassing = !this.#tap.isBetweenEvents;
    }
    /** From here all is kept as it is. */
    let from = 0;
    let usageAt = findUsageName(bytes, at);
    while (at < bytes.length) {
      const end = findEnd(bytes, at);
      if (end < 0) {
        this.#keep(bytes, from, at);
        this.#hold(bytes, at, isOwn);
        return;
      }
      if (usageAt < end) {
        const next = findUsageName(bytes, usageAt + QUOTED_BYTES);
        const isSingle = next >= end;
        const isPlain = isSingle && this.#hasCutNull && this.#tap.goesUnread(bytes, at, end);
        const nullEnd = isPlain ? findNullMember(bytes, usageAt, end) : -1;
        if (nullEnd >= 0) {
          // Before its bytes are moved.
          this.#tap.passOver(bytes, at, end);
          this.#keep(bytes, from, usageAt - 1);
          from = nullEnd;
        } else {
          this.#tap.readEvent(bytes, at);
          from = this.#cut(bytes, at, end, from);
        }
        usageAt = isSingle ? next : findUsageName(bytes, end);
      } else {
        this.#tap.passOver(bytes, at, end);
      }
      at = end;
    }
    this.#keep(bytes, from, at);
  }

  #keep(bytes: Buffer, start: number, end: number): void {
    if (start >= end) return;
    const to = this.#keptEnd;
    this.#keptEnd = to + end - start;
    if (start === to) return;
    if (end - start > FEW_BYTES) bytes.copyWithin(to, start, end);
    else for (let at = start; at < end; at += 1) bytes[to + at - start] = bytes[at] as number;
  }

  /** What is still held when the answer ends, or is cut; null for nothing. */
  flush(): Buffer | null {
    const held = this.#held;
    this.#held = null;
    if (held !== null) this.#tap.take(held);
    return held;
  }

  /** Cuts the event that was just read; gives from where on all is kept again. */
  #cut(bytes: Buffer, start: number, end: number, from: number): number {
    const { walk } = this.#tap;
    if (!walk.isComplete) {
      return from;
    }
    const { usage, choices } = walk;
    if (usage === 'object' && choices === 'empty-array') {
      this.#keep(bytes, from, start);
      this.#dropsFeed = end === bytes.length && bytes[end - 1] === CARRIAGE_RETURN;
      return end;
    }
    if (usage === 'object' && choices === 'full-array') {
      this.sendsUsageAnyway = true;
    } else if (usage === 'null') {
      this.#hasCutNull = true;
      this.#keep(bytes, from, walk.cutStart);
      return walk.cutEnd;
    }
    return from;
  }

  #hold(bytes: Buffer, at: number, isOwn: boolean): void {
    if (bytes.length - at > BOUNDS.filteredEventBytesMax) {
      this.#isPassing = true;
      this.#tap.readEvent(bytes, at);
      this.#keep(bytes, at, bytes.length);
    } else {
      // The piece is lent for the turn.
      this.#held = isOwn && at === 0 ? bytes : Buffer.from(bytes.subarray(at));
    }
  }
}

function findEnd(bytes: Buffer, from: number): number {
  const end = findEventEnd(bytes, from);
  return end >= 0 || bytes.indexOf(CARRIAGE_RETURN, from) < 0 ? end : findRareEventEnd(bytes, from);
}

/**
 * The end of `"usage":null` at `at`, if a comma stands right before it and it is a member of the whole event, which ends
 * at `end`; -1 if not, or if only a walk can tell, as for an event whose data has several lines.
 */
function findNullMember(bytes: Buffer, at: number, end: number): number {
  const nullAt = at + QUOTED_BYTES + 1;
  const nullEnd = nullAt + NULL.length;
  if (bytes[at - 1] !== COMMA || bytes[nullAt - 2] !== QUOTE || bytes[nullAt - 1] !== COLON) {
    return -1;
  }
  for (let i = 0; i < NULL.length; i += 1) {
    if (bytes[nullAt + i] !== NULL[i]) return -1;
  }
  if (bytes[nullEnd] !== COMMA && bytes[nullEnd] !== CLOSE_BRACE) return -1;
  let lineEnd = end;
  while (isJsonSpace(bytes[lineEnd - 1])) lineEnd -= 1;
  const feedAt = bytes.indexOf(LINE_FEED, nullEnd);
  if (feedAt >= 0 && feedAt < lineEnd) return -1;
  return closesLast(bytes, nullEnd, lineEnd) ? nullEnd : -1;
}

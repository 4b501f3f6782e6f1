/**
 * Takes out of an OpenAI stream what is in it only because Weir asked for usage and the client did not: the last event,
 * which has no choices and the usage, and `"usage":null` in all others. What is left is, bit for bit, what the provider
 * would have sent unasked. Usage in an event with choices stays: such providers (DeepSeek, Groq, Mistral) send it anyway.
 *
 * An event goes on when it is whole, and not before; clients can't make use of a part of one, so none notices. All but
 * the part of an event at the end of a piece is passed on as views of that piece. An event longer than 64 KB goes on as
 * it is. A filter is for a stream without `content-length` and without an encoding, and feeds the tap itself.
 */
import { BOUNDS } from '../core/bounds.js';
import { findEventEnd, hasCarriageReturn } from './sse-lines.js';
import type { UsageTap } from './usage-tap.js';

const USAGE = Buffer.from('"usage"');
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

export class UsageFilter {
  /** The provider sent usage in an event that the client is to see: it does so unasked. */
  sendsUsageAnyway = false;
  readonly #tap: UsageTap;
  /** The beginning of an event. */
  #held: Buffer | null = null;
  /** The event in hand is too long to be held. */
  #isPassing = false;
  /** An event was taken out of which the last CR's LF may follow. */
  #dropsFeed = false;

  /** `tap` is for an event stream and is fed by this filter alone. */
  constructor(tap: UsageTap) {
    this.#tap = tap;
  }

  /** Takes the next piece; adds to `kept` what the client is to get, as views of memory that lives as long as `piece`. */
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
    const hasCr = hasCarriageReturn(bytes);
    let at = this.#isPassing ? this.#pass(bytes, hasCr) : 0;
    /** From here all is kept as it is. */
    let from = 0;
    let usageAt = findNext(bytes, at);
    while (at < bytes.length) {
      const end = findEventEnd(bytes, at, hasCr);
      if (end < 0) {
        push(kept, bytes, from, at);
        this.#hold(bytes, at, bytes !== piece, hasCr, kept);
        return;
      }
      if (usageAt < end) {
        this.#tap.readEvent(bytes, at, hasCr);
        usageAt = findNext(bytes, end);
        from = this.#cut(bytes, at, end, from, kept);
      } else if (this.#tap.isReadDue()) {
        this.#tap.readEvent(bytes, at, hasCr);
      } else {
        this.#tap.passOver(bytes, at, end);
      }
      at = end;
    }
    push(kept, bytes, from, at);
  }

  /** What is still held when the answer ends, or is cut; null for nothing. */
  flush(): Buffer | null {
    const held = this.#held;
    this.#held = null;
    if (held !== null) this.#tap.take(held);
    return held;
  }

  /** Cuts the event that was just read; gives from where on all is kept again. */
  #cut(bytes: Buffer, start: number, end: number, from: number, kept: Buffer[]): number {
    const { walk } = this.#tap;
    if (!walk.isComplete) {
      return from;
    }
    const { usage, choices } = walk;
    if (usage === 'object' && choices === 'empty-array') {
      push(kept, bytes, from, start);
      this.#dropsFeed = end === bytes.length && bytes[end - 1] === CARRIAGE_RETURN;
      return end;
    }
    if (usage === 'object' && choices === 'full-array') {
      this.sendsUsageAnyway = true;
    } else if (usage === 'null' && (choices === 'empty-array' || choices === 'full-array')) {
      push(kept, bytes, from, walk.cutStart);
      return walk.cutEnd;
    }
    return from;
  }

  #hold(bytes: Buffer, at: number, isOwn: boolean, hasCr: boolean, kept: Buffer[]): void {
    if (bytes.length - at > BOUNDS.filteredEventBytesMax) {
      this.#isPassing = true;
      this.#tap.readEvent(bytes, at, hasCr);
      push(kept, bytes, at, bytes.length);
    } else {
      // The piece is lent for the turn.
      this.#held = isOwn && at === 0 ? bytes : Buffer.from(bytes.subarray(at));
    }
  }

  #pass(bytes: Buffer, hasCr: boolean): number {
    const end = this.#tap.resume(bytes, hasCr);
    this.#isPassing = !this.#tap.isBetweenEvents;
    return end;
  }
}

function findNext(bytes: Buffer, from: number): number {
  const at = bytes.indexOf(USAGE, from);
  return at < 0 ? Number.MAX_SAFE_INTEGER : at;
}

function push(kept: Buffer[], bytes: Buffer, start: number, end: number): void {
  if (end > start) {
    kept.push(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end));
  }
}

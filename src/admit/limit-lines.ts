/**
 * The header lines that tell a caller how much of its limits is left, as OpenAI writes them
 * (platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers).
 */
import type { Headroom } from '../limits/reservation.js';

/**
 * Writes the lines, in bytes that it keeps: what changes from one answer to the next are mostly a few digits of what is
 * left, and these are written in their place. One a worker.
 */
export class LimitLines {
  readonly #bytes = Buffer.alloc(LINES_BYTES_MAX);
  readonly #requests = new LinesOfKind('requests', this.#bytes);
  readonly #tokens = new LinesOfKind('tokens', this.#bytes);
  #view: Uint8Array = this.#bytes.subarray(0, 0);

  /**
   * Lines with their CR LF; none for a kind of which the limit is 0, null where that is both. Lent until the next call.
   */
  format(requests: Readonly<Headroom>, tokens: Readonly<Headroom>): Uint8Array | null {
    if (!(this.#requests.update(requests) && this.#tokens.update(tokens))) {
      const end = this.#tokens.layOut(tokens, this.#requests.layOut(requests, 0));
      this.#view = this.#bytes.subarray(0, end);
    }
    return this.#view.length === 0 ? null : this.#view;
  }
}

/** Of both kinds, with the largest numbers: some 300. */
const LINES_BYTES_MAX = 512;

class LinesOfKind {
  readonly #kind: string;
  readonly #bytes: Buffer;
  /** What stands there. */
  #limit = 0;
  #resetMs = 0;
  /** Where the digits of what is left end, how many there are, and the first number that has more. */
  #digitsEnd = 0;
  #digits = 0;
  #beyond = 0;
  /** All but the last four digits of the number that stands there. */
  #high = 0;

  constructor(kind: string, bytes: Buffer) {
    this.#kind = kind;
    this.#bytes = bytes;
  }

  /** Writes what is left where it stood; returns false where that is not enough. */
  update({ limit, remaining, resetMs }: Readonly<Headroom>): boolean {
    if (limit !== this.#limit) return false;
    if (limit === 0) return true;
    if (resetMs !== this.#resetMs || remaining >= this.#beyond) return false;
    const end = this.#digitsEnd;
    const start = end - this.#digits;
    const high = Math.floor(remaining / LOW_BEYOND);
    const lowStart = Math.max(end - LOW_DIGITS, start);
    // A small whole number, which V8 divides five times as fast as others.
    let low = (remaining - high * LOW_BEYOND) | 0;
    for (let at = end - 1; at >= lowStart; at -= 1) {
      const tenth = (low / 10) | 0;
      this.#bytes[at] = ZERO + (low - tenth * 10);
      low = tenth;
    }
    // From one call to the next little is taken, so that mostly the last digits alone are others.
    if (high !== this.#high) this.#writeHigh(high, start, lowStart);
    // A number may have become shorter; zeros in front of one would be odd.
    return start + 1 === end || this.#bytes[start] !== ZERO;
  }

  #writeHigh(high: number, start: number, end: number): void {
    this.#high = high;
    let rest = high;
    for (let at = end - 1; at >= start; at -= 1) {
      const tenth = Math.floor(rest / 10);
      this.#bytes[at] = ZERO + (rest - tenth * 10);
      rest = tenth;
    }
  }

  /** Writes all anew, at `start`; returns where it ends. */
  layOut({ limit, remaining, resetMs }: Readonly<Headroom>, start: number): number {
    this.#limit = limit;
    this.#resetMs = resetMs;
    if (limit === 0) return start;
    const kind = this.#kind;
    const left = String(remaining);
    const opening = `x-ratelimit-limit-${kind}: ${limit}\r\nx-ratelimit-remaining-${kind}: ${left}`;
    const closing = `\r\nx-ratelimit-reset-${kind}: ${formatReset(resetMs)}\r\n`;
    this.#digitsEnd = start + opening.length;
    this.#digits = left.length;
    this.#beyond = 10 ** left.length;
    this.#high = Math.floor(remaining / LOW_BEYOND);
    return start + this.#bytes.write(opening + closing, start, 'latin1');
  }
}

const ZERO = 0x30;
const LOW_DIGITS = 4;
const LOW_BEYOND = 10 ** LOW_DIGITS;

/** As Go prints durations, which is what OpenAI sends: `20ms`, `1.5s`, `6m0s`, `1h0m3s`. Rounded up, so that it holds. */
export function formatReset(ms: number): string {
  const whole = Math.max(0, Math.ceil(ms));
  if (whole < SECOND_MS) {
    return whole === 0 ? '0s' : `${whole}ms`;
  }
  const hours = Math.floor(whole / HOUR_MS);
  const minutes = Math.floor((whole % HOUR_MS) / MINUTE_MS);
  const seconds = `${(whole % MINUTE_MS) / SECOND_MS}s`;
  if (hours > 0) {
    return `${hours}h${minutes}m${seconds}`;
  }
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

const PREFIX = 'x-ratelimit-';

/** A provider's own limits are those of Weir's credential there: beside Weir's lines they would mislead. */
export function dropLimitLines(lines: string): string {
  if (!holdsLimitLine(lines)) {
    return lines;
  }
  return lines
    .split(LINE_END)
    .filter((line) => line.slice(0, PREFIX.length).toLowerCase() !== PREFIX)
    .join(LINE_END);
}

/** Looks at the first letter of each line, and no further where that is another one. */
function holdsLimitLine(lines: string): boolean {
  for (let at = 0; at < lines.length; ) {
    const first = lines.charCodeAt(at);
    const isCandidate = first === SMALL_X || first === CAPITAL_X;
    if (isCandidate && lines.slice(at, at + PREFIX.length).toLowerCase() === PREFIX) {
      return true;
    }
    const feedAt = lines.indexOf('\n', at);
    at = feedAt < 0 ? lines.length : feedAt + 1;
  }
  return false;
}

const SMALL_X = 0x78;
const CAPITAL_X = 0x58;
const LINE_END = '\r\n';

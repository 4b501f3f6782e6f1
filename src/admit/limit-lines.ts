/**
 * The header lines that tell a caller how much of its limits is left, as OpenAI writes them
 * (platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers).
 */
import type { Headroom } from '../limits/reservation.js';

/** Writes the lines. One a worker, because of what it remembers. */
export class LimitLines {
  readonly #requests = new LinesOfKind('requests');
  readonly #tokens = new LinesOfKind('tokens');

  /** Lines with their CR LF; none for a kind of which the limit is 0. */
  format(requests: Readonly<Headroom>, tokens: Readonly<Headroom>): string {
    if (tokens.limit === 0) {
      return requests.limit === 0 ? '' : this.#requests.format(requests);
    }
    const ofTokens = this.#tokens.format(tokens);
    return requests.limit === 0 ? ofTokens : this.#requests.format(requests) + ofTokens;
  }
}

class LinesOfKind {
  readonly #kind: string;
  readonly #resetName: string;
  /** The line that consumers of a tier share, up to the number that changes: it is put together once for many. */
  #limit = 0;
  #beginning = '';

  constructor(kind: string) {
    this.#kind = kind;
    this.#resetName = `\r\nx-ratelimit-reset-${kind}: `;
  }

  format({ limit, remaining, resetMs }: Readonly<Headroom>): string {
    if (limit !== this.#limit) {
      this.#limit = limit;
      this.#beginning = `x-ratelimit-limit-${this.#kind}: ${limit}\r\nx-ratelimit-remaining-${this.#kind}: `;
    }
    return `${this.#beginning}${formatWhole(remaining)}${this.#resetName}${formatReset(resetMs)}\r\n`;
  }
}

const SMALL = 1e9;

/** V8 writes what does not fit into 31 bits as a fraction, in ten times the time. */
function formatWhole(value: number): string {
  if (value < SMALL) {
    return `${value}`;
  }
  const high = Math.floor(value / SMALL);
  // The one in front keeps the zeros that the lower part may begin with.
  const low = SMALL + (value - high * SMALL);
  return `${high}${`${low}`.slice(1)}`;
}

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

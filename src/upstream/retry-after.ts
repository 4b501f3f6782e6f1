/**
 * When a provider says that it may be asked again. The explicit headers come first: OpenAI's and Azure's in
 * milliseconds, then HTTP's own (RFC 9110 section 10.2.3), in seconds or as a date. Where there is none, the limits that
 * are used up tell when they are not any more: OpenAI's and Groq's `x-ratelimit-*` as durations such as `6m0s`
 * (platform.openai.com/docs/guides/rate-limits), Anthropic's `anthropic-ratelimit-*` as moments
 * (docs.anthropic.com/en/api/rate-limits). Those say when a limit is full again, so they are of use only where nothing is
 * left of it.
 */
import { BOUNDS } from '../core/bounds.js';
import { visitHeaders } from './header-values.js';

const NONE = -1;

/**
 * @param headerLines of the answer, with a CR LF each, as ResponseHead.lines has them.
 * @param wallNowMs the time of day, since the headers may name one.
 * @returns milliseconds from now, whole and at most BOUNDS.retryAfterMsMax; 0: at once; -1: nothing is said.
 */
export function readRetryAfterMs(headerLines: string, wallNowMs: number): number {
  let exactMs = NONE;
  let azureMs = NONE;
  let standardMs = NONE;
  let limits: ResetTimes | null = null;
  visitHeaders(headerLines, (name, value) => {
    if (name === 'retry-after-ms') {
      exactMs = Math.max(exactMs, readDecimal(value));
    } else if (name === 'x-ms-retry-after-ms') {
      azureMs = Math.max(azureMs, readDecimal(value));
    } else if (name === 'retry-after') {
      standardMs = Math.max(standardMs, readRetryAfter(value, wallNowMs));
    } else if (name.startsWith(OPENAI_PREFIX)) {
      limits ??= new ResetTimes();
      limits.take('openai', name.slice(OPENAI_PREFIX.length), value, wallNowMs);
    } else if (name.startsWith(ANTHROPIC_PREFIX)) {
      limits ??= new ResetTimes();
      limits.take('anthropic', name.slice(ANTHROPIC_PREFIX.length), value, wallNowMs);
    }
  });
  for (const ms of [exactMs, azureMs, standardMs]) {
    if (ms >= 0) {
      return capMs(ms);
    }
  }
  return capMs((limits as ResetTimes | null)?.findExhaustedMs() ?? NONE);
}

function capMs(ms: number): number {
  return ms < 0 ? NONE : Math.min(Math.ceil(ms), BOUNDS.retryAfterMsMax);
}

const OPENAI_PREFIX = 'x-ratelimit-';
const ANTHROPIC_PREFIX = 'anthropic-ratelimit-';
/** OpenAI tells of two kinds of limits and Anthropic of four; more are not looked at. */
const LIMIT_KINDS_MAX = 16;

/** What an answer says of its limits. Their two headers come in any order. */
class ResetTimes {
  readonly #exhausted = new Set<string>();
  readonly #resetMs = new Map<string, number>();

  /**
   * @param name without its prefix. OpenAI puts the limit's kind last, such as `remaining-tokens`, Anthropic first, such as
   *   `input-tokens-reset`.
   */
  take(dialect: 'openai' | 'anthropic', name: string, value: string, wallNowMs: number): void {
    const cut = dialect === 'openai' ? name.indexOf('-') : name.lastIndexOf('-');
    if (cut < 0) {
      return;
    }
    const [head, tail] = [name.slice(0, cut), name.slice(cut + 1)];
    const [what, kind] = dialect === 'openai' ? [head, tail] : [tail, head];
    if (what === 'remaining') {
      if (this.#exhausted.size < LIMIT_KINDS_MAX && isUsedUp(value)) {
        this.#exhausted.add(kind);
      }
    } else if (what === 'reset' && this.#resetMs.size < LIMIT_KINDS_MAX) {
      const ms = dialect === 'openai' ? readDuration(value) : readMoment(value, wallNowMs);
      this.#resetMs.set(kind, ms);
    }
  }

  /** The last of the limits that are used up decides; -1 where there is none. */
  findExhaustedMs(): number {
    let latestMs = NONE;
    for (const kind of this.#exhausted) {
      latestMs = Math.max(latestMs, this.#resetMs.get(kind) ?? NONE);
    }
    return latestMs;
  }
}

function isUsedUp(remaining: string): boolean {
  return (
    readDecimal(remaining) === 0 || (remaining[0] === '-' && readDecimal(remaining.slice(1)) >= 0)
  );
}

/** Some servers write `20s` where HTTP has a number of seconds. */
function readRetryAfter(value: string, wallNowMs: number): number {
  const seconds = readDecimal(value);
  if (seconds >= 0) {
    return seconds * 1000;
  }
  const durationMs = readDuration(value);
  return durationMs >= 0 ? durationMs : readHttpDate(value, wallNowMs);
}

/** The days' names, with which all three forms of an HTTP date begin (RFC 9110 section 5.6.7). */
const DAYS: readonly string[] = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const DATE_CHARS_MAX = 40;

/** @returns milliseconds until then, 0 where it is over, -1 where it is no such date. */
function readHttpDate(value: string, wallNowMs: number): number {
  if (value.length > DATE_CHARS_MAX || !DAYS.includes(value.slice(0, 3).toLowerCase())) {
    return NONE;
  }
  // The form of C's asctime() names no zone; without one it would be read as the machine's own.
  return countUntil(Date.parse(value.endsWith('GMT') ? value : `${value} GMT`), wallNowMs);
}

/** A moment as in RFC 3339, such as `2026-11-23T06:00:00Z`. */
function readMoment(value: string, wallNowMs: number): number {
  if (value.length > DATE_CHARS_MAX || value[4] !== '-' || value[10] !== 'T') {
    return NONE;
  }
  return countUntil(Date.parse(value), wallNowMs);
}

function countUntil(momentMs: number, wallNowMs: number): number {
  const ms = momentMs - wallNowMs;
  return Number.isNaN(ms) ? NONE : Math.max(0, ms);
}

const ZERO = 0x30;
const NINE = 0x39;
const POINT = 0x2e;
/** So that the number stays exact. */
const NUMBER_CHARS_MAX = 15;

/** Where the digits and the point end that begin at `from`. */
function skipNumber(text: string, from: number): number {
  let at = from;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if ((code < ZERO || code > NINE) && code !== POINT) {
      break;
    }
    at += 1;
  }
  return at;
}

/** A number without sign or exponent; -1 where the text is anything else. */
function readDecimal(text: string): number {
  if (text.length === 0 || text.length > NUMBER_CHARS_MAX || skipNumber(text, 0) !== text.length) {
    return NONE;
  }
  const value = Number(text);
  return Number.isNaN(value) ? NONE : value;
}

const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
  ['us', 1e-3],
  // A micro sign, in Latin-1 and in UTF-8 read as Latin-1.
  ['\xb5s', 1e-3],
  ['\xc2\xb5s', 1e-3],
  ['ns', 1e-6],
]);
const DURATION_CHARS_MAX = 40;

/** A duration as Go prints it, such as `6m0s`, `1.5s` or `12ms`; -1 where it is none. */
function readDuration(text: string): number {
  if (text.length === 0 || text.length > DURATION_CHARS_MAX) {
    return NONE;
  }
  let sumMs = 0;
  let at = 0;
  while (at < text.length) {
    const unitAt = skipNumber(text, at);
    const amount = readDecimal(text.slice(at, unitAt));
    let end = unitAt;
    while (end < text.length && skipNumber(text, end) === end) {
      end += 1;
    }
    const unitMs = UNIT_MS.get(text.slice(unitAt, end));
    if (amount < 0 || unitMs === undefined) {
      return NONE;
    }
    sumMs += amount * unitMs;
    at = end;
  }
  return sumMs;
}

/**
 * When a provider says that it may be asked again. The explicit headers come first: OpenAI's and Azure's in milliseconds,
 * then HTTP's own (RFC 9110 section 10.2.3), in seconds or as a date. Where there is none, the limits that are used up
 * tell when they are not any more: OpenAI's and Groq's `x-ratelimit-*` as durations such as `6m0s`
 * (platform.openai.com/docs/guides/rate-limits), Azure's in seconds (openai/openai-python#937), Anthropic's
 * `anthropic-ratelimit-*` as moments (docs.anthropic.com/en/api/rate-limits). Those say when a limit is full again, so
 * they are of use only where nothing is left of it.
 */
import { BOUNDS } from '../core/bounds.js';
import { DURATION_UNITS_MS, readDecimal, skipNumber } from '../core/durations.js';
import { toFields } from './error-document.js';
import { visitHeaders } from './header-values.js';

const NONE = -1;

/**
 * @param headerLines of the answer, with a CR LF each, as ResponseHead.lines has them.
 * @param wallNowMs the time of day, since the headers may name one.
 * @returns milliseconds from now, whole and at most BOUNDS.retryAfterMsMax; 0: at once; -1: nothing is said.
 */
export function readRetryAfterMs(headerLines: string, wallNowMs: number): number {
  const hints = new Hints(wallNowMs);
  visitHeaders(headerLines, (name, value) => hints.take(name, value));
  return bound(hints.chooseMs());
}

/** Google's errors list details of several kinds; of more than these none is looked at. */
const DETAILS_MAX = 16;

/**
 * The same out of an error's body, where Google says it and in no header: `details` with a google.rpc.RetryInfo, whose
 * `retryDelay` is a duration such as `34.07s` (cloud.google.com/apis/design/errors).
 *
 * @param document as readErrorDocument() gives it.
 */
export function readRetryDelayMs(document: unknown): number {
  const outer = toFields(document);
  const details = toFields(outer?.['error'])?.['details'] ?? outer?.['details'];
  if (!Array.isArray(details)) {
    return NONE;
  }
  let longestMs = NONE;
  for (const detail of details.slice(0, DETAILS_MAX) as unknown[]) {
    const delay = toFields(detail)?.['retryDelay'];
    longestMs = Math.max(longestMs, typeof delay === 'string' ? readDuration(delay) : NONE);
  }
  return bound(longestMs);
}

function bound(ms: number): number {
  return ms < 0 ? NONE : Math.min(Math.ceil(ms), BOUNDS.retryAfterMsMax);
}

/** All that one answer says. Where it says the same thing twice, the longer wait is believed. */
class Hints {
  readonly #wallNowMs: number;
  readonly #limits = new ResetTimes();
  #exactMs = NONE;
  #azureMs = NONE;
  #standardMs = NONE;

  constructor(wallNowMs: number) {
    this.#wallNowMs = wallNowMs;
  }

  take(name: string, value: string): void {
    if (name === 'retry-after-ms') {
      this.#exactMs = Math.max(this.#exactMs, readDecimal(value));
    } else if (name === 'x-ms-retry-after-ms') {
      this.#azureMs = Math.max(this.#azureMs, readDecimal(value));
    } else if (name === 'retry-after') {
      this.#standardMs = Math.max(this.#standardMs, readRetryAfter(value, this.#wallNowMs));
    } else {
      const form = LIMIT_FORMS.find(({ prefix }) => name.startsWith(prefix));
      if (form !== undefined) {
        const rest = name.slice(form.prefix.length);
        this.#limits.take(rest, form.isKindFirst, value, this.#wallNowMs);
      }
    }
  }

  /** The first that is there, from the most exact to the least. */
  chooseMs(): number {
    if (this.#exactMs >= 0) {
      return this.#exactMs;
    }
    if (this.#azureMs >= 0) {
      return this.#azureMs;
    }
    return this.#standardMs >= 0 ? this.#standardMs : this.#limits.findExhaustedMs();
  }
}

/** OpenAI writes `remaining-tokens`, Azure sometimes with another hyphen before it, Anthropic `input-tokens-remaining`. */
const LIMIT_FORMS: readonly { readonly prefix: string; readonly isKindFirst: boolean }[] = [
  { prefix: 'x-ratelimit-', isKindFirst: false },
  { prefix: 'x-rate-limit-', isKindFirst: false },
  { prefix: 'anthropic-ratelimit-', isKindFirst: true },
];
/** OpenAI tells of two kinds of limits and Anthropic of four; more than these are not looked at. */
const LIMIT_KINDS_MAX = 16;

/** What an answer says of its limits. The two headers of one come in any order. */
class ResetTimes {
  readonly #remaining = new Map<string, number>();
  readonly #resetMs = new Map<string, number>();

  /** @param name without its prefix. */
  take(name: string, isKindFirst: boolean, value: string, wallNowMs: number): void {
    const cut = isKindFirst ? name.lastIndexOf('-') : name.indexOf('-');
    if (cut < 0 || this.#remaining.size + this.#resetMs.size >= LIMIT_KINDS_MAX * 2) {
      return;
    }
    const [head, tail] = [name.slice(0, cut), name.slice(cut + 1)];
    const [what, kind] = isKindFirst ? [tail, head] : [head, tail];
    if (what === 'remaining') {
      this.#remaining.set(kind, readDecimal(value));
    } else if (what === 'reset') {
      this.#resetMs.set(kind, readReset(value, wallNowMs));
    }
  }

  /**
   * The last of the limits that are used up decides; -1 where there is none. Azure names a reset alone, of the limit that
   * was hit. Where it does not know what remains it says -1, and that is no limit that is used up.
   */
  findExhaustedMs(): number {
    let latestMs = NONE;
    for (const [kind, ms] of this.#resetMs) {
      if ((this.#remaining.get(kind) ?? 0) === 0) {
        latestMs = Math.max(latestMs, ms);
      }
    }
    return latestMs;
  }
}

/** A duration, a moment, or Azure's number of seconds. */
function readReset(value: string, wallNowMs: number): number {
  const momentMs = readMoment(value, wallNowMs);
  return momentMs >= 0 ? momentMs : readSeconds(value);
}

function readRetryAfter(value: string, wallNowMs: number): number {
  const ms = readSeconds(value);
  return ms >= 0 ? ms : readHttpDate(value, wallNowMs);
}

/** A number of seconds, or a duration such as `20s`, which some servers write where HTTP has such a number. */
function readSeconds(value: string): number {
  const seconds = readDecimal(value);
  return seconds >= 0 ? seconds * 1000 : readDuration(value);
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

const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ...Object.entries(DURATION_UNITS_MS),
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

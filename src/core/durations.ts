/** What is the same of durations wherever they are written: in the configuration, by callers, and by providers. */

export const DURATION_UNITS_MS = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
} as const;

const ZERO = 0x30;
const NINE = 0x39;
const POINT = 0x2e;
/** So that the number stays exact; more is no number that somebody means. */
const NUMBER_CHARS_MAX = 15;

/** Where the digits and points end that begin at `from`. */
export function skipNumber(text: string, from: number): number {
  let at = from;
  while (at < text.length && (isDigit(text, at) || text.charCodeAt(at) === POINT)) {
    at += 1;
  }
  return at;
}

/** A number without sign or exponent, with digits on both sides of its point; -1 where the text is anything else. */
export function readDecimal(text: string): number {
  const last = text.length - 1;
  const isNumber =
    last >= 0 &&
    last < NUMBER_CHARS_MAX &&
    isDigit(text, 0) &&
    isDigit(text, last) &&
    skipNumber(text, 0) === text.length;
  const value = isNumber ? Number(text) : Number.NaN;
  return Number.isNaN(value) ? -1 : value;
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= ZERO && code <= NINE;
}

/**
 * The header lines that tell a caller how much of its limits is left, as OpenAI writes them
 * (platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers).
 */

/** The tightest limit of one kind. */
export interface LimitState {
  readonly limit: number;
  readonly remaining: number;
  /** Until the bucket is full again. */
  readonly resetMs: number;
}

/** Lines with their CR LF; empty where the kind is not limited. */
export function formatLimitLines(kind: 'requests' | 'tokens', state: LimitState | null): string {
  if (state === null) {
    return '';
  }
  const names = NAMES[kind];
  return `${names.limit}${state.limit}${names.remaining}${state.remaining}${names.reset}${formatReset(state.resetMs)}\r\n`;
}

function nameLines(kind: string) {
  return {
    limit: `x-ratelimit-limit-${kind}: `,
    remaining: `\r\nx-ratelimit-remaining-${kind}: `,
    reset: `\r\nx-ratelimit-reset-${kind}: `,
  };
}

const NAMES = { requests: nameLines('requests'), tokens: nameLines('tokens') };

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

/** How long a caller gives its exchange: the header `x-weir-timeout`. */
import { BOUNDS } from '../core/bounds.js';
import { GatewayError } from '../core/errors.js';

export const TIMEOUT_HEADER = 'x-weir-timeout';

const UNITS_MS: ReadonlyMap<string, number> = new Map([
  ['', 1000],
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

/** More is no duration that a person writes. */
const DIGITS_MAX = 15;
const VALUE_CHARS_SHOWN = 64;

/**
 * @param value as sent, such as `30s`, `1500ms`, `1.5s` or `20`, which are seconds.
 * @returns milliseconds, at least 1, perhaps with a fraction.
 * @throws GatewayError `bad_timeout`, saying what was expected.
 */
export function readTimeoutMs(value: string): number {
  const numberEnd = findNumberEnd(value);
  const unitMs = UNITS_MS.get(value.slice(numberEnd));
  const durationMs =
    numberEnd === 0 || unitMs === undefined ? 0 : Number(value.slice(0, numberEnd)) * unitMs;
  if (durationMs >= 1 && durationMs <= BOUNDS.timeoutHeaderMsMax) {
    return durationMs;
  }
  const shown = value.length > VALUE_CHARS_SHOWN ? `${value.slice(0, VALUE_CHARS_SHOWN)}…` : value;
  throw new GatewayError(
    'bad_timeout',
    `The header ${TIMEOUT_HEADER} must be a duration from 1ms to 24d, such as 30s, 1500ms or 20 (seconds); it is ${JSON.stringify(shown)}.`,
    { param: TIMEOUT_HEADER },
  );
}

/** Where the digits with which the text begins end, one point between them included; 0 where they are no number. */
function findNumberEnd(value: string): number {
  let at = 0;
  let pointAt = -1;
  while (at < value.length && at <= DIGITS_MAX) {
    const char = value.charCodeAt(at);
    if (char === POINT && pointAt < 0 && at > 0) {
      pointAt = at;
    } else if (char < ZERO || char > NINE) {
      break;
    }
    at += 1;
  }
  return at > DIGITS_MAX || pointAt === at - 1 ? 0 : at;
}

const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;

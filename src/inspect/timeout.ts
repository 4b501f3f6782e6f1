/** How long a caller gives its exchange: the header `x-weir-timeout`. */
import { BOUNDS } from '../core/bounds.js';
import { DURATION_UNITS_MS, readDecimal, skipNumber } from '../core/durations.js';
import { GatewayError } from '../core/errors.js';

export const TIMEOUT_HEADER = 'x-weir-timeout';

/** A number alone is seconds. */
const UNITS_MS: ReadonlyMap<string, number> = new Map([
  ['', 1000],
  ...Object.entries(DURATION_UNITS_MS),
]);

const VALUE_CHARS_SHOWN = 64;

/**
 * @param value as sent, such as `30s`, `1500ms`, `1.5s` or `20`, which are seconds.
 * @returns milliseconds, at least 1, perhaps with a fraction.
 * @throws GatewayError `bad_timeout`, saying what was expected.
 */
export function readTimeoutMs(value: string): number {
  const numberEnd = skipNumber(value, 0);
  const unitMs = UNITS_MS.get(value.slice(numberEnd)) ?? 0;
  const durationMs = readDecimal(value.slice(0, numberEnd)) * unitMs;
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

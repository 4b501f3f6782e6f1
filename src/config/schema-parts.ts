/** What the parts of the configuration's schema are made of. */
import { z } from 'zod';
import { hasControlCharacters } from './fields.js';

const DAY_MS = 86_400_000;
/** A timer of Node's holds at most 2^31 - 1 ms, a bit more than this. */
export const TIMEOUT_MS_MAX = 24 * DAY_MS;
export const PERIOD_MS_MAX = 366 * DAY_MS;
export const CONNECTIONS_MAX = 1_000_000;
export const COUNT_MAX = 1_000_000;
const NAME_CHARS_MAX = 256;

/** A mapping with these keys only. Its message for an unknown key is the list of the known ones. */
export function mapping<const Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  const known = Object.keys(shape).join(' ');
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? known : undefined),
  });
}

/** A mapping whose keys the operator chooses. */
export function named<Value extends z.ZodType>(value: Value) {
  const name = z
    .string()
    .refine((key) => isName(key), {
      error: `expected a name of 1 to ${NAME_CHARS_MAX} characters without control characters or spaces around it`,
    })
    .meta({ minLength: 1, maxLength: NAME_CHARS_MAX });
  return z.record(name, value).meta({ minProperties: 1 });
}

function isName(key: string): boolean {
  const isBetween = key.length >= 1 && key.length <= NAME_CHARS_MAX;
  return isBetween && key.trim() === key && !hasControlCharacters(key);
}

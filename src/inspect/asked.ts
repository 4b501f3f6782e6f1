/** What a JSON request asks for, as far as its cost hangs on it; read where it lies in the body. */
import { BOUNDS } from '../core/bounds.js';
import { GatewayError } from '../core/errors.js';
import type { Asked } from '../exchange.js';
import {
  type ByteRange,
  type JsonScan,
  readJsonBoolean,
  readJsonInteger,
  readJsonString,
} from './json-scan.js';

/** Whatever is no valid value counts as not said: the provider will refuse it, or has a default of its own. */
export function readAsked(scan: JsonScan, bytes: Buffer): Asked {
  const outputTokensMax = Math.max(
    readCount(bytes, scan.max_completion_tokens),
    readCount(bytes, scan.max_tokens),
    readCount(bytes, scan.max_output_tokens),
  );
  return {
    isStream: readJsonBoolean(bytes, scan.stream.start, scan.stream.end) === true,
    outputTokensMax,
    answers: Math.min(Math.max(1, readCount(bytes, scan.n)), ANSWERS_MAX),
  };
}

/**
 * The end user that a request names; null where it names none, or says what no provider takes for a name.
 * @throws GatewayError `bad_body` where the name is so long that it would have to be cut, and two users become one.
 */
export function readUser({ user: { start, end } }: JsonScan, bytes: Buffer): string | null {
  if (start < 0) {
    return null;
  }
  if (end - start > BOUNDS.userBytesMax) {
    throw new GatewayError(
      'bad_body',
      `The value of "user" is longer than ${BOUNDS.userBytesMax} bytes.`,
      { param: 'user' },
    );
  }
  const user = readJsonString(bytes, start, end);
  return user === '' ? null : user;
}

/** OpenAI takes up to 128. */
const ANSWERS_MAX = 128;
const COUNT_MAX = 2 ** 31;

function readCount(bytes: Buffer, { start, end }: ByteRange): number {
  if (start < 0) {
    return -1;
  }
  const value = readJsonInteger(bytes, start, end);
  return value === null || value < 0 ? -1 : Math.min(value, COUNT_MAX);
}

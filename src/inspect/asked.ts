/** What a JSON request asks for, as far as its cost hangs on it; read where it lies in the body. */
import type { Asked } from '../exchange.js';
import { type ByteRange, type JsonScan, readJsonBoolean, readJsonInteger } from './json-scan.js';

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

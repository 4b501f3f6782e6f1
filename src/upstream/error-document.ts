/** The body of a provider's error, unpacked and parsed: what error-body.ts and retry-after.ts look for lies in it. */
import { brotliDecompressSync, gunzipSync, inflateSync, constants as zlib } from 'node:zlib';
import { BOUNDS } from '../core/bounds.js';
import { visitHeaders } from './header-values.js';

export type Fields = Readonly<Record<string, unknown>>;

/**
 * @param body as it came; what is beyond BOUNDS.errorBodyBytesMax is not looked at.
 * @param headerLines of the answer, for its content-encoding: clients usually ask for gzip.
 * @returns what JSON says; the text itself where it is none, or was cut; null where it can't be unpacked.
 */
export function readErrorDocument(body: Buffer, headerLines: string): unknown {
  let text: string;
  try {
    text = unpack(body, headerLines).toString('utf8', 0, BOUNDS.errorBodyBytesMax);
  } catch {
    // What it is packed with is unknown or broken.
    return null;
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** @returns null where it is no object. Google answers OpenAI's clients with a list of one error. */
export function toFields(value: unknown): Fields | null {
  const entry: unknown = Array.isArray(value) ? value[0] : value;
  return typeof entry === 'object' && entry !== null ? (entry as Fields) : null;
}

/** A body that was cut gives as much as there is. */
const UNPACKING = {
  finishFlush: zlib.Z_SYNC_FLUSH,
  maxOutputLength: BOUNDS.errorBodyBytesMax,
};
const UNPACKING_BROTLI = {
  finishFlush: zlib.BROTLI_OPERATION_FLUSH,
  maxOutputLength: BOUNDS.errorBodyBytesMax,
};

/** @throws where it can't be unpacked, or is larger than it may be. */
function unpack(body: Buffer, headerLines: string): Buffer {
  let encoding = '';
  visitHeaders(headerLines, (name, value) => {
    if (name === 'content-encoding') {
      encoding = value.toLowerCase();
    }
  });
  if (encoding === 'gzip' || encoding === 'x-gzip') {
    return gunzipSync(body, UNPACKING);
  }
  if (encoding === 'deflate') {
    return inflateSync(body, UNPACKING);
  }
  if (encoding === 'br') {
    return brotliDecompressSync(body, UNPACKING_BROTLI);
  }
  return body;
}

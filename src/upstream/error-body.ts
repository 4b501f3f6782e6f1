/**
 * Tells from the body of a provider's error what its status does not: above all that the prompt was too long, or that a
 * filter refused it. No two providers agree on the form, so whatever looks like a code or a message is looked at; but
 * nothing else is, because validation errors repeat the request, and with it words that the caller chose.
 */
import { brotliDecompressSync, gunzipSync, inflateSync, constants as zlib } from 'node:zlib';
import { BOUNDS } from '../core/bounds.js';
import { type BodyClass, ERROR_CODES, ERROR_PHRASES } from './error-phrases.js';
import {
  classifyStatus,
  FAILURE_CLASSES,
  type FailureClassName,
  nameForCredential,
} from './failure-classes.js';
import { visitHeaders } from './header-values.js';

/**
 * @param body as it came; what is beyond BOUNDS.errorBodyBytesMax is not looked at.
 * @param headerLines of the answer, for its content-encoding: clients usually ask for gzip.
 * @returns null where the status alone decides, or the body says nothing of the kind.
 */
export function classifyErrorBody(
  status: number,
  body: Buffer,
  headerLines = '',
): 'context_length' | 'content_filter' | null {
  const name = readErrorBody(status, body, headerLines);
  return name === 'context_length' || name === 'content_filter' ? name : null;
}

/**
 * The class of a whole answer: that of its status, or the finer one of its body. Beside a long prompt and a filter a body
 * can name an account without credit (Anthropic says that with 400) and a model that is not there (DeepSeek and Mistral,
 * 400; OpenAI, 403).
 *
 * @param isOwnCredential whether the request bore Weir's configured credential; false: the caller's own.
 * @returns null below 400.
 */
export function classifyErrorAnswer(
  status: number,
  isOwnCredential: boolean,
  body: Buffer,
  headerLines = '',
): FailureClassName | null {
  const name = readErrorBody(status, body, headerLines);
  return name === null
    ? classifyStatus(status, isOwnCredential)
    : nameForCredential(name, isOwnCredential);
}

function readErrorBody(status: number, body: Buffer, headerLines: string): BodyClass | null {
  const ofStatus = classifyStatus(status, true);
  if (ofStatus === null || !FAILURE_CLASSES[ofStatus].needsBody) {
    return null;
  }
  try {
    const text = unpack(body, headerLines).toString('utf8', 0, BOUNDS.errorBodyBytesMax);
    return classifyText(text);
  } catch {
    // What it is packed with is unknown or broken.
    return null;
  }
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

function classifyText(text: string): BodyClass | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // Plain text, or JSON that was cut.
    return classifyMessage(text);
  }
  const signs: Signs = { name: null };
  // Google's answers to OpenAI's clients are lists of one error.
  readError(Array.isArray(parsed) ? parsed[0] : parsed, signs, 0);
  return signs.name;
}

interface Signs {
  name: BodyClass | null;
}

/** Errors are within `error`, and within that Azure's `innererror` or OpenRouter's `metadata`. */
const NESTING_MAX = 4;
const CODE_FIELDS = ['code', 'type', 'status', 'error_type', 'error_code'] as const;
const MESSAGE_FIELDS = ['message', 'detail', 'error', 'msg', 'raw'] as const;
const NESTED_FIELDS = ['error', 'innererror', 'metadata', 'message', 'detail'] as const;

type Fields = Readonly<Record<string, unknown>>;

/** The first sign found decides: codes before messages, outside before inside. */
function readError(value: unknown, signs: Signs, depth: number): void {
  if (typeof value === 'string') {
    signs.name ??= classifyMessage(value);
    return;
  }
  // FastAPI's `detail` is a list of such objects.
  const entry: unknown = Array.isArray(value) ? value[0] : value;
  if (typeof entry !== 'object' || entry === null || depth > NESTING_MAX) {
    return;
  }
  const fields = entry as Fields;
  for (const name of CODE_FIELDS) {
    const code = readOwn(fields, name);
    if (typeof code === 'string') {
      signs.name ??= ERROR_CODES.get(code.toLowerCase()) ?? null;
    }
  }
  for (const name of MESSAGE_FIELDS) {
    const message = readOwn(fields, name);
    if (typeof message === 'string') {
      signs.name ??= classifyMessage(message);
    }
  }
  for (const name of NESTED_FIELDS) {
    const nested = readOwn(fields, name);
    if (typeof nested === 'object' && signs.name === null) {
      readError(nested, signs, depth + 1);
    }
  }
}

function readOwn(fields: Fields, name: string): unknown {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

function classifyMessage(message: string): BodyClass | null {
  const text = message.slice(0, BOUNDS.errorMessageCharsMax).toLowerCase();
  for (const [phrase, name] of ERROR_PHRASES) {
    if (text.includes(phrase)) {
      return name;
    }
  }
  return null;
}

/**
 * Tells from the body of a provider's error what its status does not: above all that the prompt was too long, or that a
 * filter refused it. No two providers agree on the form, so whatever looks like a code or a message is looked at; but
 * nothing else is, because validation errors repeat the request, and with it words that the caller chose.
 */
import { BOUNDS } from '../core/bounds.js';
import { readErrorDocument, toFields } from './error-document.js';
import { type BodyClass, ERROR_CODES, ERROR_PHRASES } from './error-phrases.js';
import {
  classifyStatus,
  FAILURE_CLASSES,
  type FailureClassName,
  nameForCredential,
} from './failure-classes.js';

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
 * can name an account without credit (Anthropic says that with 400), a key that is not valid (xAI and Google, 400) and a
 * model that is not there (DeepSeek and Mistral, 400; OpenAI, 403).
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
  const name = classifyDocument(readErrorDocument(body, headerLines));
  // Of a limit it says only whether time will help; whatever else its sentences name is what was asked for.
  return ofStatus === 'throttled' && name !== 'no_credit' ? null : name;
}

/** Of what readErrorDocument() gives. */
export function classifyDocument(document: unknown): BodyClass | null {
  const signs: Signs = { name: null };
  readError(document, signs, 0);
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

/** The first sign found decides: codes before messages, outside before inside. */
function readError(value: unknown, signs: Signs, depth: number): void {
  if (typeof value === 'string') {
    signs.name ??= classifyMessage(value);
    return;
  }
  // FastAPI's `detail` is a list.
  const fields = toFields(value);
  if (fields === null || depth > NESTING_MAX) {
    return;
  }
  for (const name of CODE_FIELDS) {
    const code = fields[name];
    if (typeof code === 'string') {
      signs.name ??= ERROR_CODES.get(code.toLowerCase()) ?? null;
    }
  }
  for (const name of MESSAGE_FIELDS) {
    const message = fields[name];
    if (typeof message === 'string') {
      signs.name ??= classifyMessage(message);
    }
  }
  for (const name of NESTED_FIELDS) {
    const nested = fields[name];
    if (typeof nested === 'object' && signs.name === null) {
      readError(nested, signs, depth + 1);
    }
  }
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

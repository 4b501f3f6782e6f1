/**
 * What the simulated LLM must know of a request's body. A plain request is answered after three searches
 * for bytes, because parsing would cost more than all the rest of the answer; whatever is not plain
 * (a stream, an escaped or repeated key, a value of another type) is parsed.
 */
import { skipJsonSpace } from '../core/json-bytes.js';
import { MODEL_NAME_BYTES_MAX } from './bounds.js';
import { RequestError } from './errors.js';

export interface RequestFacts {
  /** As it stands between the quotes in JSON, in latin1, so that it can be echoed byte for byte. */
  readonly model: string;
  readonly isStream: boolean;
  /** OpenAI's `stream_options.include_usage`. */
  readonly includesUsage: boolean;
  /** -1 if the request names no bound. */
  readonly tokensMax: number;
}

/** The fields of all APIs that anything depends on; what a client put there is still to be checked. */
export interface RequestFields {
  readonly model?: unknown;
  readonly stream?: unknown;
  readonly stream_options?: unknown;
  readonly include_usage?: unknown;
  readonly max_tokens?: unknown;
  readonly max_completion_tokens?: unknown;
  readonly input?: unknown;
  readonly dimensions?: unknown;
  readonly encoding_format?: unknown;
}

const QUOTE = 0x22;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const SPACE = 0x20;

const MODEL_KEY = Buffer.from('"model"');
const STREAM_KEY = Buffer.from('"stream"');
/** The end of both `max_tokens` and `max_completion_tokens`. */
const TOKENS_KEY_END = Buffer.from('_tokens"');

const NOT_FOUND = -1;
const NOT_PLAIN = -2;

/** @throws RequestError 400 when the body is no JSON object or names no model. */
export function readRequestFacts(body: Buffer): RequestFacts {
  return scanPlain(body) ?? parseFacts(parseBody(body));
}

/** @throws RequestError 400 */
export function parseBody(body: Buffer): RequestFields {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString());
  } catch {
    throw new RequestError(400, 'We could not parse the JSON body of your request.');
  }
  if (!isObject(parsed)) {
    throw new RequestError(400, 'The JSON body of your request must be an object.');
  }
  return parsed;
}

/** @throws RequestError 400 */
export function readModel(parsed: RequestFields): string {
  const model = parsed.model;
  if (typeof model !== 'string' || model === '') {
    throw new RequestError(400, 'you must provide a model parameter', 'model');
  }
  return writeModel(model);
}

/** @throws RequestError 400 @returns the model's name as it stands between quotes in JSON, in latin1. */
export function writeModel(model: string): string {
  const raw = Buffer.from(JSON.stringify(model).slice(1, -1)).toString('latin1');
  if (raw.length > MODEL_NAME_BYTES_MAX) {
    throw new RequestError(
      400,
      `model must be at most ${MODEL_NAME_BYTES_MAX} bytes long`,
      'model',
    );
  }
  return raw;
}

/** Real tokenizers give about one token for four bytes of English. */
export function estimatePromptTokens(bodyBytes: number): number {
  return Math.ceil(bodyBytes / 4);
}

function isObject(value: unknown): value is RequestFields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseFacts(parsed: RequestFields): RequestFacts {
  const bounds = [parsed.max_completion_tokens, parsed.max_tokens].filter(
    (bound): bound is number => typeof bound === 'number' && Number.isInteger(bound) && bound >= 0,
  );
  const options = parsed.stream_options;
  return {
    model: readModel(parsed),
    isStream: parsed.stream === true,
    includesUsage: isObject(options) && options.include_usage === true,
    tokensMax: bounds.length === 0 ? -1 : Math.min(...bounds),
  };
}

/** @returns null when the body must be parsed. */
function scanPlain(body: Buffer): RequestFacts | null {
  const modelAt = findValue(body, MODEL_KEY);
  if (modelAt < 0 || body[modelAt] !== QUOTE) {
    return null;
  }
  const modelEnd = body.indexOf(QUOTE, modelAt + 1);
  if (modelEnd <= modelAt + 1 || modelEnd - modelAt > MODEL_NAME_BYTES_MAX) {
    return null;
  }
  for (let i = modelAt + 1; i < modelEnd; i += 1) {
    const byte = body[i] as number;
    if (byte === BACKSLASH || byte < SPACE) {
      return null;
    }
  }
  const streamAt = findValue(body, STREAM_KEY);
  // Only a literal `false` is plain: streams have options to look at, and cost more than parsing anyway.
  if (streamAt === NOT_PLAIN || (streamAt >= 0 && body[streamAt] !== 0x66)) {
    return null;
  }
  const tokensAt = findValue(body, TOKENS_KEY_END);
  const tokensMax = tokensAt === NOT_FOUND ? -1 : readNumber(body, tokensAt);
  if (tokensMax === NOT_PLAIN) {
    return null;
  }
  return {
    model: body.toString('latin1', modelAt + 1, modelEnd),
    isStream: false,
    includesUsage: false,
    tokensMax,
  };
}

/**
 * @returns where the value of the only key that ends in `key` begins; NOT_FOUND, or NOT_PLAIN when there are
 * several. A quote inside a JSON string is escaped, so that what matches up to the quote and is followed by
 * a colon is a key; whether one of the outermost object is left open, and so more than one is not plain.
 */
function findValue(body: Buffer, key: Buffer): number {
  let found = NOT_FOUND;
  for (let at = body.indexOf(key); at >= 0; at = body.indexOf(key, at + key.length)) {
    const colonAt = skipJsonSpace(body, at + key.length, body.length);
    if (body[colonAt] === COLON) {
      if (found !== NOT_FOUND || (key === TOKENS_KEY_END && !endsBound(body, at))) {
        return NOT_PLAIN;
      }
      found = skipJsonSpace(body, colonAt + 1, body.length);
    }
  }
  return found;
}

/** Tells `max_tokens` and `max_completion_tokens` from others such as Anthropic’s `budget_tokens`. */
function endsBound(body: Buffer, at: number): boolean {
  const before = body[at - 1];
  return before === 0x78 || before === 0x6e;
}

function readNumber(body: Buffer, from: number): number {
  let number = 0;
  let at = from;
  for (; at < from + 9; at += 1) {
    const digit = (body[at] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) {
      break;
    }
    number = number * 10 + digit;
  }
  const next = body[at];
  const isEnd = next === 0x2c || next === 0x7d || (next !== undefined && next <= SPACE);
  return at > from && isEnd ? number : NOT_PLAIN;
}

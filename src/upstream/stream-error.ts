/**
 * Errors that come within an event stream whose status was well: a provider that has accepted a call and then could not
 * serve it. OpenAI and all that speak its chat API send `data: {"error": …}`, its Responses API `error` or
 * `response.failed`, Anthropic `event: error`, Google `data: {"error": …}` with a status in it. Only what is held, or has
 * not been passed on yet, is looked at, and only where a cheap look finds the word.
 */
import { classifyDocument } from './error-body.js';
import { type Fields, toFields } from './error-document.js';
import { STREAM_ERROR_CODES } from './error-phrases.js';
import { classifyStatus, type FailureClassName, nameForCredential } from './failure-classes.js';
import type { FoundFailure } from './held-answer.js';
import { readRetryDelayMs } from './retry-after.js';

const WORD = Buffer.from('"error"');
const EVENT = Buffer.from('event: error');
const COLON = 0x3a;
const SPACE = 0x20;
const FIRST_OF_NULL = 0x6e;

/** Whether there may be an error in these bytes: a search for a word, which costs a stream up to a microsecond, once. */
export function mayHoldError(bytes: Buffer): boolean {
  let at = bytes.indexOf(WORD);
  while (at >= 0) {
    const end = at + WORD.length;
    const valueAt = bytes[end + 1] === SPACE ? end + 2 : end + 1;
    // OpenAI's Responses begin with an event that says that there is none.
    if (bytes[end] !== COLON || bytes[valueAt] !== FIRST_OF_NULL) {
      return true;
    }
    at = bytes.indexOf(WORD, end);
  }
  return beginsAsError(bytes);
}

/** Its event's name, where the document is still to come. */
function beginsAsError(bytes: Buffer): boolean {
  let at = 0;
  while (at < EVENT.length && bytes[at] === EVENT[at]) {
    at += 1;
  }
  return at === EVENT.length;
}

/**
 * The first error among the events.
 *
 * @param isOver nothing follows: the last event counts as whole.
 * @param isOwnCredential whether the request bore Weir's configured credential; false: the caller's own.
 * @returns null where there is none, or its event is not whole yet.
 */
export function findStreamError(
  text: string,
  isOver: boolean,
  isOwnCredential: boolean,
): FoundFailure | null {
  const events = splitEvents(text);
  if (!isOver) {
    events.pop();
  }
  for (const event of events) {
    const error = readEvent(event);
    if (error !== null) {
      const name = classifyStreamError(error);
      return {
        className: nameForCredential(name, isOwnCredential),
        retryAfterMs: readRetryDelayMs(error),
      };
    }
  }
  return null;
}

/** Whether an event has ended, be it one that holds nothing. */
export function hasWholeEvent(text: string): boolean {
  return splitEvents(text).length > 1;
}

function splitEvents(text: string): string[] {
  return text.replace(/\r\n?/g, '\n').split('\n\n');
}

/** What the event's data say, where it is an error; null: it is none. */
function readEvent(event: string): Fields | null {
  const values = (field: string): string[] =>
    event
      .split('\n')
      .filter((line) => line.startsWith(`${field}:`))
      .map((line) => line.slice(field.length + 1).trim());
  const isNamed = values('event').at(-1) === 'error';
  const data = values('data').join('\n');
  if (data === '') {
    return null;
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(data);
  } catch {
    return isNamed ? { error: data } : null;
  }
  const fields = toFields(parsed);
  if (fields === null) {
    return isNamed ? { error: data } : null;
  }
  const inner = toFields(fields['response']);
  if (fields['type'] === 'response.failed' && inner !== null) {
    return inner;
  }
  const { error, type, object } = fields;
  const isError = typeof error === 'string' ? error !== '' : toFields(error) !== null;
  return isError || isNamed || type === 'error' || object === 'error' ? fields : null;
}

const WHERE = ['code', 'status', 'type', 'error_type'] as const;

/** By what the body of an error with a status would say, then by its status or type. An unknown one is the provider's. */
function classifyStreamError(fields: Fields): FailureClassName {
  const ofBody = classifyDocument(fields);
  if (ofBody !== null) {
    return ofBody;
  }
  for (const source of [toFields(fields['error']), fields]) {
    for (const field of WHERE) {
      const name = classifyCode(source?.[field]);
      if (name !== null) {
        return name;
      }
    }
  }
  return 'server_error';
}

function classifyCode(code: unknown): FailureClassName | null {
  if (typeof code === 'string') {
    const name = STREAM_ERROR_CODES.get(code.toLowerCase());
    if (name !== undefined) {
      return name;
    }
  }
  const status = typeof code === 'string' || typeof code === 'number' ? Number(code) : 0;
  return status >= 400 && status < 600 ? classifyStatus(status, true) : null;
}

/**
 * What of a prompt is hashed, so that requests which a cache could serve meet at one target. Caches of prompts know
 * beginnings only: OpenAI's and Anthropic's from about 1,000 tokens on, vLLM's in blocks of 16 tokens. What a model
 * reads first are its instructions, then the conversation from its first message on. So these bytes are hashed, as they
 * stand in the body, up to `hashedPromptBytesMax` (about 256 tokens, as many as OpenAI itself routes by):
 *
 * 1. the value of `system` (Anthropic) or `instructions` (OpenAI's Responses), where there is one;
 * 2. the value of `messages`, `input` or `prompt` from its beginning, of a list of messages to the end of the first one
 *    whose role is `user`.
 *
 * So requests with the same long instructions stay together, whoever asks what; and where instructions are short, each
 * conversation stays together, because all of its requests begin with the same messages. `tools` are left out: they
 * mostly go with the instructions, and are written in an order that SDKs don't promise. Numbers, spaces and escapes are
 * compared as written, so the same prompt from two SDKs may have two hashes; each keeps its own.
 *
 * It reads bytes that nobody validated: whatever they are it ends, within `hashedPromptSearchBytesMax`.
 */

import { BOUNDS } from '../../core/bounds.js';
import { skipJsonSpace } from '../../core/json-bytes.js';
import { finish } from '../../core/murmur.js';
import { hashBytes } from './key-hash.js';
import type { BalanceRequest } from './policy.js';
import { findValueEnd, JsonFields } from './top-level-fields.js';

/** Not looked for yet. */
export const UNREAD_PROMPT = -1;
/** The body holds none, is no JSON, or is gone. */
export const NO_PROMPT = -2;

const INSTRUCTIONS = ['system', 'instructions'];
const CONVERSATIONS = ['messages', 'input', 'prompt'];
const FIELDS = new JsonFields([...INSTRUCTIONS, ...CONVERSATIONS]);

const OPEN_BRACKET = 0x5b;
const OPEN_BRACE = 0x7b;
const QUOTE = 0x22;
const COMMA = 0x2c;
const ROLE = new JsonFields(['role']);
const USER = Buffer.from('"user"');

/** @returns 0 to 2^32 - 1, or NO_PROMPT. Kept in the request, because its body may be gone the next time. */
export function hashPrompt(request: BalanceRequest): number {
  if (request.promptHash === UNREAD_PROMPT) {
    const { body } = request;
    request.promptHash = body?.isModelJson === true ? hashBody(body.bytes) : NO_PROMPT;
  }
  return request.promptHash;
}

function hashBody(body: Uint8Array): number {
  // A view, so that no search for the end of a string runs through megabytes behind it.
  const isLong = body.length > BOUNDS.hashedPromptSearchBytesMax;
  const bytes = isLong ? body.subarray(0, BOUNDS.hashedPromptSearchBytesMax) : body;
  FIELDS.find(bytes, 0, bytes.length);
  let left = BOUNDS.hashedPromptBytesMax;
  let hash = 0;
  for (let field = 0; field < INSTRUCTIONS.length + CONVERSATIONS.length && left > 0; field += 1) {
    const start = FIELDS.starts[field]!;
    if (start >= 0) {
      const stop = Math.min(bytes.length, start + left);
      const cut =
        field < INSTRUCTIONS.length
          ? findValueEnd(bytes, start, stop)
          : findFirstTurnEnd(bytes, start, stop);
      hash = hashBytes(hash, bytes, start, cut);
      left -= cut - start;
    }
  }
  return left === BOUNDS.hashedPromptBytesMax ? NO_PROMPT : finish(hash);
}

/** Of a list of messages the end of the first user's, of anything else its own end; `stop` where that comes first. */
function findFirstTurnEnd(bytes: Uint8Array, start: number, stop: number): number {
  if (bytes[start] !== OPEN_BRACKET) {
    return findValueEnd(bytes, start, stop);
  }
  let at = skipJsonSpace(bytes, start + 1, stop);
  while (at < stop && (bytes[at] === OPEN_BRACE || bytes[at] === QUOTE)) {
    const end = findValueEnd(bytes, at, stop);
    if (end >= stop) {
      return stop;
    }
    if (bytes[at] === OPEN_BRACE && isUsers(bytes, at, end)) {
      return end;
    }
    at = skipJsonSpace(bytes, end, stop);
    if (bytes[at] !== COMMA) {
      break;
    }
    at = skipJsonSpace(bytes, at + 1, stop);
  }
  return findValueEnd(bytes, start, stop);
}

function isUsers(bytes: Uint8Array, start: number, end: number): boolean {
  ROLE.find(bytes, start, end);
  const at = ROLE.starts[0]!;
  if (at < 0 || at + USER.length > end) {
    return false;
  }
  for (let offset = 0; offset < USER.length; offset += 1) {
    if (bytes[at + offset] !== USER[offset]) {
      return false;
    }
  }
  return true;
}

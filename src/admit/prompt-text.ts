/**
 * The text of a request that its model reads, from the parsed body, whichever dialect it is in. Iterates, since a body
 * may be nested deeper than a stack reaches.
 */

/** What is read as a conversation: every text in it counts, names of fields don't. */
const CONVERSATIONS = new Set([
  'messages',
  'input',
  'system',
  'instructions',
  'prompt',
  'contents',
  'systemInstruction',
  'system_instruction',
]);
/** What the model reads as a description, names of fields included. */
const DESCRIPTIONS = new Set(['tools', 'functions', 'response_format', 'text', 'output_config']);
/** Fields of a conversation whose texts are not read by the model, or are counted with their message. */
const SILENT_FIELDS = new Set(['role', 'type', 'id', 'detail', 'media_type', 'cache_control']);
/** Fields of pictures, sound and files that hold them in base64; long texts there are tested for it. */
const ATTACHED_FIELDS = new Set(['url', 'image_url', 'data', 'file_data']);

/** Who speaks and where it ends, as OpenAI counts it. */
const TOKENS_A_MESSAGE = 4;
const TOKENS_A_PROMPT = 3;

const ATTACHED_CHARS_MIN = 3 * 1024;
const ATTACHED_HEAD_CHARS = 128;
const ATTACHED_STRIDE = 61;
const BASE64_CHAR = /^[A-Za-z0-9+/\-_=]$/;

/**
 * @param count tokens of one text.
 * @returns tokens of the prompt without its pictures, sound and files; null if there is nothing that is known to be
 * one.
 */
export function countPrompt(body: unknown, count: (text: string) => number): number | null {
  if (!isObject(body)) {
    return null;
  }
  let tokens = 0;
  let isKnown = false;
  for (const [field, value] of Object.entries(body)) {
    if (CONVERSATIONS.has(field)) {
      isKnown = true;
      tokens += countConversation(value, count);
    } else if (DESCRIPTIONS.has(field) && isObject(value)) {
      tokens += count(JSON.stringify(value));
    }
  }
  return isKnown ? tokens + TOKENS_A_PROMPT : null;
}

function countConversation(value: unknown, count: (text: string) => number): number {
  let tokens = Array.isArray(value) ? value.filter(isObject).length * TOKENS_A_MESSAGE : 0;
  const open: unknown[] = [value];
  while (open.length > 0) {
    const next = open.pop();
    if (typeof next === 'string') {
      tokens += count(next);
    } else if (typeof next === 'number') {
      // Embeddings take prompts as numbers of tokens too.
      tokens += 1;
    } else if (Array.isArray(next)) {
      for (const item of next) {
        open.push(item);
      }
    } else if (isObject(next)) {
      for (const [field, inner] of Object.entries(next)) {
        const isSilent =
          SILENT_FIELDS.has(field) || (ATTACHED_FIELDS.has(field) && isAttached(inner));
        if (!isSilent) {
          open.push(inner);
        }
      }
    }
  }
  return tokens;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** Base64, perhaps after a head such as `data:image/png;base64,`; see attachments.ts for the same in bytes. */
function isAttached(value: unknown): boolean {
  if (typeof value !== 'string' || value.length < ATTACHED_CHARS_MIN) {
    return false;
  }
  for (let at = ATTACHED_HEAD_CHARS; at < value.length; at += ATTACHED_STRIDE) {
    if (!BASE64_CHAR.test(value.charAt(at))) {
      return false;
    }
  }
  return true;
}

/**
 * Tokens of a text, counted. Loads vocabularies of 50 and 40 MB when they are first needed, so it is for threads of a
 * pool only (token-count-task.ts), never for one that serves.
 */
import { BOUNDS } from '../core/bounds.js';

export type EncodingName = 'o200k' | 'cl100k';

export interface Encoding {
  readonly name: EncodingName;
  /** What a count is multiplied with where the model's own vocabulary is not public. */
  readonly factor: number;
}

type Count = (text: string) => number;

/** Anthropic's newer vocabulary makes up to 1.35 times the tokens of its older one. */
const CLAUDE_FACTOR = 1.35;
/** Vocabularies of 32 000 tokens (older Mistral, Llama 2) make a fifth more; newer ones are like o200k. */
const OTHER_FACTOR = 1.25;
/** Remembered merges; the package's own 100 000 would hold megabytes of what clients send. */
const MERGE_CACHE_SIZE = 10_000;

/** @param model a provider's name, with or without a prefix such as `openai/` or `ft:`. */
export function chooseEncoding(model: string): Encoding {
  const name = model.toLowerCase().replace(/^ft:/, '').replace(/^.*\//, '');
  if (/^(?:gpt-4(?![o.])|gpt-3\.?5|text-embedding-)/.test(name)) {
    return { name: 'cl100k', factor: 1 };
  }
  if (/^(?:gpt-|chatgpt-|codex|o\d)/.test(name)) {
    return { name: 'o200k', factor: 1 };
  }
  return { name: 'o200k', factor: name.includes('claude') ? CLAUDE_FACTOR : OTHER_FACTOR };
}

const loaded = new Map<EncodingName, Promise<Count>>();

export function loadEncoding(name: EncodingName): Promise<Count> {
  let count = loaded.get(name);
  if (count === undefined) {
    count = load(name);
    loaded.set(name, count);
  }
  return count;
}

async function load(name: EncodingName): Promise<Count> {
  const { countTokens, setMergeCacheSize } =
    name === 'o200k'
      ? await import('gpt-tokenizer/encoding/o200k_base')
      : await import('gpt-tokenizer/encoding/cl100k_base');
  setMergeCacheSize(MERGE_CACHE_SIZE);
  // Text like `<|endoftext|>` in a prompt is text, and no reason to throw.
  const options = { disallowedSpecial: new Set<string>() };
  return (text) => countInPieces(text, (piece) => countTokens(piece, options));
}

/**
 * The tokeniser takes time by the square of a run without spaces (or of nothing but spaces), so such runs are cut.
 * That makes the sum wrong by a token for each cut, mostly too high; text with spaces is counted whole.
 */
export function countInPieces(text: string, count: Count): number {
  let tokens = 0;
  let from = 0;
  let runLength = 0;
  let wasSpace = false;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    const isSpace = code <= 0x20;
    runLength = isSpace === wasSpace ? runLength + 1 : 1;
    wasSpace = isSpace;
    const isHalf = code >= 0xdc00 && code <= 0xdfff;
    if (runLength > BOUNDS.exactCountRunCharsMax && !isHalf) {
      tokens += count(text.slice(from, at));
      from = at;
      runLength = 1;
    }
  }
  return tokens + count(from === 0 ? text : text.slice(from));
}

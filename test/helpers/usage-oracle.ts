/** What an answer has used, found the slow way: everything is parsed. */
import type { Usage } from '../../src/core/usage.js';

type Figures = Record<string, number | undefined>;

interface Stated {
  readonly figures: Figures;
  readonly iterations: readonly Record<string, unknown>[];
}

const INPUT = ['prompt_tokens', 'input_tokens', 'promptTokenCount', 'total_input_tokens'];
const OUTPUT = [
  'completion_tokens',
  'output_tokens',
  'candidatesTokenCount',
  'responseTokenCount',
  'total_output_tokens',
];
const SAME_FIGURES = [INPUT, OUTPUT];
const HOLDERS = ['response', 'message', 'x_groq', 'interaction'];

/** One recorded event lacks the last brace, which is as it was recorded. */
export function parseEvent(text: string): unknown {
  for (const candidate of [text, `${text}}`]) {
    try {
      return JSON.parse(candidate);
    } catch {
      // The next candidate.
    }
  }
  return null;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function findObjects(document: unknown): Record<string, unknown>[] {
  if (Array.isArray(document)) return document.flatMap(findObjects);
  if (!isObject(document)) return [];
  const found: Record<string, unknown>[] = [];
  for (const [name, value] of Object.entries(document)) {
    if (!isObject(value)) continue;
    if (name === 'usage' || name === 'usageMetadata') found.push(value);
    if (!HOLDERS.includes(name)) continue;
    for (const [inner, usage] of Object.entries(value)) {
      if ((inner === 'usage' || inner === 'usageMetadata') && isObject(usage)) found.push(usage);
    }
  }
  return found;
}

function flatten(prefix: string, value: Record<string, unknown>, into: Figures): void {
  for (const [name, inner] of Object.entries(value)) {
    const path = prefix + name;
    if (typeof inner === 'number' && Number.isInteger(inner) && inner >= 0 && inner <= 2 ** 40) {
      into[path] = inner;
    } else if (isObject(inner)) flatten(`${path}.`, inner, into);
    else if (Array.isArray(inner) && path !== 'iterations') {
      into[`${path}#audio`] = inner
        .filter((entry) => isObject(entry) && /^audio$/i.test(String(entry['modality'])))
        .map((entry: Record<string, unknown>) => Number(entry['tokenCount'] ?? entry['tokens']))
        .reduce((sum, one) => sum + one, 0);
    }
  }
}

function state(documents: readonly unknown[]): Stated {
  const figures: Figures = {};
  let iterations: Record<string, unknown>[] = [];
  for (const usage of documents.flatMap(findObjects)) {
    const stated: Figures = {};
    flatten('', usage, stated);
    // Another dialect's name for the same figure says it anew.
    for (const names of SAME_FIGURES) {
      if (names.some((name) => stated[name] !== undefined)) {
        for (const name of names) delete figures[name];
      }
    }
    Object.assign(figures, stated);
    if (Array.isArray(usage['iterations'])) iterations = usage['iterations'].filter(isObject);
  }
  return { figures, iterations };
}

export function readUsageSlowly(documents: readonly unknown[]): Usage | null {
  const { figures: f, iterations } = state(documents);
  const first = (...names: string[]): number | undefined =>
    names.map((name) => f[name]).find((figure) => figure !== undefined);
  const input = first(...INPUT);
  const output = first(...OUTPUT);
  if (input === undefined && output === undefined) return null;
  const beside = iterations.filter(
    ({ type }) => type === 'compaction' || type === 'advisor_message',
  );
  const sum = (...names: string[]): number =>
    beside
      .flatMap((entry) => names.map((name) => Number(entry[name] ?? 0)))
      .reduce((a, b) => a + b, 0);
  const stated =
    first(
      'completion_tokens_details.reasoning_tokens',
      'output_tokens_details.reasoning_tokens',
      'output_tokens_details.thinking_tokens',
    ) ?? 0;
  const thoughts = first('thoughtsTokenCount', 'total_thought_tokens') ?? 0;
  const total = first('total_tokens', 'totalTokenCount');
  const apart = stated > 0 && total === (input ?? 0) + (output ?? 0) + stated ? stated : 0;
  return {
    inputTokens:
      (input ?? 0) +
      (first('cache_read_input_tokens') ?? 0) +
      (first('cache_creation_input_tokens') ?? 0) +
      (first('toolUsePromptTokenCount', 'total_tool_use_tokens') ?? 0) +
      sum('input_tokens', 'cache_read_input_tokens', 'cache_creation_input_tokens'),
    outputTokens: (output ?? 0) + thoughts + apart + sum('output_tokens'),
    cachedInputTokens:
      first(
        'cache_read_input_tokens',
        'prompt_tokens_details.cached_tokens',
        'input_tokens_details.cached_tokens',
        'cachedContentTokenCount',
        'total_cached_tokens',
      ) ?? 0,
    cacheWriteTokens: first('cache_creation_input_tokens') ?? 0,
    reasoningTokens: stated + thoughts,
    audioInputTokens:
      first(
        'prompt_tokens_details.audio_tokens',
        'promptTokensDetails#audio',
        'input_tokens_by_modality#audio',
      ) ?? 0,
    audioOutputTokens:
      first(
        'completion_tokens_details.audio_tokens',
        'candidatesTokensDetails#audio',
        'responseTokensDetails#audio',
      ) ?? 0,
  };
}

/** What one request asks for; all of it follows from its id, so that client and provider agree without speaking. */

export interface Spec {
  /** Unique in a run: `<kind>-<client>-<number>`. */
  readonly id: string;
  readonly dialect: 'openai' | 'anthropic';
  readonly isStream: boolean;
  /** The client asks an OpenAI stream for its usage by itself; otherwise Weir does and hides the answer. */
  readonly asksUsage: boolean;
  readonly words: number;
}

/** `os`: OpenAI's stream, `ou`: with usage, `oj`: JSON; `as`, `aj`: Anthropic's. */
export type Kind = 'oj' | 'os' | 'ou' | 'aj' | 'as';

const WORDS_MIN = 2;
const WORDS_RANGE = 5;

export function readSpec(id: string): Spec {
  const kind = id.slice(0, 2);
  let sum = 0;
  for (let at = 0; at < id.length; at++) sum = (sum * 31 + id.charCodeAt(at)) >>> 0;
  return {
    id,
    dialect: kind.startsWith('a') ? 'anthropic' : 'openai',
    isStream: kind.endsWith('s') || kind.endsWith('u'),
    asksUsage: kind === 'ou',
    words: WORDS_MIN + (sum % WORDS_RANGE),
  };
}

/** What the provider says it used. */
export function chooseUsage(spec: Spec): { inputTokens: number; outputTokens: number } {
  return { inputTokens: 20 + spec.words, outputTokens: spec.words };
}

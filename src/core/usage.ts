/** What an exchange has used, as the provider reports it. */

/** Whole numbers of tokens. Parts are counted in their wholes: a cached token is an input token too. */
export interface Usage {
  /** Cached, cache-write and audio tokens included. */
  inputTokens: number;
  /** Reasoning and audio tokens included. */
  outputTokens: number;
  cachedInputTokens: number;
  cacheWriteTokens: number;
  reasoningTokens: number;
  audioInputTokens: number;
  audioOutputTokens: number;
}

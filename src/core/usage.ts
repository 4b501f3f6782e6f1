/**
 * What a provider says that an exchange has used, in one meaning for all dialects.
 *
 * `inputTokens` are all tokens read: those from a cache, those written to one and those of audio are in it.
 * `outputTokens` are all tokens made: reasoning and audio are in it. The other figures are parts of these two.
 */
export interface Usage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Of the input, read from the provider's cache. */
  readonly cachedInputTokens: number;
  /** Of the input, written to the provider's cache. */
  readonly cacheWriteTokens: number;
  /** Of the output. */
  readonly reasoningTokens: number;
  /** Of the input. */
  readonly audioInputTokens: number;
  /** Of the output. */
  readonly audioOutputTokens: number;
}

/** The largest figure that is believed: 2^40. No exchange comes near it, and sums of many stay exact. */
export const USAGE_TOKENS_MAX = 2 ** 40;

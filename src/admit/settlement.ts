/**
 * What an exchange has used in the end, whichever way it ended. Where the provider says it, it is that. Where it did not
 * come to say it, the prompt counts as estimated and the answer as much as was delivered.
 */
import type { Usage } from '../core/usage.js';
import type { Exchange } from '../exchange.js';

const SUCCESS_BELOW = 300;

/** What the provider has said of an answer that came whole; null where it did not. */
export function readStated({ upstreamStatus, ended, meter }: Exchange): Usage | null {
  const isWhole = upstreamStatus < SUCCESS_BELOW && ended?.reason === 'complete';
  return isWhole && meter !== null ? meter.usage : null;
}

/** Where nothing was stated. null: nothing was used, so everything but the request itself is given back. */
export function estimateUsed(exchange: Exchange): Usage | null {
  const { upstreamStatus, model, head, meter, estimate } = exchange;
  if (upstreamStatus >= SUCCESS_BELOW || model === null || head.method !== 'POST') {
    return null;
  }
  const stated = meter?.usage ?? null;
  const inputTokens =
    stated !== null && meter?.hasInput === true ? stated.inputTokens : (estimate?.inputTokens ?? 0);
  const outputTokens = Math.max(
    stated !== null && meter?.hasOutput === true ? stated.outputTokens : 0,
    countDelivered(exchange),
  );
  return inputTokens + outputTokens > 0
    ? { ...(stated ?? NOTHING), inputTokens, outputTokens }
    : null;
}

/** Tokens of an answer whose provider did not say how many. */
function countDelivered({ meter, estimate, responseBytes, upstreamStatus }: Exchange): number {
  if (upstreamStatus === 0) {
    return 0;
  }
  if (meter !== null) {
    return meter.estimateDelivered();
  }
  // An encoded answer can't be looked into; a byte of it is not more than a token.
  return Math.min(estimate?.outputTokens ?? 0, responseBytes);
}

const NOTHING: Usage = {
  inputTokens: 0,
  outputTokens: 0,
  cachedInputTokens: 0,
  cacheWriteTokens: 0,
  reasoningTokens: 0,
  audioInputTokens: 0,
  audioOutputTokens: 0,
};

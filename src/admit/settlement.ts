/**
 * What an exchange has used in the end, whichever way it ended. Where the provider says it, it is that. Where it did not
 * come to say it, the prompt counts as estimated and the answer as much as was delivered.
 */
import type { Usage } from '../core/usage.js';
import type { Exchange } from '../exchange.js';

export interface Used {
  readonly usage: Usage;
  readonly isEstimated: boolean;
}

const SUCCESS_BELOW = 300;

/** null: nothing was used, so everything but the request itself is given back. */
export function readUsed(exchange: Exchange): Used | null {
  if (exchange.upstreamStatus >= SUCCESS_BELOW) {
    return null;
  }
  const { meter, estimate } = exchange;
  const isComplete = exchange.ended?.reason === 'complete';
  const stated = meter?.usage ?? null;
  if (stated !== null && isComplete) {
    return { usage: stated, isEstimated: false };
  }
  if (exchange.model === null || exchange.head.method !== 'POST') {
    return null;
  }
  const inputTokens =
    stated !== null && meter?.hasInput === true ? stated.inputTokens : (estimate?.inputTokens ?? 0);
  const outputTokens = Math.max(
    stated !== null && meter?.hasOutput === true ? stated.outputTokens : 0,
    countDelivered(exchange),
  );
  const usage = { ...(stated ?? NOTHING), inputTokens, outputTokens };
  return inputTokens + outputTokens > 0 ? { usage, isEstimated: true } : null;
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

/** What an exchange that is over tells of the pace of its answer; the same for /metrics and for `/api/histograms`. */
import type { Exchange } from '../exchange.js';

/** The provider answered well, and all of it was passed on. */
export function isAnsweredWhole({ ended, status }: Exchange): boolean {
  return ended?.reason === 'complete' && status !== null && status < 400;
}

/**
 * Of a whole stream after its first token, by the tokens after it, as the provider counted them.
 *
 * @returns milliseconds; -1 where it is not known: no stream, not whole, not counted, or no second token.
 */
export function timePerTokenMs(exchange: Exchange, endedMs: number): number {
  const { firstTokenMs, settled } = exchange;
  if (firstTokenMs <= 0 || settled === null || settled.isEstimated) {
    return -1;
  }
  const { outputTokens } = settled.usage;
  return outputTokens > 1 && isAnsweredWhole(exchange)
    ? (endedMs - firstTokenMs) / (outputTokens - 1)
    : -1;
}

/** Whether a request can be sent again, and may be. */
import type { Exchange } from '../exchange.js';

/**
 * Calls of a model have no effect but their cost, nor have requests that only read. What creates or deletes something,
 * such as a batch, might do so twice; it is sent again only where it was not sent.
 *
 * @param mayHaveActed the provider may have done what was asked.
 */
export function canSendAgain(exchange: Exchange, wasSent: boolean, mayHaveActed: boolean): boolean {
  const { body } = exchange;
  const hasBody = body !== null && (body.upload !== null || body.totalBytes !== 0);
  if (hasBody && body.upload !== null && wasSent) {
    return false;
  }
  if (hasBody && body.isBorrowed) {
    return false;
  }
  return !mayHaveActed || isRepeatable(exchange);
}

/** Whether it does no harm where the provider has carried it out already. */
export function isRepeatable({ head, model }: Exchange): boolean {
  const isCall = model !== null && !head.path.startsWith(JOBS_PATH);
  return isCall || head.method === 'GET' || head.method === 'HEAD';
}

/** Its jobs name a model, and each request begins one. */
const JOBS_PATH = '/v1/fine_tuning';

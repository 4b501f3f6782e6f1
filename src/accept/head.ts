/**
 * Copies a request's head out of uWebSockets.js. HttpRequest is stack memory that is gone when the handler
 * returns, so everything that any later stage may want is copied here, synchronously, and nothing else
 * ever touches it.
 */
import type { HttpRequest } from 'uWebSockets.js';
import type { RequestHead } from '../exchange.js';

const DECIMAL = /^[0-9]{1,15}$/;

/**
 * `contentLength` is -1 both where there is none and where it is malformed: checkFraming tells the two
 * apart and refuses the latter before anyone reads it.
 */
export function copyHead(request: HttpRequest, callerAddress: string): RequestHead {
  const headers: string[] = [];
  let contentLength = -1;
  let isChunked = false;
  request.forEach((name, value) => {
    headers.push(name, value);
    if (name === 'content-length') {
      contentLength = DECIMAL.test(value) ? Number(value) : -1;
    } else if (name === 'transfer-encoding') {
      isChunked = true;
    }
  });
  return {
    method: request.getCaseSensitiveMethod(),
    path: request.getUrl(),
    // Its types say otherwise, but without a query there is none.
    query: request.getQuery() ?? '',
    headers,
    contentLength,
    isChunked,
    callerAddress,
  };
}

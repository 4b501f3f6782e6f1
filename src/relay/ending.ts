/** What is asked of an exchange when it ends. */
import { BOUNDS } from '../core/bounds.js';
import type { GatewayError } from '../core/errors.js';
import type { Ended, Exchange, RequestHead } from '../exchange.js';

/**
 * A method that comes with a body, and no length of one: clients send 0. It may stand behind an empty header name, where
 * uWebSockets.js shows no header; then the body is still to come and must not be read as a request.
 */
export function hidesLength({ method, contentLength, isChunked }: RequestHead): boolean {
  return (
    contentLength < 0 && !isChunked && (method === 'POST' || method === 'PUT' || method === 'PATCH')
  );
}

/** More of the request's body is to come than is read for the sake of its connection. */
export function hasMuchUnread({ head, requestBytes }: Exchange): boolean {
  return head.isChunked || head.contentLength - requestBytes > BOUNDS.drainUnreadBytesMax;
}

/** Who ended an exchange with this error. */
export function blame(error: GatewayError): Ended['by'] {
  return error.code.startsWith('upstream_') ? 'upstream' : 'gateway';
}

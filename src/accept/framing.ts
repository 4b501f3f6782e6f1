/**
 * Refuses requests whose framing two parsers could read in two ways. uWebSockets.js's parser is lax
 * (docs/decisions/0002 lists what it lets through), so the rules of RFC 9112 section 6 are enforced here on
 * what it hands over. Serves P-01, P-02, P-06 and P-07. What is let through is framed anew towards the provider.
 */
import { BOUNDS } from '../core/bounds.js';
import { GatewayError } from '../core/errors.js';
import { findHeaderName, ILLEGAL } from '../core/header-roles.js';
import { ALLOWED_METHODS, METHODS } from '../core/methods.js';
import type { RequestHead } from '../exchange.js';
import { isHeaderValue, isHostValue, parseLength } from './header-text.js';

/** @throws GatewayError `bad_framing`, `headers_too_large` or `method_not_allowed`. */
export function checkFraming(head: RequestHead): void {
  if (!head.isSound) {
    refuseHeaders(head.headers);
  }
  if (!METHODS.has(head.method)) {
    throw new GatewayError(
      'method_not_allowed',
      `Weir forwards ${ALLOWED_METHODS}; the method of this request is another.`,
    );
  }
}

/** Looks once more through headers that describeHead() has found at fault, and says what the fault is. */
function refuseHeaders(headers: readonly string[]): never {
  let hosts = 0;
  let lengths = 0;
  let encodings = 0;
  let bytes = 0;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    const value = headers[i + 1] as string;
    bytes += name.length + value.length;
    if (findHeaderName(name, i >> 1).role === ILLEGAL) {
      throw refuse(
        `the name of header ${JSON.stringify(name.slice(0, 64))} is not a token without "_"`,
      );
    }
    if (!isHeaderValue(value)) {
      throw refuse(`the value of header "${name.slice(0, 64)}" holds bytes that are not text`);
    }
    if (name === 'host') {
      hosts += 1;
      if (!isHostValue(value)) {
        throw refuse(
          `the host header is ${value === '' ? 'empty' : 'no host with an optional port'}`,
        );
      }
    } else if (name === 'content-length') {
      lengths += 1;
      if (parseLength(value) < 0) {
        throw refuse('content-length is not a plain decimal number');
      }
    } else if (name === 'transfer-encoding') {
      encodings += 1;
      if (value.toLowerCase() !== 'chunked') {
        throw refuse('transfer-encoding is not exactly "chunked"');
      }
    }
  }
  if (headers.length / 2 > BOUNDS.headerCountMax) {
    throw new GatewayError(
      'headers_too_large',
      `The request has more than ${BOUNDS.headerCountMax} headers.`,
    );
  }
  if (bytes > BOUNDS.headerBytesMax) {
    throw new GatewayError(
      'headers_too_large',
      `The request’s headers are larger than ${BOUNDS.headerBytesMax} bytes.`,
    );
  }
  if (hosts !== 1) {
    throw refuse(hosts === 0 ? 'there is no host header' : 'there is more than one host header');
  }
  if (lengths > 1 || encodings > 1) {
    throw refuse(
      `there is more than one ${lengths > 1 ? 'content-length' : 'transfer-encoding'} header`,
    );
  }
  if (lengths > 0 && encodings > 0) {
    throw refuse('there are both content-length and transfer-encoding');
  }
  // Whatever else describeHead() may come to find: what is not sound does not pass.
  throw refuse('its headers are not sound');
}

function refuse(what: string): GatewayError {
  return new GatewayError('bad_framing', `The request was refused because ${what}.`);
}

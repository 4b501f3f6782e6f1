/**
 * Copies a request's head out of uWebSockets.js. HttpRequest is stack memory that is gone when the handler
 * returns, so everything that any later stage may want is copied here, synchronously, and nothing else
 * ever touches it.
 *
 * All that has to be known of every header is found in one pass over them, because each pass costs.
 */
import type { HttpRequest } from 'uWebSockets.js';
import { BOUNDS } from '../core/bounds.js';
import {
  ANTHROPIC_VERSION,
  CONNECTION,
  CONTENT_ENCODING,
  CONTENT_LENGTH,
  CONTENT_TYPE,
  CREDENTIAL,
  DEBUG,
  findHeaderName,
  HOST,
  ILLEGAL,
  TIMEOUT,
  TRACEPARENT,
  TRANSFER_ENCODING,
} from '../core/header-roles.js';
import type { RequestHead } from '../exchange.js';
import type { ClientAddress, ClientAddresses } from './caller-address.js';
import { isHeaderValue, isHostValue, parseLength } from './header-text.js';

/** @param addresses null where nobody asks where the request comes from; `peer` is the other end of its connection. */
export function copyHead(
  request: HttpRequest,
  addresses: ClientAddresses | null,
  peer: ClientAddress,
): RequestHead {
  const headers: string[] = [];
  collected = headers;
  request.forEach(collectHeader);
  collected = NOBODYS;
  return describeHead(
    request.getCaseSensitiveMethod(),
    request.getUrl(),
    // Its types say otherwise, but without a query there is none.
    request.getQuery() ?? '',
    headers,
    addresses === null ? peer : addresses.findClient(peer, headers),
  );
}

/** One function for all requests, which saves making one for each: uWebSockets.js calls it before forEach() returns. */
function collectHeader(name: string, value: string): void {
  collected.push(name, value);
}

const NOBODYS: string[] = [];
let collected = NOBODYS;

/** Visible ASCII, space and tab: what nearly every value is. */
const ASCII_VALUE = /^[\t\x20-\x7e]*$/;

/** @param headers name, value, name, value …, names in lower case. */
export function describeHead(
  method: string,
  path: string,
  query: string,
  headers: readonly string[],
  client: ClientAddress,
): RequestHead {
  let contentLength = -1;
  let isChunked = false;
  let contentType: string | null = null;
  let contentEncoding: string | null = null;
  let hasAnthropicVersion = false;
  let timeout: string | null = null;
  let traceparent: string | null = null;
  let debug: string | null = null;
  let namesHops = false;
  let isAscii = true;
  let isText = true;
  let isFramed = true;
  let firstCredential = -1;
  let lastCredential = -1;
  let hosts = 0;
  let lengths = 0;
  let bytes = 0;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    const value = headers[i + 1] as string;
    bytes += name.length + value.length;
    if (!ASCII_VALUE.test(value)) {
      isAscii = false;
      isText = isText && isHeaderValue(value);
    }
    switch (findHeaderName(name, i >> 1).role) {
      case ILLEGAL:
        isText = false;
        break;
      case HOST:
        hosts += 1;
        isFramed = isFramed && isHostValue(value);
        break;
      case CONNECTION:
        namesHops = namesHops || (value !== 'keep-alive' && value !== 'close');
        break;
      case CONTENT_TYPE:
        contentType ??= value;
        break;
      case CONTENT_ENCODING:
        contentEncoding ??= value;
        break;
      case CONTENT_LENGTH:
        lengths += 1;
        contentLength = parseLength(value);
        isFramed = isFramed && contentLength >= 0;
        break;
      case TRANSFER_ENCODING:
        isFramed = isFramed && !isChunked && value.toLowerCase() === 'chunked';
        isChunked = true;
        break;
      case CREDENTIAL:
        if (firstCredential < 0) firstCredential = i;
        lastCredential = i;
        break;
      case ANTHROPIC_VERSION:
        hasAnthropicVersion = true;
        break;
      case TIMEOUT:
        timeout = timeout === null ? value : `${timeout}, ${value}`;
        break;
      case TRACEPARENT:
        traceparent = traceparent === null ? value : `${traceparent}, ${value}`;
        break;
      case DEBUG:
        debug ??= value;
        break;
      default:
    }
  }
  const isOnce = hosts === 1 && lengths <= (isChunked ? 0 : 1);
  const isBounded = headers.length <= 2 * BOUNDS.headerCountMax && bytes <= BOUNDS.headerBytesMax;
  return {
    method,
    path,
    query,
    headers,
    contentLength,
    isChunked,
    contentType,
    contentEncoding,
    firstCredential,
    lastCredential,
    hasAnthropicVersion,
    timeout,
    traceparent,
    debug,
    namesHops,
    isAscii,
    isSound: isText && isFramed && isOnce && isBounded,
    callerAddress: client.caller,
    clientAddress: client.text,
  };
}

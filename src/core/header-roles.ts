/**
 * What the names of a request's headers mean to Weir. They come as new strings each time, and to look at each character
 * of each costs more than all else about a head. But clients send the same names in the same order again and again: so
 * what a name means is remembered by its position, and to compare it with the one that stood there before is all there
 * is to do. Only names are remembered, never a value.
 */
import { BOUNDS } from './bounds.js';

/** Not a name at all. */
export const ILLEGAL = 0;
/** Of no interest. */
export const ORDINARY = 1;
export const HOST = 2;
export const CONNECTION = 3;
export const CONTENT_LENGTH = 4;
export const TRANSFER_ENCODING = 5;
/**
 * Never passed on: other hop-by-hop headers (RFC 9110 section 7.6.1), `expect`, which uWebSockets.js answers, and those by
 * which callers choose where other gateways send a request to, because a provider may be such a gateway.
 */
export const HOP_BY_HOP = 6;
/** `x-weir-…` */
export const OWN = 7;
/** May carry a key. */
export const CREDENTIAL = 8;
export const CONTENT_TYPE = 9;
export const CONTENT_ENCODING = 10;
export const ACCEPT_ENCODING = 11;
export const ANTHROPIC_VERSION = 12;
/** `x-weir-timeout`; not passed on, as all of `x-weir-…`. */
export const TIMEOUT = 13;
/** Tells where the request came from, of proxies before Weir or of whoever claims to be one. */
export const FORWARDED = 14;
/** Of W3C Trace Context. */
export const TRACEPARENT = 15;
export const TRACESTATE = 16;
/** `x-weir-debug`: a token; not passed on, as all of `x-weir-…`. */
export const DEBUG = 17;

const ROLES: ReadonlyMap<string, number> = new Map([
  ['accept-encoding', ACCEPT_ENCODING],
  ['anthropic-version', ANTHROPIC_VERSION],
  ['api-key', CREDENTIAL],
  ['authorization', CREDENTIAL],
  ['connection', CONNECTION],
  ['content-encoding', CONTENT_ENCODING],
  ['content-length', CONTENT_LENGTH],
  ['content-type', CONTENT_TYPE],
  ['expect', HOP_BY_HOP],
  ['helicone-openai-api-base', HOP_BY_HOP],
  ['helicone-target-url', HOP_BY_HOP],
  ['host', HOST],
  ['http2-settings', HOP_BY_HOP],
  ['keep-alive', HOP_BY_HOP],
  ['proxy-authenticate', HOP_BY_HOP],
  ['proxy-authorization', HOP_BY_HOP],
  ['proxy-connection', HOP_BY_HOP],
  ['te', HOP_BY_HOP],
  ['trailer', HOP_BY_HOP],
  ['traceparent', TRACEPARENT],
  ['tracestate', TRACESTATE],
  ['transfer-encoding', TRANSFER_ENCODING],
  ['upgrade', HOP_BY_HOP],
  ['x-api-key', CREDENTIAL],
  ['x-portkey-custom-host', HOP_BY_HOP],
  ['x-weir-debug', DEBUG],
  ['x-weir-timeout', TIMEOUT],
  ...[
    'cf-connecting-ip',
    'cf-connecting-ipv6',
    'fastly-client-ip',
    'forwarded',
    'true-client-ip',
    'x-client-ip',
    'x-cluster-client-ip',
    'x-envoy-external-address',
    'x-forwarded',
    'x-forwarded-for',
    'x-forwarded-host',
    'x-forwarded-port',
    'x-forwarded-proto',
    'x-forwarded-server',
    'x-original-forwarded-for',
    'x-real-ip',
  ].map((name): [string, number] => [name, FORWARDED]),
]);

const OWN_PREFIX = 'x-weir-';

/**
 * A name by RFC 9110 section 5.6.2, without `_` (P-06: gateways and CGI disagree on it). uWebSockets.js gives lower case.
 * In its line's beginning, because V8 makes one text of the three pieces when it searches them.
 */
const LINE_START = /^\r\n[!#$%&'*+\-.^`|~0-9a-z]+: $/;

export interface HeaderName {
  readonly name: string;
  readonly role: number;
  /** Begins the header's line in a head, the end of the line before included: one piece of text, and not three. */
  readonly lineStart: string;
}

/** The names that were seen last, by their position in the head, and those before them: clients of two kinds take turns. */
const seen: HeaderName[] = new Array<HeaderName>(BOUNDS.headerCountMax).fill(judgeName(''));
const seenBefore = [...seen];

/**
 * @param name as uWebSockets.js gives it, in lower case.
 * @param position of the header in its head; it decides how fast the answer is, and not which.
 */
export function findHeaderName(name: string, position: number): HeaderName {
  const last = position < seen.length ? (seen[position] as HeaderName) : null;
  return last !== null && last.name === name ? last : learnName(name, position);
}

function learnName(name: string, position: number): HeaderName {
  const older = position < seen.length ? (seenBefore[position] as HeaderName) : null;
  const learned = older !== null && older.name === name ? older : judgeName(name);
  if (position < seen.length && name.length <= BOUNDS.rememberedNameBytesMax) {
    seenBefore[position] = seen[position] as HeaderName;
    seen[position] = learned;
  }
  return learned;
}

function judgeName(name: string): HeaderName {
  const lineStart = `\r\n${name}: `;
  const role = LINE_START.test(lineStart) ? findRole(name) : ILLEGAL;
  return { name, role, lineStart };
}

function findRole(name: string): number {
  return ROLES.get(name) ?? (name.startsWith(OWN_PREFIX) ? OWN : ORDINARY);
}

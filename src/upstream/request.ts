/**
 * Writes the request for a provider: its path, the headers that may pass, its credential, and the body, patched in
 * place where the model has another name there. What is not written here does not leave the house.
 */
import type { ProviderConfig } from '../config/model.js';
import type { Exchange, RequestHead } from '../exchange.js';
import type { RequestBody } from '../inspect/body.js';
import type { BodyEdit } from '../inspect/usage-request.js';
import { countBytes, type UpstreamRequest } from './engine.js';

/** Of one provider, worked out once. */
export interface RequestTemplate {
  /** What takes the place of `/v1` in a request's path. */
  readonly basePath: string;
  /** Name and value of the provider's credential; null passes the caller's on. */
  readonly credential: readonly [name: string, value: string] | null;
}

export interface BodyPatches {
  encodeJsonString(value: string): Buffer;
}

export function createTemplate(
  config: ProviderConfig,
  credential: readonly [string, string] | null,
): RequestTemplate {
  const { pathname } = new URL(config.baseUrl);
  return { basePath: pathname === '/' ? '' : pathname.replace(/\/$/, ''), credential };
}

/** @param model the name that the provider knows; null leaves the client's. */
export function writeRequest(
  exchange: Exchange,
  template: RequestTemplate,
  model: string | null,
  patches: BodyPatches,
): UpstreamRequest {
  const { head, body, identity } = exchange;
  const path = template.basePath + head.path.slice(API_PREFIX.length);
  const headers = writeHeaders(head, template.credential, identity?.keyHeaders ?? NO_NAMES);
  if (exchange.asksUsage) {
    askUnencoded(headers);
  }
  const target = head.query === '' ? path : `${path}?${head.query}`;
  if (body === null || (body.totalBytes === 0 && body.upload === null)) {
    return { method: head.method, target, headers, pieces: NO_PIECES, upload: null, bodyBytes: 0 };
  }
  const isRenamed = model !== null && exchange.model !== null && model !== exchange.model;
  const rename = isRenamed ? renameModel(body, model, patches) : null;
  const pieces = patchBody(body.bytes, rename, exchange.usageEdit);
  return {
    method: head.method,
    target,
    headers,
    pieces,
    upload: body.upload,
    bodyBytes: body.totalBytes < 0 ? -1 : body.totalBytes + countBytes(pieces) - body.bytes.length,
  };
}

const API_PREFIX = '/v1';
const NO_NAMES: readonly string[] = [];
const NO_PIECES: readonly Uint8Array[] = [];

/**
 * Hop-by-hop headers (RFC 9110 section 7.6.1), those that the engine writes itself, and `expect`, which
 * uWebSockets.js has answered already.
 */
const NOT_FORWARDED: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

const CREDENTIALS: ReadonlySet<string> = new Set(['authorization', 'x-api-key', 'api-key']);
const OWN_PREFIX = 'x-weir-';

function writeHeaders(
  head: RequestHead,
  credential: readonly [string, string] | null,
  keyHeaders: readonly string[],
): string[] {
  const named = namedByConnection(head.headers);
  const headers: string[] = [];
  for (let i = 0; i < head.headers.length; i += 2) {
    const name = head.headers[i] as string;
    const value = head.headers[i + 1] as string;
    if (NOT_FORWARDED.has(name) || name.startsWith(OWN_PREFIX)) {
      continue;
    }
    if (CREDENTIALS.has(name) && (credential !== null || keyHeaders.includes(name))) {
      continue;
    }
    if (named?.has(name)) {
      continue;
    }
    headers.push(name, BEYOND_ASCII.test(value) ? toWireBytes(value) : value);
  }
  // Last, so that nothing that the caller sends, `connection: authorization` included, takes it away (P-04).
  if (credential !== null) {
    headers.push(credential[0], credential[1]);
  }
  return headers;
}

/** What was used stands in the answer, and must be read there. */
function askUnencoded(headers: string[]): void {
  let isSaid = false;
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] === ACCEPT_ENCODING) {
      headers[i + 1] = 'identity';
      isSaid = true;
    }
  }
  if (!isSaid) {
    headers.push(ACCEPT_ENCODING, 'identity');
  }
}

const ACCEPT_ENCODING = 'accept-encoding';

/** The names that a `connection` header makes hop-by-hop; null in the usual case that it names none. */
function namedByConnection(headers: readonly string[]): ReadonlySet<string> | null {
  let named: Set<string> | null = null;
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== 'connection') {
      continue;
    }
    const value = (headers[i + 1] as string).toLowerCase();
    if (value !== 'keep-alive' && value !== 'close') {
      named ??= new Set();
      for (const name of value.split(',')) {
        named.add(name.trim());
      }
    }
  }
  return named;
}

const BEYOND_ASCII = /[\u0080-\uffff]/;

/** uWebSockets.js decodes header values as UTF-8 and undici writes them as Latin-1; this keeps the bytes. */
function toWireBytes(value: string): string {
  return Buffer.from(value, 'utf8').toString('latin1');
}

/** The name that the provider knows in place of the client's. */
function renameModel(body: RequestBody, model: string, patches: BodyPatches): BodyEdit | null {
  const { modelRange } = body;
  if (modelRange === null) {
    return null;
  }
  const insert = body.isModelJson ? patches.encodeJsonString(model) : Buffer.from(model, 'utf8');
  return { start: modelRange.start, end: modelRange.end, insert };
}

/** The body in pieces around what is put in its place. Nothing is copied. */
function patchBody(bytes: Uint8Array, one: BodyEdit | null, other: BodyEdit | null): Uint8Array[] {
  if (one === null && other === null) {
    return [bytes];
  }
  const isInOrder = one !== null && (other === null || one.start < other.start);
  const pieces: Uint8Array[] = [];
  let from = 0;
  for (const edit of isInOrder ? [one, other] : [other, one]) {
    if (edit !== null) {
      pieces.push(bytes.subarray(from, edit.start), edit.insert);
      from = edit.end;
    }
  }
  pieces.push(bytes.subarray(from));
  return pieces;
}

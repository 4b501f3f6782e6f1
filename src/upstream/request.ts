/**
 * Writes the request for a provider: its path, the headers that may pass, its credential, and the body, patched in
 * place where the model has another name there. What is not written here does not leave the house.
 */
import type { ProviderConfig } from '../config/model.js';
import type { Exchange, RequestHead } from '../exchange.js';
import type { RequestBody } from '../inspect/body.js';
import type { BodyEdit } from '../inspect/usage-request.js';
import { countBytes, type UpstreamRequest } from './engine.js';
import { addHeaderLine } from './request-head.js';

/** Of one provider, worked out once. */
export interface RequestTemplate {
  /** What takes the place of `/v1` in a request's path. */
  readonly basePath: string;
  /** The header line of the provider's credential, with its CR LF; empty passes the caller's on. */
  readonly credentialLine: string;
}

export interface BodyPatches {
  encodeJsonString(value: string): Buffer;
}

export function createTemplate(
  config: ProviderConfig,
  credential: readonly [name: string, value: string] | null,
): RequestTemplate {
  const { pathname } = new URL(config.baseUrl);
  return {
    basePath: pathname === '/' ? '' : pathname.replace(/\/$/, ''),
    credentialLine: credential === null ? '' : `${credential[0]}: ${credential[1]}\r\n`,
  };
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
  const headerLines = writeHeaders(
    head,
    template.credentialLine,
    identity?.keyHeaders ?? NO_NAMES,
    exchange.asksUsage,
  );
  const target = head.query === '' ? path : `${path}?${head.query}`;
  if (body === null || (body.totalBytes === 0 && body.upload === null)) {
    return {
      method: head.method,
      target,
      headerLines,
      pieces: NO_PIECES,
      upload: null,
      bodyBytes: 0,
    };
  }
  const isRenamed = model !== null && exchange.model !== null && model !== exchange.model;
  const rename = isRenamed ? renameModel(body, model, patches) : null;
  const pieces = patchBody(body.bytes, rename, exchange.usageEdit);
  return {
    method: head.method,
    target,
    headerLines,
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
 * uWebSockets.js has answered already. Told by their length first: a set would need the hash of every name.
 */
function isHopByHop(name: string): boolean {
  switch (name.length) {
    case 2:
      return name === 'te';
    case 4:
      return name === 'host';
    case 6:
      return name === 'expect';
    case 7:
      return name === 'trailer' || name === 'upgrade';
    case 10:
      return name === 'connection' || name === 'keep-alive';
    case 14:
      return name === 'content-length' || name === 'http2-settings';
    case 16:
      return name === 'proxy-connection';
    case 17:
      return name === 'transfer-encoding';
    case 18:
      return name === 'proxy-authenticate';
    case 19:
      return name === 'proxy-authorization';
    default:
      return false;
  }
}

function isCredential(name: string): boolean {
  switch (name.length) {
    case 7:
      return name === 'api-key';
    case 9:
      return name === 'x-api-key';
    case 13:
      return name === 'authorization';
    default:
      return false;
  }
}

const OWN_PREFIX = 'x-weir-';
const OWN_PREFIX_FIRST = 0x78;
const ACCEPT_ENCODING = 'accept-encoding';
/** What was used stands in the answer, and must be read there. */
const UNENCODED = 'identity';

/** @param asksUnencoded the provider shall not compress its answer. */
function writeHeaders(
  head: RequestHead,
  credentialLine: string,
  keyHeaders: readonly string[],
  asksUnencoded: boolean,
): string {
  const { headers, isAscii } = head;
  const named = head.namesHops ? namedByConnection(headers) : null;
  let lines = '';
  let isEncodingSaid = false;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    if (
      isHopByHop(name) ||
      (name.charCodeAt(0) === OWN_PREFIX_FIRST && name.startsWith(OWN_PREFIX)) ||
      (isCredential(name) && (credentialLine !== '' || keyHeaders.includes(name))) ||
      named?.has(name)
    ) {
      continue;
    }
    let value = headers[i + 1] as string;
    if (asksUnencoded && name === ACCEPT_ENCODING) {
      value = UNENCODED;
      isEncodingSaid = true;
    }
    lines = addHeaderLine(lines, name, isAscii ? value : toWireBytes(value));
  }
  // Last, so that nothing that the caller sends, `connection: authorization` included, takes it away (P-04).
  lines += credentialLine;
  return asksUnencoded && !isEncodingSaid ? `${lines}${ACCEPT_ENCODING}: ${UNENCODED}\r\n` : lines;
}

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

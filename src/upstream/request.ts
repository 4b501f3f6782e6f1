/**
 * Writes the request for a provider: its path, the headers that may pass, its credential, and the body, patched in
 * place where the model has another name there. What is not written here does not leave the house.
 */
import type { ProviderConfig } from '../config/model.js';
import {
  ACCEPT_ENCODING,
  CONNECTION,
  CONTENT_LENGTH,
  CREDENTIAL,
  DEBUG,
  FORWARDED,
  findHeaderName,
  HOP_BY_HOP,
  HOST,
  OWN,
  TIMEOUT,
  TRACEPARENT,
  TRACESTATE,
  TRANSFER_ENCODING,
} from '../core/header-roles.js';
import type { Exchange, RequestHead } from '../exchange.js';
import type { RequestBody } from '../inspect/body.js';
import type { BodyEdit } from '../inspect/usage-request.js';
import { countBytes, type UpstreamRequest } from './engine.js';
import { isRepeatable } from './repeatable.js';

/** Of one provider, worked out once. */
export interface RequestTemplate {
  /** What takes the place of `/v1` in a request's path. */
  readonly basePath: string;
  /** The header line of the provider's credential, after a CR LF; empty passes the caller's on. */
  readonly credentialLine: string;
  /** The provider is told the client’s address. */
  readonly tellsClient: boolean;
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
    credentialLine: credential === null ? '' : `\r\n${credential[0]}: ${credential[1]}`,
    tellsClient: config.tellsClient,
  };
}

/**
 * @param model the name that the provider knows; null leaves the client's.
 */
export function writeRequest(
  exchange: Exchange,
  template: RequestTemplate,
  model: string | null,
  patches: BodyPatches,
): UpstreamRequest {
  const { head, body, identity } = exchange;
  const { basePath } = template;
  const path = basePath === API_PREFIX ? head.path : basePath + head.path.slice(API_PREFIX.length);
  const headerLines = writeHeaders(
    head,
    template,
    identity?.keyHeaders ?? NO_NAMES,
    exchange.asksUsage,
    exchange.trace,
  );
  const target = head.query === '' ? path : `${path}?${head.query}`;
  if (body === null || (body.totalBytes === 0 && body.upload === null)) {
    return {
      method: head.method,
      target,
      headerLines,
      pieces: NO_PIECES,
      isLent: false,
      place: null,
      upload: null,
      isRepeatable: isRepeatable(exchange),
      bodyBytes: 0,
    };
  }
  exchange.trace?.keepRequest(body);
  const isRenamed = model !== null && exchange.model !== null && model !== exchange.model;
  const rename = isRenamed ? renameModel(body, model, patches) : null;
  const pieces = patchBody(body.bytes, rename, exchange.usageEdit);
  return {
    method: head.method,
    target,
    headerLines,
    pieces,
    isLent: body.isBorrowed,
    place: pieces.length === 1 ? body.place : null,
    upload: body.upload,
    isRepeatable: isRepeatable(exchange),
    bodyBytes: body.totalBytes < 0 ? -1 : body.totalBytes + countBytes(pieces) - body.bytes.length,
  };
}

const API_PREFIX = '/v1';
const NO_NAMES: readonly string[] = [];
const NO_PIECES: readonly Uint8Array[] = [];

/** What was used stands in the answer, and must be read there. */
const UNENCODED = 'identity';

/**
 * @param asksUnencoded the provider shall not compress its answer.
 * @param trace null: what the caller sends of a trace is passed on as it is.
 */
function writeHeaders(
  head: RequestHead,
  { credentialLine, tellsClient }: RequestTemplate,
  keyHeaders: readonly string[],
  asksUnencoded: boolean,
  trace: Exchange['trace'],
): string {
  const { headers, isAscii } = head;
  const named = head.namesHops ? namedByConnection(headers) : null;
  let lines = '';
  let isEncodingSaid = false;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    if (named?.has(name)) {
      continue;
    }
    let value = headers[i + 1] as string;
    const { role, lineStart } = findHeaderName(name, i >> 1);
    switch (role) {
      // The engine writes these four itself.
      case HOST:
      case CONNECTION:
      case CONTENT_LENGTH:
      case TRANSFER_ENCODING:
      case HOP_BY_HOP:
      case OWN:
      case TIMEOUT:
      case DEBUG:
      // Where a client sits is no provider’s business, and what a stranger writes there no one’s.
      case FORWARDED:
        continue;
      case CREDENTIAL:
        if (credentialLine !== '' || keyHeaders.includes(name)) {
          continue;
        }
        break;
      case ACCEPT_ENCODING:
        if (asksUnencoded) {
          value = UNENCODED;
          isEncodingSaid = true;
        }
        break;
      case TRACEPARENT:
        // The attempt is the parent of what the provider does.
        if (trace !== null) continue;
        break;
      case TRACESTATE:
        if (trace !== null && !trace.isContinued) continue;
        break;
      default:
    }
    // Piece by piece to the whole, because V8 would copy a line that is put together first.
    lines = `${lines}${lineStart}${isAscii ? value : toWireBytes(value)}`;
  }
  // Last, so that nothing that the caller sends, `connection: authorization` included, takes it away (P-04).
  lines += credentialLine;
  if (trace !== null) {
    lines += trace.formatLine();
  }
  if (tellsClient && head.clientAddress !== '') {
    lines += `\r\nx-forwarded-for: ${head.clientAddress}`;
  }
  return asksUnencoded && !isEncodingSaid ? `${lines}\r\naccept-encoding: ${UNENCODED}` : lines;
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

/** Writes HTTP messages down byte by byte (latin-1), for clients and for the scripted upstream. */
import type { HeaderPair } from './strict-http.js';

export interface RequestText {
  readonly method?: string;
  readonly target?: string;
  readonly version?: string;
  /** `host` is added in front unless `withHost` is false. */
  readonly headers?: readonly HeaderPair[];
  readonly withHost?: boolean;
  /** Adds content-length unless `framing` says otherwise. */
  readonly body?: string | Buffer;
  readonly framing?: 'length' | 'chunked' | 'as-written';
}

export function renderRequest(request: RequestText = {}): Buffer {
  const body = toBuffer(request.body ?? '');
  const framing = request.framing ?? 'length';
  const headers: HeaderPair[] = [];
  if (request.withHost !== false) headers.push(['host', 'weir.test']);
  headers.push(...(request.headers ?? []));
  if (framing === 'chunked') headers.push(['transfer-encoding', 'chunked']);
  if (framing === 'length' && body.length > 0) headers.push(['content-length', `${body.length}`]);
  const method = request.method ?? (body.length > 0 ? 'POST' : 'GET');
  const line = `${method} ${request.target ?? '/v1/models-of-upstream'} ${request.version ?? 'HTTP/1.1'}`;
  return Buffer.concat([
    renderHead(line, headers),
    framing === 'chunked' ? renderChunks([body]) : body,
  ]);
}

export interface ResponseText {
  readonly status?: number;
  readonly reason?: string;
  readonly headers?: readonly HeaderPair[];
  readonly body?: string | Buffer;
  readonly framing?: 'length' | 'chunked' | 'as-written';
}

export function renderResponse(response: ResponseText = {}): Buffer {
  const body = toBuffer(response.body ?? '');
  const framing = response.framing ?? 'length';
  const headers: HeaderPair[] = [...(response.headers ?? [])];
  if (framing === 'chunked') headers.push(['transfer-encoding', 'chunked']);
  if (framing === 'length') headers.push(['content-length', `${body.length}`]);
  const head = renderHead(`HTTP/1.1 ${response.status ?? 200} ${response.reason ?? 'OK'}`, headers);
  return Buffer.concat([head, framing === 'chunked' ? renderChunks([body]) : body]);
}

export function renderJson(value: unknown, response: ResponseText = {}): Buffer {
  return renderResponse({
    ...response,
    headers: [['content-type', 'application/json'], ...(response.headers ?? [])],
    body: JSON.stringify(value),
  });
}

export function renderHead(startLine: string, headers: readonly HeaderPair[]): Buffer {
  const fields = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return Buffer.from(`${startLine}\r\n${fields}\r\n`, 'latin1');
}

export function renderChunk(bytes: string | Buffer): Buffer {
  const body = toBuffer(bytes);
  return Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n')]);
}

export const LAST_CHUNK = Buffer.from('0\r\n\r\n');

/** Non-empty pieces as chunks, and the last chunk. */
export function renderChunks(pieces: readonly Buffer[]): Buffer {
  const chunks = pieces.filter((piece) => piece.length > 0).map(renderChunk);
  return Buffer.concat([...chunks, LAST_CHUNK]);
}

function toBuffer(bytes: string | Buffer): Buffer {
  return typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
}

/**
 * A simulated target in a process of its own, so that it can be killed and frozen, and shares no loop with clients: it
 * answers each request from what the request says, or fails in the way that it was told to. Argument: its port, or 0.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { renderAnswer, renderError } from './answers.js';
import { readSpec, type Spec } from './spec.js';
import type { Order, Report, Way } from './ways.js';

/** What a model takes until its first byte, and between two events. */
const HEAD_MS = 10;
const EVENT_MS = 3;

interface Ask {
  readonly messages: readonly { readonly content: string }[];
  readonly stream_options?: { readonly include_usage?: boolean };
}

let way: Way = 'well';
let requests = 0;
let port = Number(process.argv[2] ?? 0);

const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  requests += 1;
  const pieces: Buffer[] = [];
  request.on('data', (piece: Buffer) => pieces.push(piece));
  request.on('error', () => {});
  response.on('error', () => {});
  request.on('end', () => {
    const ask = JSON.parse(Buffer.concat(pieces).toString()) as Ask;
    answer(request, response, ask);
  });
});
server.on('clientError', (_error, socket) => socket.destroy());

function answer(request: IncomingMessage, response: ServerResponse, ask: Ask): void {
  const spec = readSpec(ask.messages[0]?.content ?? '');
  const hasUsage = ask.stream_options?.include_usage === true;
  switch (way) {
    case 'stall':
      return;
    case 'refuse':
    case 'reset':
      request.socket.resetAndDestroy();
      return;
    case 'garbage':
      request.socket.end('\u0000\u0016 this is no HTTP\r\nneither: is this\r\n\r\n');
      return;
    case 'throttle':
      fail(response, spec, 429, 'rate_limit_error');
      return;
    case 'unavailable':
      fail(response, spec, 503, 'overloaded_error');
      return;
    default:
      setTimeout(() => begin(response, spec, hasUsage), HEAD_MS);
  }
}

function fail(response: ServerResponse, { dialect }: Spec, status: number, type: string): void {
  const again = status === 429 ? { 'retry-after': '1' } : {};
  response.writeHead(status, { 'content-type': 'application/json', ...again });
  response.end(renderError(dialect, type, 'not now'));
}

function begin(response: ServerResponse, spec: Spec, hasUsage: boolean): void {
  const { contentType, pieces } = renderAnswer(spec, hasUsage);
  const isBreaking = way === 'stall-within' || way === 'cut-within';
  if (spec.isStream) {
    response.writeHead(200, { 'content-type': contentType });
    const last = isBreaking ? Math.ceil(pieces.length / 2) : pieces.length;
    stream(response, pieces, 0, last);
    return;
  }
  const body = pieces.join('');
  response.writeHead(200, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(body),
  });
  if (!isBreaking) {
    response.end(body);
    return;
  }
  response.write(body.slice(0, body.length / 2));
  endWithin(response);
}

function stream(response: ServerResponse, pieces: readonly string[], at: number, last: number) {
  if (at === last) {
    if (last === pieces.length) response.end();
    else endWithin(response);
    return;
  }
  response.write(pieces[at]);
  setTimeout(stream, EVENT_MS, response, pieces, at + 1, last);
}

function endWithin(response: ServerResponse): void {
  if (way !== 'stall-within') setTimeout(() => response.socket?.resetAndDestroy(), EVENT_MS);
}

function tell(report: Report): void {
  process.send?.(report);
}

function listen(tellIt: () => void): void {
  server.listen({ port, host: '127.0.0.1', backlog: 4096 }, () => {
    port = (server.address() as AddressInfo).port;
    tellIt();
  });
}

function play(next: Way): void {
  const wasRefusing = way === 'refuse';
  way = next;
  const done = (): void => tell({ kind: 'played', way });
  if (next === 'refuse' && !wasRefusing) {
    server.close(done);
    server.closeAllConnections();
  } else if (next !== 'refuse' && wasRefusing) {
    listen(done);
  } else {
    done();
  }
}

process.on('message', (order: Order) => {
  if (order.kind === 'play') play(order.way);
  else tell({ kind: 'counted', number: order.number, requests });
});
process.on('disconnect', () => process.exit(0));
listen(() => tell({ kind: 'listening', port }));

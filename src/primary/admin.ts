/**
 * The admin port: health, readiness, metrics. A server of its own on an address of its own, in the
 * primary thread, so nothing of it can be reached through the public port and a scrape takes no time
 * from a worker.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { ListenAddress } from '../config/model.js';
import { BOUNDS } from '../core/bounds.js';
import { METRICS_CONTENT_TYPE } from '../observe/metrics.js';
import { describeListenError } from './endpoint.js';

export interface Readiness {
  readonly ready: boolean;
  /** Why not; in the answer of /readyz. */
  readonly reason: string;
}

export interface AdminServerOptions {
  readonly address: ListenAddress;
  readonly isReady: () => Readiness;
  readonly renderMetrics: () => Promise<string>;
}

export interface AdminServer {
  /** Resolves with the address in use, whose port the system may have chosen. */
  listen(): Promise<ListenAddress>;
  /** null while it does not listen. */
  address(): ListenAddress | null;
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

type Handle = () => Answer | Promise<Answer>;

const METHODS = ['GET', 'HEAD'];

/** How long close() lets a request that is being answered run on. */
const CLOSE_GRACE_MS = 500;

export function createAdminServer(options: AdminServerOptions): AdminServer {
  const handlers = new Map<string, Handle>([
    ['/healthz', () => answerJson(200, { status: 'ok' })],
    ['/readyz', () => answerReadiness(options.isReady())],
    [
      '/metrics',
      async () => ({ status: 200, contentType: METRICS_CONTENT_TYPE, body: await renderOnce() }),
    ],
  ]);

  // Scrapes that come together share one rendering, so that many scrapers cost no more than one.
  let rendering: Promise<string> | null = null;
  const renderOnce = (): Promise<string> => {
    rendering ??= options.renderMetrics().finally(() => {
      rendering = null;
    });
    return rendering;
  };

  const server = createServer(
    {
      maxHeaderSize: BOUNDS.adminRequestBytesMax,
      headersTimeout: BOUNDS.adminRequestMs,
      requestTimeout: BOUNDS.adminRequestMs,
      keepAliveTimeout: BOUNDS.adminRequestMs,
      connectionsCheckingInterval: 1_000,
    },
    (request, response) => {
      if (!dropBody(request, response)) return;
      handleRequest(handlers, request).then(
        (answer) => sendAnswer(request, response, answer),
        () => sendAnswer(request, response, answerJson(500, { error: 'internal_error' })),
      );
    },
  );

  return {
    listen: () => listenAt(server, options.address),
    address: () => readAddress(server),
    close: () => closeServer(server),
  };
}

async function handleRequest(
  handlers: ReadonlyMap<string, Handle>,
  request: IncomingMessage,
): Promise<Answer> {
  const [path = '/'] = (request.url ?? '/').split('?', 1);
  const handle = handlers.get(path);
  if (handle === undefined)
    return answerJson(404, { error: 'not_found', paths: [...handlers.keys()] });
  if (!METHODS.includes(request.method ?? ''))
    return answerJson(405, { error: 'method_not_allowed' });
  return handle();
}

function answerReadiness({ ready, reason }: Readiness): Answer {
  return ready
    ? answerJson(200, { status: 'ready' })
    : answerJson(503, { status: 'not_ready', reason });
}

function answerJson(status: number, value: unknown): Answer {
  return {
    status,
    contentType: 'application/json; charset=utf-8',
    body: `${JSON.stringify(value)}\n`,
  };
}

function sendAnswer(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  if (response.headersSent || response.destroyed) return;
  response.statusCode = answer.status;
  response.setHeader('content-type', answer.contentType);
  response.setHeader('content-length', Buffer.byteLength(answer.body));
  response.setHeader('cache-control', 'no-store');
  response.setHeader('x-content-type-options', 'nosniff');
  if (answer.status === 405) response.setHeader('allow', METHODS.join(', '));
  response.end(request.method === 'HEAD' ? undefined : answer.body);
}

/** No path takes a body. One is read and forgotten up to the bound; beyond it the connection closes. */
function dropBody(request: IncomingMessage, response: ServerResponse): boolean {
  const refuse = (): void => {
    response.setHeader('connection', 'close');
    sendAnswer(request, response, answerJson(413, { error: 'body_too_large' }));
  };
  if (Number(request.headers['content-length'] ?? 0) > BOUNDS.adminRequestBytesMax) {
    refuse();
    return false;
  }
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.byteLength;
    if (bytes > BOUNDS.adminRequestBytesMax) request.destroy();
  });
  return true;
}

function listenAt(server: Server, address: ListenAddress): Promise<ListenAddress> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => {
      reject(describeListenError('admin', address, error) ?? error);
    };
    server.once('error', onError);
    server.listen({ host: address.host, port: address.port }, () => {
      server.off('error', onError);
      // Later errors are those of accepting (too many open files); the next accept may well succeed.
      server.on('error', () => {});
      resolve(readAddress(server) ?? address);
    });
  });
}

function readAddress(server: Server): ListenAddress | null {
  const address = server.address();
  return address === null || typeof address === 'string'
    ? null
    : { host: address.address, port: address.port };
}

function closeServer(server: Server): Promise<void> {
  if (!server.listening) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}

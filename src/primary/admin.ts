/**
 * The admin port: health, readiness, metrics. A server of its own on an address of its own, in the
 * primary thread, so nothing of it can be reached through the public port and a scrape takes no time
 * from a worker.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { ListenAddress } from '../config/model.js';
import { BOUNDS } from '../core/bounds.js';
import { METRICS_CONTENT_TYPE } from '../observe/metrics.js';
import { AdminGuard, type AdminRefusal } from './admin-guard.js';
import { PAGE_POLICY, type StaticFile } from './dashboard-files.js';
import { describeListenError } from './endpoint.js';

export interface Readiness {
  readonly ready: boolean;
  /** Why not; in the answer of /readyz. */
  readonly reason: string;
  /** Where fewer workers serve than are configured: how many. */
  readonly workers?: { readonly serving: number; readonly configured: number };
}

/** What an operator asked of a path under /api; `body` is the JSON that came along, undefined without one. */
export interface ApiRequest {
  readonly query: URLSearchParams;
  readonly body: unknown;
}

export type ApiAnswer =
  /** Answered as JSON. */
  | { readonly status: number; readonly value: unknown }
  | { readonly status: number; readonly contentType: string; readonly body: string };

/** One path under /api. */
export interface ApiRoute {
  readonly path: string;
  readonly method: 'GET' | 'POST';
  readonly answer: (request: ApiRequest) => ApiAnswer | Promise<ApiAnswer>;
}

/** One path whose answer does not end by itself. */
export interface StreamRoute {
  readonly path: string;
  /** Answers; false, and nothing was written, where as many are open as may be. */
  readonly open: (response: ServerResponse) => boolean;
}

export interface AdminServerOptions {
  readonly address: ListenAddress;
  /** What requests must carry; null: none, because only this machine reaches the address. */
  readonly token?: string | null;
  readonly isReady: () => Readiness;
  readonly renderMetrics: () => Promise<string>;
  readonly api: readonly ApiRoute[];
  readonly streams?: readonly StreamRoute[];
  /** By path. */
  readonly files?: ReadonlyMap<string, StaticFile>;
}

export interface AdminServer {
  /** A connection that the supervisor accepted; then there is no need to listen. */
  take(socket: Socket): void;
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
  /** The methods, where another one was used. */
  readonly allow?: string;
  /** How to be let in, where that is missing. */
  readonly challenge?: string;
}

interface Route {
  readonly methods: readonly string[];
  readonly handle: (request: IncomingMessage, body: Buffer) => Answer | Promise<Answer>;
}

const READING = ['GET', 'HEAD'];

/** How long close() lets a request that is being answered run on. */
const CLOSE_GRACE_MS = 500;

export function createAdminServer(options: AdminServerOptions): AdminServer {
  const guard = new AdminGuard(options.token ?? null);
  const routes = new Map<string, Route>([
    ['/healthz', reading(() => answerJson(200, { status: 'ok' }))],
    [
      '/readyz',
      reading(({ headers }) => {
        const readiness = options.isReady();
        const { ready } = readiness;
        return answerReadiness(guard.isTrusted(headers) ? readiness : { ready, reason: '' });
      }),
    ],
    [
      '/metrics',
      reading(async () => ({
        status: 200,
        contentType: METRICS_CONTENT_TYPE,
        body: await renderOnce(),
      })),
    ],
    ...options.api.map((route): [string, Route] => [route.path, createApiRoute(route)]),
    ...Array.from(options.files ?? [], ([path, file]): [string, Route] => [
      path,
      reading(() => ({ status: 200, ...file })),
    ]),
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
      takeBody(request, response, (body) => {
        const isReading = READING.includes(request.method ?? '');
        const refusal = guard.judge(pathOf(request), isReading, request.headers);
        const isFile = options.files?.has(pathOf(request)) === true;
        // The page tells nothing by itself, and asks for the token; before anything else is said the guard is asked.
        if (refusal !== null && !isFile) {
          sendAnswer(request, response, answerRefusal(refusal));
          return;
        }
        const stream = options.streams?.find(({ path }) => path === pathOf(request));
        if (stream !== undefined && request.method === 'GET') {
          if (!stream.open(response))
            sendAnswer(request, response, answerJson(503, { error: 'busy' }));
          return;
        }
        handleRequest(routes, request, body).then(
          (answer) => sendAnswer(request, response, answer),
          () => sendAnswer(request, response, answerJson(500, { error: 'internal_error' })),
        );
      });
    },
  );

  const taken = new Set<Socket>();
  const take = (socket: Socket): void => {
    // Node begins to watch for slow and idle connections when a server listens, which this one does not.
    if (!server.listening && taken.size === 0) server.emit('listening');
    taken.add(socket);
    socket.on('close', () => taken.delete(socket));
    server.emit('connection', socket);
    socket.resume();
  };

  return {
    take,
    listen: () => listenAt(server, options.address),
    address: () => readAddress(server),
    close: () => closeServer(server, taken),
  };
}

function reading(handle: Route['handle']): Route {
  return { methods: READING, handle };
}

function createApiRoute({ method, answer }: ApiRoute): Route {
  return {
    methods: method === 'GET' ? READING : [method],
    handle: async (request, body) => {
      // A page in an operator's browser can send a form anywhere, but JSON only where it is let.
      const isJson = /^application\/json\b/i.test(request.headers['content-type'] ?? '');
      if (method === 'POST' && !isJson) {
        return answerJson(415, { error: 'unsupported_media_type', expected: 'application/json' });
      }
      let value: unknown;
      if (body.length > 0) {
        try {
          value = JSON.parse(body.toString('utf8'));
        } catch {
          return answerJson(400, { error: 'bad_body', expected: 'JSON' });
        }
      }
      const query = new URLSearchParams((request.url ?? '').split('?')[1] ?? '');
      const result = await answer({ query, body: value });
      return 'body' in result ? result : answerJson(result.status, result.value);
    },
  };
}

function pathOf({ url = '/' }: IncomingMessage): string {
  return url.split('?', 1)[0] ?? '/';
}

function answerRefusal({ status, error }: AdminRefusal): Answer {
  const answer = answerJson(status, { error });
  return status === 401 ? { ...answer, challenge: 'Bearer realm="weir"' } : answer;
}

async function handleRequest(
  routes: ReadonlyMap<string, Route>,
  request: IncomingMessage,
  body: Buffer,
): Promise<Answer> {
  const route = routes.get(pathOf(request));
  if (route === undefined) {
    return answerJson(404, { error: 'not_found', paths: [...routes.keys()] });
  }
  if (!route.methods.includes(request.method ?? '')) {
    const refused = answerJson(405, { error: 'method_not_allowed' });
    return { ...refused, allow: route.methods.join(', ') };
  }
  return route.handle(request, body);
}

function answerReadiness({ ready, reason, workers }: Readiness): Answer {
  return ready
    ? answerJson(200, { status: 'ready', workers })
    : answerJson(503, { status: 'not_ready', ...(reason === '' ? {} : { reason }), workers });
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
  if (answer.contentType.startsWith('text/html')) {
    response.setHeader('content-security-policy', PAGE_POLICY);
  }
  if (answer.allow !== undefined) response.setHeader('allow', answer.allow);
  if (answer.challenge !== undefined) response.setHeader('www-authenticate', answer.challenge);
  response.end(request.method === 'HEAD' ? undefined : answer.body);
}

/** Hands the whole body over, up to the bound; beyond it the connection closes. */
function takeBody(
  request: IncomingMessage,
  response: ServerResponse,
  onBody: (body: Buffer) => void,
): void {
  const pieces: Buffer[] = [];
  let bytes = Number(request.headers['content-length'] ?? 0);
  let isRefused = false;
  const refuseAbove = (bytesMax: number): void => {
    if (bytes > bytesMax && !isRefused) {
      isRefused = true;
      response.setHeader('connection', 'close');
      sendAnswer(request, response, answerJson(413, { error: 'body_too_large' }));
    }
  };
  refuseAbove(BOUNDS.adminRequestBytesMax);
  bytes = 0;
  // What comes after a refusal is read and forgotten for a while: closing on unread bytes resets, and loses the answer.
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.byteLength;
    if (bytes > 2 * BOUNDS.adminRequestBytesMax) request.destroy();
    else if (!isRefused) pieces.push(chunk);
    refuseAbove(BOUNDS.adminRequestBytesMax);
  });
  request.on('end', () => {
    if (!isRefused) onBody(Buffer.concat(pieces));
  });
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

async function closeServer(server: Server, taken: ReadonlySet<Socket>): Promise<void> {
  const closed = server.listening ? once(server, 'close') : null;
  // Closes idle connections, too, and ends what Node does at times, also where nothing listened.
  server.close();
  const open = [...taken].filter((socket) => !socket.closed).map((socket) => once(socket, 'close'));
  const timer = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
  await Promise.all([closed, ...open]);
  clearTimeout(timer);
}

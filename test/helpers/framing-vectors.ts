/**
 * Requests with odd framing (promises-and-pitfalls §2), each with what may become of it.
 * `refused`: an answer of Weir's own; `swallowed`: closed without one, which is what
 * uWebSockets.js does by itself with some of them; `forwarded`: once, well-formed, with that body.
 */
import type { OutcomeKind } from './wire-outcome.js';

export interface FramingVector {
  /** Names the failure. */
  readonly name: string;
  /** `{id}` is replaced by the vector's own id. */
  readonly bytes: Buffer;
  readonly toHead?: boolean;
  readonly outcomes: readonly OutcomeKind[];
  /** For `refused`. */
  readonly statuses: readonly number[];
  /** For `forwarded`; left out where the framing leaves it open. */
  readonly body?: string;
  readonly method?: string;
  readonly target?: string;
  /** Whether the connection must be gone afterwards, however it was answered. */
  readonly closes: boolean;
}

const REFUSED: readonly OutcomeKind[] = ['refused', 'swallowed'];
const EITHER: readonly OutcomeKind[] = ['refused', 'swallowed', 'forwarded'];
const FORWARDED: readonly OutcomeKind[] = ['forwarded'];
const SMUGGLED = 'GET /v1/smuggled HTTP/1.1\r\nHost: weir.test\r\n\r\n';
const HOST = 'Host: weir.test\r\n';

function vector(
  name: string,
  text: string,
  rules: Partial<Omit<FramingVector, 'name' | 'bytes'>> = {},
): FramingVector {
  return {
    name,
    bytes: Buffer.from(text, 'latin1'),
    outcomes: REFUSED,
    statuses: [400],
    closes: true,
    ...rules,
  };
}

/** A POST with these header lines and this body. */
function post(lines: string, body: string): string {
  return `POST /v1/echo HTTP/1.1\r\n${HOST}X-Vector: {id}\r\n${lines}\r\n${body}`;
}

function get(lines: string, target = '/v1/echo'): string {
  return `GET ${target} HTTP/1.1\r\n${HOST}X-Vector: {id}\r\n${lines}\r\n`;
}

function withMethod(method: string, target = '/v1/echo'): string {
  return `${method} ${target} HTTP/1.1\r\n${HOST}X-Vector: {id}\r\n\r\n`;
}

const LENGTHS: FramingVector[] = [
  vector(
    'two-different-content-lengths-smuggle',
    post(`Content-Length: 4\r\nContent-Length: ${4 + SMUGGLED.length}\r\n`, `true${SMUGGLED}`),
  ),
  vector(
    'two-different-content-lengths-smuggle-longer-first',
    post(`Content-Length: ${4 + SMUGGLED.length}\r\nContent-Length: 4\r\n`, `true${SMUGGLED}`),
  ),
  vector(
    'two-equal-content-lengths-pass',
    post('Content-Length: 4\r\nContent-Length: 4\r\n', 'true'),
  ),
  vector('content-length-empty-passes', post('Content-Length: \r\n', '')),
  ...['+4', '-4', '0x4', '4, 4', '4,', '4 4', '4;q=1', '4.0', '99999999999999999999', 'abc'].map(
    (length) =>
      vector(
        `content-length-${length.replace(/\W+/g, '~')}-passes`,
        post(`Content-Length: ${length}\r\n`, 'true'),
      ),
  ),
  vector(
    'content-length-with-tabs-around-is-misread',
    post('Content-Length:  \t4 \t\r\n', 'true'),
    {
      outcomes: EITHER,
      body: 'true',
      closes: false,
    },
  ),
];

const CODINGS: FramingVector[] = [
  ...[
    'xchunked',
    'identity',
    'gzip, chunked',
    'chunked, gzip',
    'chunked, chunked',
    '',
    '\x0bchunked',
    'chunked;a=b',
    '"chunked"',
  ].map((coding) =>
    vector(
      `transfer-encoding-${coding.replace(/[^a-z]+/g, '~') || 'empty'}-passes`,
      post(`Transfer-Encoding: ${coding}\r\n`, '4\r\ntrue\r\n0\r\n\r\n'),
      { statuses: [400, 501] },
    ),
  ),
  vector(
    'transfer-encoding-twice-passes',
    post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', '4\r\ntrue\r\n0\r\n\r\n'),
    { statuses: [400, 501] },
  ),
  vector(
    'length-then-chunked-smuggles',
    post(
      `Content-Length: ${5 + SMUGGLED.length}\r\nTransfer-Encoding: chunked\r\n`,
      `0\r\n\r\n${SMUGGLED}`,
    ),
  ),
  vector(
    'chunked-then-length-smuggles',
    post(
      'Transfer-Encoding: chunked\r\nContent-Length: 4\r\n',
      `${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`,
    ),
  ),
  vector(
    'chunked-in-capitals-is-misread',
    post('Transfer-Encoding: CHUNKED\r\n', '4\r\ntrue\r\n0\r\n\r\n'),
    {
      outcomes: FORWARDED,
      body: 'true',
      closes: false,
    },
  ),
  vector(
    'several-chunks-are-misread',
    post('Transfer-Encoding: chunked\r\n', '1\r\nt\r\n2\r\nru\r\n1\r\ne\r\n0\r\n\r\n'),
    {
      outcomes: FORWARDED,
      body: 'true',
      closes: false,
    },
  ),
];

/** What uWebSockets.js' chunk parser does with these can't be seen from JavaScript. */
const CHUNKS: FramingVector[] = [
  ['chunk-size-line-ends-in-bare-line-feed', '4\ntrue\r\n0\r\n\r\n'],
  ['chunk-without-closing-crlf', `4\r\ntrue0\r\n\r\n${SMUGGLED}`],
  ['chunk-longer-than-its-size', `4\r\ntrue${SMUGGLED}\r\n0\r\n\r\n`],
  ['chunk-size-with-leading-space', ' 4\r\ntrue\r\n0\r\n\r\n'],
  ['chunk-size-with-sign', '+4\r\ntrue\r\n0\r\n\r\n'],
  ['chunk-size-with-0x', '0x4\r\ntrue\r\n0\r\n\r\n'],
  ['chunk-size-overflows', `FFFFFFFFFFFFFFFFF4\r\ntrue\r\n0\r\n\r\n`],
  ['chunk-size-empty', '\r\ntrue\r\n0\r\n\r\n'],
  ['chunk-with-extension', '4;a=b\r\ntrue\r\n0\r\n\r\n'],
  ['chunk-with-bare-line-feed-in-extension', `4;\n${SMUGGLED}\r\ntrue\r\n0\r\n\r\n`],
  ['chunks-with-trailer', '4\r\ntrue\r\n0\r\nX-Trailer: 1\r\n\r\n'],
].map(([name = '', body = '']) =>
  vector(`${name}-smuggles`, post('Transfer-Encoding: chunked\r\n', body), {
    outcomes: EITHER,
    statuses: [400, 413, 431, 505],
    // These two are valid HTTP, if unusual: who reads them right may keep the connection.
    closes: !/extension$|trailer$/.test(name),
  }),
);

const HEADERS: FramingVector[] = [
  ...['user@weir.test', 'weir.test/v1', 'weir.test, other.test', 'weir.test?a', '[::1'].map(
    (host) =>
      vector(
        `host-${host.replace(/[^a-z0-9]+/g, '~')}-passes`,
        `GET /v1/echo HTTP/1.1\r\nHost: ${host}\r\nX-Vector: {id}\r\n\r\n`,
      ),
  ),
  vector('two-hosts-pass', get('Host: other.test\r\n')),
  vector('no-host-passes', 'GET /v1/echo HTTP/1.1\r\nX-Vector: {id}\r\n\r\n'),
  vector('empty-host-passes', 'GET /v1/echo HTTP/1.1\r\nHost: \r\nX-Vector: {id}\r\n\r\n'),
  vector('P-06 underscore-in-name-passes', get('X_Key: 1\r\n')),
  vector('P-06 underscore-in-content-length-passes', post('Content_Length: 4\r\n', 'true')),
  // Behind an empty name the file for Node 20 sees no header, and nobody can tell. Such a request may
  // be executed without its body, but what follows it never is: the connection is closed.
  ...[
    ['the-length', ': x\r\nContent-Length: 4\r\n', 'true'],
    ['the-length-of-a-request', `: x\r\nContent-Length: ${SMUGGLED.length}\r\n`, SMUGGLED],
    [
      'a-second-length',
      `Content-Length: 4\r\n: x\r\nContent-Length: ${4 + SMUGGLED.length}\r\n`,
      `true${SMUGGLED}`,
    ],
    ['a-coding', ': x\r\nTransfer-Encoding: xchunked\r\n', '4\r\ntrue\r\n0\r\n\r\n'],
  ].map(([what = '', lines = '', body = '']) =>
    vector(`empty-name-hides-${what}-and-smuggles`, post(lines, body), {
      outcomes: EITHER,
      statuses: [400, 501],
    }),
  ),
  vector('space-before-colon-passes', get('X-A : 1\r\n')),
  vector('space-before-colon-of-length-passes', post('Content-Length : 4\r\n', 'true')),
  vector('folded-line-passes', get('X-A: 1\r\n  2\r\n')),
  vector(
    'folded-coding-passes',
    post('Transfer-Encoding:\r\n chunked\r\n', '4\r\ntrue\r\n0\r\n\r\n'),
  ),
  vector('nul-in-value-passes', get('X-A: 1\x002\r\n')),
  vector('nul-in-name-passes', get('X\x00A: 1\r\n')),
  vector('bare-cr-in-value-passes', get('X-A: 1\rX-B: 2\r\n')),
  vector('bare-lf-in-value-passes', get('X-A: 1\nX-B: 2\r\n'), { outcomes: REFUSED }),
  vector('line-without-colon-passes', get('X-A\r\n')),
  vector(
    '120-headers-hang',
    get(Array.from({ length: 120 }, (_, at) => `X-${at}: 1\r\n`).join('')),
    { statuses: [400, 431] },
  ),
  vector('header-of-5-kb-is-refused', get(`X-A: ${'a'.repeat(5000)}\r\n`), {
    outcomes: FORWARDED,
    closes: false,
  }),
  vector('header-of-20-kb-passes', get(`X-A: ${'a'.repeat(20_000)}\r\n`), { statuses: [431] }),
  vector('endless-header-passes', get(`X-A: ${'a'.repeat(200_000)}\r\n`), { statuses: [400, 431] }),
];

const LINES: FramingVector[] = [
  ...['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'].map((method) =>
    vector(`method-${method}-is-not-forwarded`, withMethod(method), {
      outcomes: FORWARDED,
      method,
      body: '',
      closes: false,
    }),
  ),
  vector('head-gets-a-body', withMethod('HEAD'), {
    outcomes: FORWARDED,
    toHead: true,
    method: 'HEAD',
    body: '',
    closes: false,
  }),
  ...['G<T', 'TRACE', 'BREW', 'get', 'GET\x01'].map((method) =>
    vector(`method-${method.replace(/\W/g, '~')}-passes`, withMethod(method), {
      statuses: [400, 405, 501],
      closes: false,
    }),
  ),
  vector(
    'connect-passes',
    'CONNECT weir.test:443 HTTP/1.1\r\nHost: weir.test\r\nX-Vector: {id}\r\n\r\n',
    {
      statuses: [400, 404, 405, 501, 505],
      closes: false,
    },
  ),
  ...[
    '/v1/echo#fragment',
    '/v1/../admin',
    '/v1/a/../../b',
    '/v1/./echo',
    '/v1/..',
    '/v1/\xff',
    '/v1/a\\..\\b',
  ].map((target) =>
    vector(`target-${target.replace(/[^\w./#\\]/g, '~')}-passes`, withMethod('GET', target), {
      statuses: [400, 404],
      closes: false,
    }),
  ),
  ...[
    '/v1/%0d%0aX-Injected:1',
    '/v1/%2e%2e/admin',
    '/v1/a%2fb',
    '/v1/a%00b',
    '/v1/a?b=%0d%0a&c=../..',
    '/v1/a//b',
  ].map((target) =>
    vector(`target-${target}-is-decoded`, withMethod('GET', target), {
      outcomes: ['refused', 'forwarded'],
      statuses: [400],
      target,
      closes: false,
    }),
  ),
  vector('absolute-form-passes', withMethod('GET', 'http://other.test/v1/echo'), {
    statuses: [400, 404, 505],
  }),
  vector('asterisk-form-passes', withMethod('OPTIONS', '*'), { statuses: [400, 404, 405, 505] }),
  vector('http-1.0-passes', 'GET /v1/echo HTTP/1.0\r\nHost: weir.test\r\nX-Vector: {id}\r\n\r\n', {
    statuses: [400, 505],
  }),
  vector('http-2.0-passes', 'GET /v1/echo HTTP/2.0\r\nHost: weir.test\r\nX-Vector: {id}\r\n\r\n', {
    statuses: [400, 505],
  }),
  vector('http-0.9-passes', 'GET /v1/echo\r\n\r\n', { statuses: [400, 505] }),
  vector('http2-preface-passes', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', {
    statuses: [400, 404, 405, 505],
  }),
  vector('tls-hello-on-clear-port-passes', '\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03', {
    statuses: [400, 505],
  }),
  vector('space-in-target-passes', withMethod('GET', '/v1/echo ?a b'), {
    statuses: [400, 404, 505],
  }),
];

export const FRAMING_VECTORS: readonly FramingVector[] = [
  ...LENGTHS,
  ...CODINGS,
  ...CHUNKS,
  ...HEADERS,
  ...LINES,
];

/** P-15, P-25, P-31: whatever a provider answers arrives as it came: status, header bytes, body. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { choosePoints } from '../helpers/byte-splits.js';
import { ENGINES, type EngineName, engineConfig } from '../helpers/engines.js';
import { type Gateway, startGateway } from '../helpers/gateway.js';
import { LAST_CHUNK, renderChunk, renderJson, renderRequest } from '../helpers/http-text.js';
import { MockUpstream, type Script, sendSplit } from '../helpers/mock-upstream.js';
import { RawClient } from '../helpers/raw-client.js';
import { createRandom } from '../helpers/seeded-random.js';
import type { HeaderPair, HttpMessage } from '../helpers/strict-http.js';

/** What the gateway writes by itself; everything else in a head is the provider's. */
const OWN_HEADERS: ReadonlySet<string> = new Set([
  'date',
  'uwebsockets',
  'x-weir-id',
  'x-weir-attempts',
  'x-weir-provider',
  'server-timing',
  'content-length',
  'transfer-encoding',
]);

interface Answer {
  readonly name: string;
  readonly status?: string;
  /** All of them must arrive, in this order and spelling. */
  readonly headers?: readonly HeaderPair[];
  /** Those of the hop; none may arrive. */
  readonly hop?: readonly HeaderPair[];
  readonly body?: Buffer;
  readonly framing?: 'length' | 'chunked';
  readonly before?: string;
  readonly method?: string;
  /** undici-engine.ts tells what undici can't do. */
  readonly onlyLean?: boolean;
}

const random = createRandom();
const noise = random.bytes(200_000);
const everyByte = Buffer.from([...Array(256).keys()]);

/** Each kind of answer in one way that a careless proxy gets wrong. */
const ANSWERS: readonly Answer[] = [
  {
    name: 'header-bytes-beyond-ascii',
    headers: [
      ['X-Latin', 'caf\xe9 \xff \x80'],
      ['X-Utf8', Buffer.from('café ✓').toString('latin1')],
      ['X-Tab', 'a\tb  c'],
    ],
    body: Buffer.from('{}'),
  },
  {
    name: 'set-cookie-twice-and-names-in-mixed-case',
    headers: [
      ['Set-Cookie', 'a=1; Path=/; HttpOnly'],
      ['sEt-cOOkie', 'b=2, c=3; Expires=Wed, 21 Oct 2026 07:28:00 GMT'],
      ['X-rateLimit-Remaining-TOKENS', '149984'],
      ['openai-processing-ms', '12'],
      ['X-Request-ID', 'req_0123'],
      ["x-odd!#$%&'*+.^_`|~", 'token characters'],
      ['X-Empty', ''],
    ],
    body: Buffer.from('{"a":1}'),
  },
  {
    name: 'hop-by-hop-headers-arrive',
    headers: [['X-Stays', '1']],
    hop: [
      ['Connection', 'keep-alive, X-Named'],
      ['X-Named', 'secret'],
      ['Keep-Alive', 'timeout=30'],
      ['Proxy-Authenticate', 'Basic'],
      ['Alt-Svc', 'h3=":443"'],
    ],
    body: Buffer.from('{}'),
  },
  {
    name: 'many-long-headers',
    headers: Array.from({ length: 90 }, (_, at): HeaderPair => [`X-Long-${at}`, 'v'.repeat(300)]),
    body: Buffer.from('{}'),
  },
  ...(['length', 'chunked'] as const).flatMap((framing): Answer[] => [
    {
      name: `gzip-in-${framing}`,
      headers: [
        ['Content-Type', 'application/json'],
        ['Content-Encoding', 'gzip'],
        ['Vary', 'Accept-Encoding'],
      ],
      body: gzipSync(Buffer.from(JSON.stringify({ text: 'weir '.repeat(5000) }))),
      framing,
    },
    {
      name: `compressed-events-in-${framing}`,
      headers: [
        ['Content-Type', 'text/event-stream'],
        ['Content-Encoding', 'br'],
      ],
      body: brotliCompressSync(Buffer.from('data: {"a":1}\n\n'.repeat(500))),
      framing,
    },
    {
      name: `audio-in-${framing}`,
      headers: [['Content-Type', 'audio/mpeg']],
      body: noise,
      framing,
    },
    {
      name: `image-in-${framing}`,
      headers: [['Content-Type', 'image/png']],
      body: everyByte,
      framing,
    },
    { name: `empty-in-${framing}`, headers: [['Content-Type', 'text/plain']], framing },
    {
      name: `untyped-in-${framing}`,
      body: Buffer.from('\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n'),
      framing,
    },
  ]),
  ...[
    '301 Moved Permanently',
    '302 Found',
    '303 See Other',
    '307 Temporary Redirect',
    '308 Permanent Redirect',
  ].map(
    (status): Answer => ({
      name: `redirect-${status.slice(0, 3)}-is-followed-or-altered`,
      status,
      headers: [['Location', 'http://127.0.0.1:1/v1/elsewhere?a=%2F&b=é'.replace('é', '\xe9')]],
      body: Buffer.from('moved'),
    }),
  ),
  ...[
    '201 Created',
    '202 Accepted',
    '206 Partial Content',
    '400 Bad Request',
    '401 Unauthorized',
    '402 Payment Required',
  ]
    .concat([
      '404 Not Found',
      "418 I'm a Teapot",
      '422 Unprocessable Entity',
      '429 Too Many Requests',
      '500 Internal Server Error',
      '503 Service Unavailable',
      '507 Insufficient Storage',
    ])
    .map(
      (status): Answer => ({
        name: `status-${status.slice(0, 3)}`,
        status,
        headers: [
          ['Retry-After', '3'],
          ['Content-Type', 'application/json'],
        ],
        body: Buffer.from(`{"error": {"message": "${status}"}}`),
      }),
    ),
  {
    name: 'interim-answers-are-taken-for-the-answer',
    before:
      'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\nX-A: 1\r\n\r\n',
    headers: [['X-Final', '1']],
    body: Buffer.from('{}'),
  },
  {
    name: 'unasked-continue-is-taken-for-the-answer',
    onlyLean: true,
    before: 'HTTP/1.1 100 Continue\r\n\r\n',
    headers: [['X-Final', '1']],
    body: Buffer.from('{}'),
  },
  {
    name: 'a-provider-has-words-of-its-own',
    onlyLean: true,
    status: '529 Overloaded',
    body: Buffer.from('{}'),
  },
  {
    name: 'head',
    method: 'HEAD',
    headers: [
      ['ETag', '"x"'],
      ['Content-Type', 'audio/wav'],
    ],
  },
  { name: 'no-content', method: 'DELETE', status: '204 No Content', headers: [['X-Kept', '1']] },
  { name: 'not-modified', status: '304 Not Modified', headers: [['ETag', 'W/"\xe9"']] },
];

function renderAnswer(answer: Answer): Buffer {
  const { body = Buffer.alloc(0), framing = 'length' } = answer;
  const isBodiless = answer.method !== undefined || answer.status?.startsWith('304') === true;
  const lines = [...(answer.headers ?? []), ...(answer.hop ?? [])];
  if (!isBodiless) {
    lines.push(
      framing === 'chunked'
        ? ['Transfer-Encoding', 'chunked']
        : ['Content-Length', `${body.length}`],
    );
  } else if (answer.method === 'HEAD') {
    lines.push(['Content-Length', '1234567']);
  }
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const wire = framing === 'chunked' && !isBodiless ? chunked(body) : body;
  return Buffer.concat([
    Buffer.from(
      `${answer.before ?? ''}HTTP/1.1 ${answer.status ?? '200 OK'}\r\n${head}\r\n`,
      'latin1',
    ),
    wire,
  ]);
}

function chunked(body: Buffer): Buffer {
  const half = body.length >> 1;
  const pieces = [body.subarray(0, half), body.subarray(half)].filter(({ length }) => length > 0);
  return Buffer.concat([...pieces.map(renderChunk), LAST_CHUNK]);
}

function describeEngine(engine: EngineName): void {
  describe(`P-15 answers of every kind, ${engine}`, { concurrency: true }, () => {
    let upstream: MockUpstream;
    let gateway: Gateway;
    const scripts = new Map<string, Script>();

    before(async () => {
      upstream = await MockUpstream.start({
        script: ({ target }) =>
          scripts.get(target) ?? [sendSplit(renderJson({ after: target }), [])],
      });
      gateway = await startGateway({ config: engineConfig(upstream.baseUrl, engine) });
    });

    after(async () => {
      await gateway?.stop();
      assert.deepEqual(upstream?.violations, []);
      await upstream?.stop();
    });

    /** The second answer on the connection shows whether the first ended where it said. */
    async function ask(target: string, method: string): Promise<HttpMessage> {
      const client = await RawClient.connect({ port: gateway.port });
      try {
        client.send(renderRequest({ method, target }));
        const response = await client.readResponse({ toHead: method === 'HEAD' });
        client.send(renderRequest({ target: `${target}/after` }));
        const next = await client.readResponse();
        assert.deepEqual(next.json(), { after: `${target}/after` });
        assert.deepEqual(client.informational, []);
        return response;
      } finally {
        client.destroy();
      }
    }

    function check(answer: Answer, response: HttpMessage): void {
      assert.equal(response.startLine, `HTTP/1.1 ${answer.status ?? '200 OK'}`);
      const theirs = response.headers.filter(([name]) => !OWN_HEADERS.has(name.toLowerCase()));
      assert.deepEqual(theirs, answer.headers ?? []);
      assert.ok(response.complete);
      assert.ok(response.body.equals(answer.body ?? Buffer.alloc(0)), 'the body is altered');
      if (answer.method === 'HEAD') {
        assert.deepEqual(response.all('content-length'), ['1234567']);
      } else if ((answer.body?.length ?? 0) > 0) {
        assert.equal(response.framing, answer.framing ?? 'length');
      }
    }

    for (const answer of ANSWERS.filter(({ onlyLean }) => engine === 'lean' || !onlyLean)) {
      it(`${answer.name}, whole and in pieces`, async () => {
        const wire = renderAnswer(answer);
        const method = answer.method ?? 'GET';
        scripts.set(`/v1/whole/${answer.name}`, [sendSplit(wire, [])]);
        const points = choosePoints(wire, random, { meanBytes: Math.max(40, wire.length >> 6) });
        scripts.set(`/v1/split/${answer.name}`, [sendSplit(wire, points)]);
        check(answer, await ask(`/v1/whole/${answer.name}`, method));
        check(answer, await ask(`/v1/split/${answer.name}`, method));
      });
    }

    it('a-redirect-is-followed', () => {
      const followed = upstream.requests.filter(({ target }) => target.includes('elsewhere'));
      assert.deepEqual(followed, []);
    });
  });
}

for (const engine of ENGINES) describeEngine(engine);

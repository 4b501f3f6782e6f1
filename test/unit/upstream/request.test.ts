/** What of a client's request goes to the provider. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProviderConfig } from '../../../src/config/model.js';
import type { RequestBody } from '../../../src/inspect/body.js';
import { ByteBudget } from '../../../src/inspect/budget.js';
import { encodeJsonString } from '../../../src/inspect/json-token.js';
import { Upload } from '../../../src/inspect/upload.js';
import type { UpstreamRequest } from '../../../src/upstream/engine.js';
import {
  createTemplate,
  type RequestTemplate,
  writeRequest,
} from '../../../src/upstream/request.js';
import { splitHeaderLines, writeRequestHead } from '../../../src/upstream/request-head.js';
import { createExchange, type ExchangeOptions, FakeDownstream } from '../../helpers/stage-fakes.js';

const API = { baseUrl: 'https://provider/v1' } as ProviderConfig;
const PASSES = createTemplate(API, null);
const REPLACES = createTemplate(API, ['authorization', 'Bearer sk-ours']);
const PATCHES = { encodeJsonString };

interface Sent extends ExchangeOptions {
  readonly template?: RequestTemplate;
  readonly keyHeaders?: readonly string[];
  readonly asksUsage?: boolean;
  readonly body?: Partial<RequestBody> | null;
  readonly model?: string | null;
  readonly targetModel?: string | null;
}

function write(sent: Sent = {}): UpstreamRequest {
  const exchange = createExchange(sent);
  exchange.model = sent.model ?? null;
  exchange.asksUsage = sent.asksUsage ?? false;
  exchange.identity = { consumerIndex: 0, consumerName: 'c', keyHeaders: sent.keyHeaders ?? [] };
  if (sent.body !== undefined && sent.body !== null) {
    const bytes = sent.body.bytes ?? Buffer.alloc(0);
    exchange.body = {
      bytes,
      isBorrowed: false,
      place: null,
      upload: null,
      totalBytes: bytes.length,
      modelRange: null,
      isModelJson: true,
      ...sent.body,
    };
  }
  return writeRequest(exchange, sent.template ?? PASSES, sent.targetModel ?? null, PATCHES);
}

function headersOf(headers: readonly string[], more: Sent = {}): readonly string[] {
  return splitHeaderLines(write({ ...more, headers }).headerLines);
}

test('headers pass in their order, several of a name too', () => {
  const headers = [
    'content-type',
    'application/json',
    'x-a',
    '1',
    'x-a',
    '2',
    'openai-beta',
    'x',
    'accept',
    '*/*',
  ];
  assert.deepEqual(headersOf(headers), headers);
});

test('hop-by-hop and framing headers and Weir’s own stay', () => {
  const dropped = [
    'connection',
    'content-length',
    'expect',
    'host',
    'http2-settings',
    'keep-alive',
    'proxy-authenticate',
  ];
  const more = [
    'proxy-authorization',
    'proxy-connection',
    'te',
    'trailer',
    'transfer-encoding',
    'upgrade',
  ];
  for (const name of [...dropped, ...more, 'x-weir-', 'x-weir-id', 'x-weir-anything']) {
    assert.deepEqual(headersOf(['a', 'b', name, '5', 'c', 'd']), ['a', 'b', 'c', 'd'], name);
  }
  assert.deepEqual(headersOf(['x-weird', '1', 'tea', '2']), ['x-weird', '1', 'tea', '2']);
});

test('what connection names stays, however it is spelled', () => {
  for (const value of [
    'x-hop',
    'X-HOP',
    'close, x-hop',
    ' keep-alive ,\tX-Hop ,,',
    'x-hop,x-hop',
  ]) {
    assert.deepEqual(
      headersOf(['x-hop', '1', 'connection', value, 'x-hop-2', '2']),
      ['x-hop-2', '2'],
      value,
    );
  }
  assert.deepEqual(
    headersOf(['connection', 'x-a', 'x-a', '1', 'connection', 'x-b', 'x-b', '2', 'c', 'd']),
    ['c', 'd'],
  );
  for (const value of ['keep-alive', 'Close', '']) {
    assert.deepEqual(headersOf(['connection', value, 'close', '1']).length, 2, value);
  }
});

test('a provider’s credential takes the place of all of the caller’s, and nothing takes it away', () => {
  const callers = [
    'authorization',
    'Bearer theirs',
    'x-api-key',
    'theirs',
    'api-key',
    'theirs',
    'a',
    'b',
  ];
  assert.deepEqual(headersOf(callers, { template: REPLACES }), [
    'a',
    'b',
    'authorization',
    'Bearer sk-ours',
  ]);
  const tricky = ['connection', 'authorization', 'a', 'b'];
  assert.deepEqual(headersOf(tricky, { template: REPLACES }), [
    'a',
    'b',
    'authorization',
    'Bearer sk-ours',
  ]);
  const anthropic = createTemplate(API, ['x-api-key', 'ours']);
  assert.deepEqual(headersOf(callers, { template: anthropic }), ['a', 'b', 'x-api-key', 'ours']);
});

test('without one the caller’s pass, but never Weir’s own keys', () => {
  const callers = ['authorization', 'Bearer theirs', 'x-api-key', 'wk-key', 'api-key', 'other'];
  assert.deepEqual(headersOf(callers), callers);
  assert.deepEqual(headersOf(callers, { keyHeaders: ['x-api-key'] }), [
    'authorization',
    'Bearer theirs',
    'api-key',
    'other',
  ]);
  assert.deepEqual(
    headersOf(callers, { keyHeaders: ['authorization', 'x-api-key', 'api-key'] }),
    [],
  );
});

test('where the usage must be read, the answer is asked for unencoded, once and in any case', () => {
  const unencoded = ['accept-encoding', 'identity'];
  const asked = (...headers: readonly string[]): readonly string[] =>
    headersOf(headers, { asksUsage: true });
  assert.deepEqual(asked('a', 'b'), ['a', 'b', ...unencoded]);
  assert.deepEqual(asked('accept-encoding', 'gzip', 'a', 'b'), [...unencoded, 'a', 'b']);
  assert.deepEqual(asked('connection', 'accept-encoding', 'accept-encoding', 'br'), unencoded);
  assert.deepEqual(headersOf(['accept-encoding', 'gzip']), ['accept-encoding', 'gzip']);
});

test('values beyond ASCII leave as the bytes that came', () => {
  const bytes = Buffer.from('grüße 日本 \u{1f600}', 'utf8');
  const request = write({ headers: ['x-a', bytes.toString('utf8')] });
  const head = Buffer.from(writeRequestHead(request, 'h'), 'latin1');
  assert.ok(head.includes(Buffer.concat([Buffer.from('x-a: '), bytes, Buffer.from('\r\n')])));
});

/** base_url → where /v1/chat/completions?a=b goes. */
const PATHS: Record<string, string> = {
  'https://api.openai.com/v1': '/v1/chat/completions?a=b',
  'https://api.openai.com': '/chat/completions?a=b',
  'https://api.openai.com/': '/chat/completions?a=b',
  'https://host/openai/deployments/x': '/openai/deployments/x/chat/completions?a=b',
  'https://host/api/v1/': '/api/v1/chat/completions?a=b',
  'https://host/compatible-mode/v1beta/openai':
    '/compatible-mode/v1beta/openai/chat/completions?a=b',
};

test('the base URL’s path stands in place of /v1', () => {
  for (const [baseUrl, target] of Object.entries(PATHS)) {
    const template = createTemplate({ baseUrl } as ProviderConfig, null);
    assert.equal(
      write({ template, path: '/v1/chat/completions', query: 'a=b' }).target,
      target,
      baseUrl,
    );
  }
  const anthropic = createTemplate(
    { baseUrl: 'https://api.anthropic.com/v1' } as ProviderConfig,
    null,
  );
  assert.equal(write({ template: anthropic, path: '/v1/messages' }).target, '/v1/messages');
  assert.equal(write({ path: '/v1/' }).target, '/v1/');
  assert.equal(
    write({ path: '/v1/files/%2e%2E%20x', query: '?=&%00' }).target,
    '/v1/files/%2e%2E%20x??=&%00',
  );
});

function bodyOf({ pieces, bodyBytes, upload }: UpstreamRequest): string {
  const text = Buffer.concat(pieces).toString();
  if (upload === null) assert.equal(bodyBytes, Buffer.byteLength(text), 'the length is right');
  return text;
}

test('the model’s name is replaced in place, and only where it differs', () => {
  const text = '{"model":"gpt","n":1.0}';
  const sent: Sent = {
    model: 'gpt',
    body: { bytes: Buffer.from(text), modelRange: { start: 9, end: 14 } },
  };
  assert.equal(bodyOf(write(sent)), text);
  assert.equal(bodyOf(write({ ...sent, targetModel: 'gpt' })), text);
  assert.equal(
    bodyOf(write({ ...sent, targetModel: 'other-model' })),
    '{"model":"other-model","n":1.0}',
  );
  assert.equal(bodyOf(write({ ...sent, targetModel: 'é"\n' })), '{"model":"é\\"\\n","n":1.0}');
  assert.equal(
    bodyOf(write({ ...sent, targetModel: 'x', body: { bytes: Buffer.from(text) } })),
    text,
    'nowhere to be found',
  );
  const form: Sent = {
    model: 'gpt',
    targetModel: 'whisper-"1"',
    body: { bytes: Buffer.from('…gpt…'), modelRange: { start: 3, end: 6 }, isModelJson: false },
  };
  assert.equal(bodyOf(write(form)), '…whisper-"1"…');
});

test('without a body there is none', () => {
  for (const body of [null, { bytes: Buffer.alloc(0) }]) {
    const { pieces, bodyBytes, upload } = write({ method: 'GET', body });
    assert.deepEqual([pieces.length, bodyBytes, upload], [0, 0, null]);
  }
});

test('what streams has the length of the whole, and the name’s difference', (t) => {
  const budget = new ByteBudget(1000, () => {});
  const upload = new Upload(new FakeDownstream().asDownstream, budget);
  t.after(() => upload.destroy());
  const begun = {
    bytes: Buffer.from('{"model":"gpt",'),
    modelRange: { start: 9, end: 14 },
    upload,
  };
  const sent: Sent = { model: 'gpt', body: { ...begun, totalBytes: 1000 } };
  assert.equal(write(sent).bodyBytes, 1000);
  assert.equal(write({ ...sent, targetModel: 'gpt-4o' }).bodyBytes, 1003);
  assert.equal(write({ ...sent, targetModel: 'gpt-4o' }).upload, upload);
  assert.equal(
    write({ ...sent, targetModel: 'gpt-4o', body: { ...begun, totalBytes: -1 } }).bodyBytes,
    -1,
  );
});

test('the head says how long the body is, exactly where it must', () => {
  const request: UpstreamRequest = {
    method: 'POST',
    target: '/x',
    headerLines: '\r\na: b',
    pieces: [],
    isLent: false,
    place: null,
    upload: null,
    isRepeatable: true,
    bodyBytes: 0,
  };
  assert.equal(
    writeRequestHead(request, 'h:1'),
    'POST /x HTTP/1.1\r\nhost: h:1\r\na: b\r\ncontent-length: 0\r\n\r\n',
  );
  const framing = (method: string, bodyBytes: number): string =>
    writeRequestHead({ ...request, method, bodyBytes, headerLines: '' }, 'h')
      .split('\r\n')
      .slice(2, -2)
      .join();
  assert.equal(framing('GET', 0), '');
  assert.equal(framing('DELETE', 0), '');
  assert.equal(framing('PUT', 0), 'content-length: 0');
  assert.equal(framing('DELETE', 5), 'content-length: 5');
  assert.equal(framing('GET', -1), 'transfer-encoding: chunked');
});

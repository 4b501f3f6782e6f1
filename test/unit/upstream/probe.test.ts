/** Health checks on real sockets. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HealthCheckConfig, ProviderConfig } from '../../../src/config/model.js';
import { BOUNDS } from '../../../src/core/bounds.js';
import { type ProbeResult, Prober } from '../../../src/upstream/probe.js';
import { renderResponse } from '../../helpers/http-text.js';
import {
  findClosedPort,
  MockUpstream,
  rst,
  type Script,
  send,
  sendMany,
  stall,
} from '../../helpers/mock-upstream.js';
import { createRoutesConfig } from '../../helpers/observe-config.js';

const KEY = 'sk-probe-secret-0123456789';
const BY_PATH: HealthCheckConfig = { path: '/v1/models', model: null, everyMs: 1, timeoutMs: 5000 };
const BY_MODEL: HealthCheckConfig = { ...BY_PATH, path: null, model: 'gpt-"x"' };

interface Asked {
  readonly result: ProbeResult;
  readonly upstream: MockUpstream;
}

async function ask(
  script: Script,
  check: HealthCheckConfig,
  overrides: Partial<ProviderConfig> = {},
  basePath = '/v1',
): Promise<Asked> {
  const upstream = await MockUpstream.start({ script: () => script });
  const [provider] = createRoutesConfig({ m: ['p'] }).providers;
  const baseUrl = `http://127.0.0.1:${upstream.port}${basePath}`;
  const config = { ...(provider as ProviderConfig), baseUrl, apiKey: KEY, ...overrides };
  const prober = new Prober(config, check);
  try {
    return { result: await prober.probe(), upstream };
  } finally {
    prober.close();
    await upstream.stop();
  }
}

const answer = (status: number): Script => [send(renderResponse({ status, body: '{}' }))];

test('a GET of the path, with the provider’s credential, where clients’ paths lie', async () => {
  const { result, upstream } = await ask(answer(200), BY_PATH, {}, '/openai/v1');
  assert.deepEqual(result, { outcome: 'well', detail: 'status 200', retryAfterMs: -1 });
  assert.deepEqual(upstream.violations, []);
  const [request] = upstream.requests;
  assert.equal(request?.method, 'GET');
  assert.equal(request?.target, '/openai/v1/models');
  assert.deepEqual(request?.headers, [
    ['host', `127.0.0.1:${upstream.port}`],
    ['accept', 'application/json'],
    ['user-agent', 'weir-health-check'],
    ['authorization', `Bearer ${KEY}`],
  ]);
});

test('a path outside of the API begins at the provider’s root', async () => {
  const check = { ...BY_PATH, path: '/health?full=1' };
  const { upstream } = await ask(answer(200), check, {}, '/openai/v1');
  assert.equal(upstream.requests[0]?.target, '/health?full=1');
});

test('a call for one token in each dialect', async () => {
  const { upstream: openai } = await ask(answer(200), BY_MODEL);
  const [chat] = openai.requests;
  assert.equal(`${chat?.method} ${chat?.target}`, 'POST /v1/chat/completions');
  const body = { model: 'gpt-"x"', messages: [{ role: 'user', content: 'ping' }], max_tokens: 1 };
  assert.deepEqual(JSON.parse(chat?.text ?? ''), body);
  const { upstream: anthropic } = await ask(answer(200), BY_MODEL, { dialect: 'anthropic' });
  const [message] = anthropic.requests;
  assert.equal(`${message?.method} ${message?.target}`, 'POST /v1/messages');
  assert.deepEqual(JSON.parse(message?.text ?? ''), body);
  const headers = new Map(message?.headers ?? []);
  assert.equal(headers.get('x-api-key'), KEY);
  assert.equal(headers.get('anthropic-version'), '2023-06-01');
  assert.equal(headers.get('content-type'), 'application/json');
  assert.deepEqual([...openai.violations, ...anthropic.violations], []);
});

test('statuses, by what they say about the provider', async () => {
  const rows: readonly (readonly [number, HealthCheckConfig, string | null, string])[] = [
    [204, BY_PATH, KEY, 'well'],
    [302, BY_PATH, KEY, 'well'],
    [404, BY_PATH, KEY, 'failed'],
    [401, BY_PATH, KEY, 'failed'],
    [401, BY_PATH, null, 'well'],
    [403, BY_MODEL, null, 'well'],
    [400, BY_PATH, KEY, 'failed'],
    [400, BY_MODEL, KEY, 'unclear'],
    [429, BY_PATH, KEY, 'unclear'],
    [429, BY_MODEL, KEY, 'throttled'],
    [500, BY_MODEL, KEY, 'failed'],
    [503, BY_PATH, null, 'failed'],
    [529, BY_MODEL, KEY, 'failed'],
  ];
  for (const [status, check, apiKey, outcome] of rows) {
    const { result } = await ask(answer(status), check, { apiKey });
    assert.deepEqual(result, { outcome, detail: `status ${status}`, retryAfterMs: -1 });
  }
});

test('how long the provider wants to be left alone is heard where it is busy, and only there', async () => {
  for (const [status, retryAfterMs] of [
    [429, 7000],
    [503, 7000],
    [500, -1],
    [200, -1],
  ] as const) {
    const headers: [string, string][] = [['retry-after', '7']];
    const { result } = await ask([send(renderResponse({ status, headers, body: '{}' }))], BY_MODEL);
    assert.equal(result.retryAfterMs, retryAfterMs, String(status));
  }
});

test('a provider that refuses, resets, stalls or answers garbage has failed', async () => {
  const short = { ...BY_PATH, timeoutMs: 100 };
  const head = 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf';
  const details: string[] = [];
  for (const [script, check] of [
    [[rst()], BY_PATH],
    [[send('SSH-2.0-OpenSSH_9.2\r\n\r\n')], BY_PATH],
    [[stall()], short],
    [[send(head), stall()], short],
    [[send(head), rst()], BY_PATH],
  ] as const) {
    const { result } = await ask(script, check);
    assert.equal(result.outcome, 'failed');
    details.push(result.detail);
  }
  assert.deepEqual(details.slice(0, 2), ['upstream_reset', 'upstream_malformed']);
  const baseUrl = `http://127.0.0.1:${await findClosedPort()}/v1`;
  const { result } = await ask([], BY_PATH, { baseUrl });
  assert.deepEqual(result, { outcome: 'failed', detail: 'upstream_refused', retryAfterMs: -1 });
});

test('an answer without end is not read to its end', async () => {
  const pieces = Array.from({ length: 64 }, () => Buffer.alloc(64 * 1024, 'x'));
  const bytes = 64 * pieces.length * 1024;
  assert.ok(bytes > 10 * BOUNDS.healthCheckBytesMax);
  const endless: Script = [
    send(`HTTP/1.1 200 OK\r\ncontent-length: ${2 * bytes}\r\n\r\n`),
    sendMany(pieces),
    stall(),
  ];
  const { result } = await ask(endless, BY_PATH);
  assert.deepEqual(result, { outcome: 'well', detail: 'status 200', retryAfterMs: -1 });
});

test('no two checks share a connection', async () => {
  const upstream = await MockUpstream.start();
  const [provider] = createRoutesConfig({ m: ['p'] }).providers;
  const prober = new Prober(
    { ...(provider as ProviderConfig), baseUrl: upstream.baseUrl },
    BY_PATH,
  );
  for (let count = 0; count < 3; count += 1) {
    assert.equal((await prober.probe()).outcome, 'well');
    const connection = await upstream.waitForConnection(count);
    await connection.closed;
  }
  assert.equal(upstream.connections.length, 3);
  prober.close();
  await upstream.stop();
});

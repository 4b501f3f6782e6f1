/**
 * P-04, P-06, P-15: what the providers' own SDKs send in headers passes. Each call is made twice, straight to an echo and
 * through Weir to it; what the SDK said must arrive, but for what is the next hop's own and the credential.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { type EchoedRequest, EchoUpstream, findHeader } from '../helpers/echo-upstream.js';
import { type Gateway, proxyConfig, startGateway } from '../helpers/gateway.js';
import type { HeaderPair } from '../helpers/strict-http.js';

/** Written anew for the next hop, or the provider's own. */
const OWN = new Set([
  'authorization',
  'connection',
  'content-length',
  'host',
  'keep-alive',
  'transfer-encoding',
  'x-api-key',
]);
const MESSAGES = [{ role: 'user' as const, content: 'Hello' }];

type Call = (baseUrl: string) => Promise<unknown>;

function openai(baseURL: string): OpenAI {
  return new OpenAI({
    apiKey: 'sk-caller',
    baseURL,
    organization: 'org-1',
    project: 'proj-1',
    maxRetries: 0,
    defaultHeaders: { 'OpenAI-Beta': 'assistants=v2', 'X-Client-Request-Id': 'mine' },
  });
}

function anthropic(baseUrl: string): Anthropic {
  return new Anthropic({
    apiKey: 'sk-caller',
    baseURL: baseUrl.replace(/\/v1$/, ''),
    maxRetries: 0,
    defaultHeaders: { 'anthropic-dangerous-direct-browser-access': 'true' },
  });
}

const CALLS: Readonly<Record<string, Call>> = {
  'openai-chat': (url) =>
    openai(url).chat.completions.create(
      { model: 'gpt-4o', messages: MESSAGES },
      { idempotencyKey: 'once', timeout: 20_000 },
    ),
  'openai-responses': (url) => openai(url).responses.create({ model: 'gpt-4o', input: 'Hello' }),
  'openai-embeddings': (url) =>
    openai(url).embeddings.create({ model: 'text-embedding-3-small', input: 'Hello' }),
  'openai-upload': (url) =>
    openai(url).files.create({ file: new File(['{}'], 'a.jsonl'), purpose: 'batch' }),
  'openai-list': (url) => openai(url).get('/fine_tuning/jobs?limit=1'),
  'anthropic-messages': (url) =>
    anthropic(url).messages.create(
      { model: 'claude-haiku-4-5', max_tokens: 1, messages: MESSAGES },
      { headers: { 'anthropic-beta': 'files-api-2025-04-14,interleaved-thinking-2025-05-14' } },
    ),
  'anthropic-count': (url) =>
    anthropic(url).messages.countTokens({ model: 'claude-haiku-4-5', messages: MESSAGES }),
};

describe('headers of the SDKs', () => {
  let echo: EchoUpstream;
  let gateway: Gateway;

  before(async () => {
    echo = await EchoUpstream.start();
    gateway = await startGateway({ config: proxyConfig(echo.baseUrl) });
  });

  after(async () => {
    await gateway?.stop();
    await echo?.stop();
  });

  async function record(call: Call, baseUrl: string): Promise<EchoedRequest> {
    const from = echo.requests.length;
    // What the echo answers is none of an API's answers; whether the SDK likes it does not matter here.
    await call(baseUrl).catch(() => undefined);
    const request = echo.requests[from];
    assert.ok(request !== undefined, 'the call did not arrive');
    return request;
  }

  /** Names in small letters, sorted. A boundary is chosen anew for each upload. */
  function listEndToEnd(request: EchoedRequest): HeaderPair[] {
    return request.headers
      .map(
        ([name, value]) => [name.toLowerCase(), value.replace(/boundary=.*/, 'boundary')] as const,
      )
      .filter(([name]) => !OWN.has(name))
      .sort(([one], [other]) => (one < other ? -1 : 1));
  }

  for (const [name, call] of Object.entries(CALLS)) {
    it(`P-06 sdk-header-is-refused-or-lost (${name})`, async () => {
      const direct = await record(call, echo.baseUrl);
      const relayed = await record(call, gateway.baseUrl);
      assert.equal(relayed.method, direct.method);
      assert.equal(relayed.target, direct.target);
      assert.deepEqual(listEndToEnd(relayed), listEndToEnd(direct));
      assert.equal(findHeader(relayed, 'authorization'), `Bearer ${proxyConfig.upstreamKey}`);
      assert.doesNotMatch(JSON.stringify(relayed.headers), /sk-caller/);
    });
  }
});

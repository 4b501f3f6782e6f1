/** What crosses the gateway in headers, in both directions, and what must not. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Gateway, proxyConfig, startGateway } from '../helpers/gateway.js';
import { renderJson, renderRequest } from '../helpers/http-text.js';
import { type MockRequest, MockUpstream, type Script, send } from '../helpers/mock-upstream.js';
import { RawClient } from '../helpers/raw-client.js';
import type { HeaderPair, HttpMessage } from '../helpers/strict-http.js';

const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'upgrade',
];

describe('headers', () => {
  let upstream: MockUpstream;
  let gateway: Gateway;
  let script: Script = [];

  before(async () => {
    upstream = await MockUpstream.start({ script: () => script });
    gateway = await startGateway({ config: proxyConfig(upstream.baseUrl) });
  });

  after(async () => {
    await gateway?.stop();
    await upstream?.stop();
  });

  async function exchange(
    headers: readonly HeaderPair[],
    answer: Script = [send(renderJson({ ok: true }))],
  ): Promise<{ response: HttpMessage; request: MockRequest }> {
    script = answer;
    const number = upstream.requests.length;
    const client = await RawClient.connect({ port: gateway.port });
    try {
      client.send(
        renderRequest({ target: '/v1/chat/completions', headers, body: '{"model":"m"}' }),
      );
      const response = await client.readResponse();
      assert.equal(response.status, 200, response.text);
      return { response, request: await upstream.waitForRequest(number, 2000, 'whole') };
    } finally {
      client.destroy();
    }
  }

  it('P-04 connection-header-strips-our-credential', async () => {
    const { request } = await exchange([
      ['connection', 'keep-alive, authorization, X-Internal-Key'],
      ['x-internal-key', 'internal'],
      ['authorization', 'Bearer sk-caller'],
    ]);
    assert.deepEqual(request.all('authorization'), [`Bearer ${proxyConfig.upstreamKey}`]);
    assert.deepEqual(request.all('x-internal-key'), []);
  });

  it('P-04 connection-header-strips-framing-or-host', async () => {
    const { request } = await exchange([['connection', 'content-length, host, content-type']]);
    assert.equal(request.all('host').length, 1);
    assert.equal(request.text, '{"model":"m"}');
  });

  it('P-04 connection-header-in-several-lines-and-odd-spacing-is-overlooked', async () => {
    const { request } = await exchange([
      ['connection', 'x-one ,\tX-TWO'],
      ['Connection', ',,x-three,'],
      ['x-one', '1'],
      ['x-two', '2'],
      ['x-three', '3'],
      ['x-four', '4'],
    ]);
    for (const name of ['x-one', 'x-two', 'x-three']) assert.deepEqual(request.all(name), [], name);
    assert.deepEqual(request.all('x-four'), ['4']);
  });

  it('P-04 hop-by-hop-header-reaches-the-upstream', async () => {
    const { request } = await exchange([
      ['keep-alive', 'timeout=5'],
      ['proxy-connection', 'keep-alive'],
      ['proxy-authorization', 'Basic c2VjcmV0'],
      ['te', 'trailers'],
      ['trailer', 'x-sum'],
      ['upgrade', 'h2c'],
    ]);
    for (const name of HOP_BY_HOP.filter((name) => name !== 'connection')) {
      assert.deepEqual(request.all(name), [], name);
    }
    assert.doesNotMatch(request.all('connection').join(','), /upgrade|te/i);
  });

  it('P-04 hop-by-hop-header-reaches-the-client', async () => {
    const { response } = await exchange(
      [],
      [
        send(
          renderJson(
            { ok: true },
            {
              headers: [
                ['connection', 'keep-alive, x-internal'],
                ['x-internal', '1'],
                ['keep-alive', 'timeout=5'],
                ['proxy-authenticate', 'Basic'],
                ['x-kept', '1'],
              ],
            },
          ),
        ),
      ],
    );
    for (const name of ['x-internal', 'keep-alive', 'proxy-authenticate']) {
      assert.deepEqual(response.all(name), [], name);
    }
    assert.deepEqual(response.all('x-kept'), ['1']);
  });

  it("P-04 caller's-credential-reaches-the-upstream", async () => {
    for (const name of ['authorization', 'x-api-key', 'api-key']) {
      const value = name === 'authorization' ? 'Bearer sk-caller' : 'sk-caller';
      const { request } = await exchange([[name, value]]);
      assert.deepEqual(request.all('authorization'), [`Bearer ${proxyConfig.upstreamKey}`], name);
      assert.doesNotMatch(request.rawHead.toString('latin1'), /sk-caller/, name);
    }
  });

  it("P-04 caller's-credential-twice-reaches-the-upstream", async () => {
    const { request } = await exchange([
      ['authorization', 'Bearer sk-caller'],
      ['Authorization', 'Bearer sk-caller-2'],
    ]);
    assert.deepEqual(request.all('authorization'), [`Bearer ${proxyConfig.upstreamKey}`]);
  });

  it('P-04 our-credential-or-name-leaks-to-the-wrong-side', async () => {
    const { response, request } = await exchange([]);
    assert.doesNotMatch(response.rawHead.toString('latin1'), /sk-upstream/);
    assert.doesNotMatch(request.rawHead.toString('latin1'), /weir/i);
    assert.equal(request.header('host'), `127.0.0.1:${upstream.port}`);
  });

  it('P-02 upstream-framing-is-not-exactly-one-content-length', async () => {
    const { request } = await exchange([['expect', '100-continue']]);
    assert.deepEqual(request.all('content-length'), ['13']);
    assert.deepEqual(request.all('transfer-encoding'), []);
    assert.deepEqual(request.all('expect'), []);
    assert.deepEqual(upstream.violations, []);
  });

  it('P-15 end-to-end-headers-are-lost-or-altered', async () => {
    const sent: HeaderPair[] = [
      ['OpenAI-Organization', 'org-1'],
      ['Accept', 'text/event-stream'],
      ['User-Agent', 'OpenAI/JS 6.48.0'],
      ['X-Stainless-Retry-Count', '0'],
      ['X-Twice', '1'],
      ['X-Twice', '2'],
      ['X-Empty', ''],
      ['Cookie', 'a=b; c=d'],
    ];
    const { request, response } = await exchange(sent, [
      send(
        renderJson(
          { ok: true },
          {
            headers: [
              ['Set-Cookie', 'a=1; Path=/'],
              ['Set-Cookie', 'b=2'],
              ['OpenAI-Processing-MS', '12'],
              ['x-request-id', 'req_1'],
            ],
          },
        ),
      ),
    ]);
    for (const [name] of sent) {
      const expected = sent.filter(([key]) => key === name).map(([, value]) => value);
      assert.deepEqual(request.all(name), expected, name);
    }
    assert.deepEqual(response.all('set-cookie'), ['a=1; Path=/', 'b=2']);
    assert.deepEqual(response.all('openai-processing-ms'), ['12']);
    assert.deepEqual(response.all('x-request-id'), ['req_1']);
    assert.equal(response.all('x-weir-id').length, 1);
    assert.match(response.header('server-timing') ?? '', /weir;dur=\d/);
    assert.equal(response.all('date').length <= 1, true, 'date more than once');
  });
});

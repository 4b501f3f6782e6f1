/** Keys of Weir's own never reach a provider, a log line or an answer; providers' keys never reach a client. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, it } from 'node:test';
import { describeEngines, engineConfig, stopAll, UPSTREAM_KEY } from '../helpers/engine-matrix.js';
import { type ConfigText, type Gateway, startGateway } from '../helpers/gateway.js';
import { renderRequest } from '../helpers/http-text.js';
import { MockUpstream } from '../helpers/mock-upstream.js';
import { RawClient } from '../helpers/raw-client.js';
import type { HeaderPair, HttpMessage } from '../helpers/strict-http.js';

const PLAIN_KEY = 'wk-plain-7e1c4f';
const HASHED_KEY = 'wk-hashed-93ab20';
const WRONG_KEY = 'wk-wrong-55d0c8';
const FOREIGN_KEY = 'sk-of-the-callers-own-41';
const CREDENTIALS = ['authorization', 'x-api-key', 'api-key'];

/** The three headers that may carry a key. */
const CARRIERS: readonly { readonly name: string; readonly write: (key: string) => HeaderPair }[] =
  [
    { name: 'authorization', write: (key) => ['authorization', `Bearer ${key}`] },
    { name: 'x-api-key', write: (key) => ['x-api-key', key] },
    { name: 'api-key', write: (key) => ['api-key', key] },
  ];

describeEngines('keys', 60_000, (engine) => {
  let upstream: MockUpstream;
  let gateway: Gateway;
  let open: Gateway;
  const answers: HttpMessage[] = [];

  before(async () => {
    upstream = await MockUpstream.start();
    const hashed = `sha256:${createHash('sha256').update(HASHED_KEY).digest('hex')}`;
    const config = engineConfig(engine, {
      keyed: { base_url: upstream.baseUrl },
      keyless: { base_url: upstream.baseUrl, api_key: '' },
      claude: { base_url: upstream.baseUrl, dialect: 'anthropic' },
    });
    const consumers: ConfigText = { plain: { keys: [PLAIN_KEY] }, hashed: { keys: [hashed] } };
    gateway = await startGateway({ workers: 2, config: { ...config, consumers } });
    open = await startGateway({ workers: 2, config });
  });

  after(() => stopAll(open, upstream).finally(() => stopAll(gateway)));

  async function ask(
    at: Gateway,
    model: string,
    headers: readonly HeaderPair[],
    target = '/v1/chat/completions',
  ): Promise<HttpMessage> {
    const client = await RawClient.connect({ port: at.port });
    client.send(renderRequest({ target, headers, body: JSON.stringify({ model }) }));
    const answer = await client.readResponse();
    answers.push(answer);
    client.destroy();
    return answer;
  }

  /** What of the three headers the provider got. */
  function credentialsSeen(): string[] {
    const { headers } = upstream.requests.at(-1) ?? assert.fail();
    return headers
      .filter(([name]) => CREDENTIALS.includes(name.toLowerCase()))
      .map(([name, value]) => `${name.toLowerCase()}: ${value}`);
  }

  for (const carrier of CARRIERS) {
    for (const [consumer, key] of Object.entries({ plain: PLAIN_KEY, hashed: HASHED_KEY })) {
      it(`own-key-reaches-a-provider (${carrier.name}, ${consumer})`, async () => {
        assert.equal((await ask(gateway, 'keyed', [carrier.write(key)])).status, 200);
        assert.deepEqual(credentialsSeen(), [`authorization: Bearer ${UPSTREAM_KEY}`]);
        assert.equal((await ask(gateway, 'claude', [carrier.write(key)])).status, 200);
        assert.deepEqual(credentialsSeen(), [`x-api-key: ${UPSTREAM_KEY}`]);
        const answer = await ask(gateway, 'keyless', [carrier.write(key)]);
        assert.equal(answer.status, 200);
        assert.deepEqual(credentialsSeen(), []);
        const id = answer.header('x-weir-id');
        const line = await gateway.waitForLog((entry) => entry['id'] === id);
        assert.equal(line['consumer'], consumer);
      });
    }

    it(`callers-own-credential-is-lost (${carrier.name})`, async () => {
      // Proxy only: where nobody is asked for a key, the caller's is for the provider.
      const [name, value] = carrier.write(FOREIGN_KEY);
      await ask(open, 'keyless', [[name, value]]);
      assert.deepEqual(credentialsSeen(), [`${name}: ${value}`]);
      await ask(open, 'keyed', [[name, value]]);
      assert.deepEqual(credentialsSeen(), [`authorization: Bearer ${UPSTREAM_KEY}`]);
    });
  }

  it('own-key-reaches-a-provider (all three headers)', async () => {
    const headers = CARRIERS.map(({ write }) => write(PLAIN_KEY));
    assert.equal((await ask(gateway, 'keyless', headers)).status, 200);
    assert.deepEqual(credentialsSeen(), []);
  });

  it('own-key-hides-the-credential-for-the-provider', async () => {
    const headers: HeaderPair[] = [
      ['x-api-key', PLAIN_KEY],
      ['authorization', `Bearer ${FOREIGN_KEY}`],
    ];
    assert.equal((await ask(gateway, 'keyless', headers)).status, 200);
    assert.deepEqual(credentialsSeen(), [`authorization: Bearer ${FOREIGN_KEY}`]);
  });

  it('P-04 connection-header-takes-the-providers-key-away', async () => {
    const headers: HeaderPair[] = [
      ['x-api-key', PLAIN_KEY],
      ['connection', 'authorization, x-internal'],
      ['x-internal', 'secret'],
    ];
    assert.equal((await ask(gateway, 'keyed', headers)).status, 200);
    assert.deepEqual(credentialsSeen(), [`authorization: Bearer ${UPSTREAM_KEY}`]);
    assert.deepEqual(upstream.requests.at(-1)?.all('x-internal'), []);
  });

  for (const carrier of CARRIERS) {
    it(`wrong-key-is-let-in (${carrier.name})`, async () => {
      const before = upstream.requests.length;
      const openai = await ask(gateway, 'keyed', [carrier.write(WRONG_KEY)]);
      assert.equal(openai.status, 401);
      const { error } = openai.json() as { error: { code: string; type: string } };
      assert.deepEqual([error.code, error.type], ['invalid_key', 'invalid_request_error']);
      const anthropic = await ask(gateway, 'claude', [carrier.write(WRONG_KEY)], '/v1/messages');
      assert.equal(anthropic.status, 401);
      const body = anthropic.json() as { type: string; error: { type: string } };
      assert.deepEqual([body.type, body.error.type], ['error', 'authentication_error']);
      assert.equal(upstream.requests.length, before);
    });
  }

  it('missing-key-is-let-in', async () => {
    const before = upstream.requests.length;
    const answer = await ask(gateway, 'keyed', []);
    assert.equal(answer.status, 401);
    assert.equal((answer.json() as { error: { code: string } }).error.code, 'missing_key');
    assert.equal(upstream.requests.length, before);
  });

  it('key-appears-in-a-log-line-or-an-answer', async () => {
    // The model's name is a text of the caller's that is logged and shown; a key by mistake there is cut out.
    await ask(gateway, UPSTREAM_KEY, [['x-api-key', PLAIN_KEY]]);
    const last = answers.at(-1) ?? assert.fail();
    const id = last.header('x-weir-id');
    await gateway.waitForLog((entry) => entry['id'] === id);
    const logs = [gateway, open].flatMap(({ logs, strayLines, stderr }) => [
      ...logs.map((line) => JSON.stringify(line)),
      ...strayLines,
      stderr,
    ]);
    assert.ok(logs.length > 20);
    const shown = answers.map(({ rawHead, text }) => rawHead.toString('latin1') + text);
    for (const key of [PLAIN_KEY, HASHED_KEY, WRONG_KEY, FOREIGN_KEY, UPSTREAM_KEY]) {
      assert.deepEqual(
        logs.filter((line) => line.includes(key)),
        [],
      );
      assert.deepEqual(
        shown.filter((text) => text.includes(key)),
        [],
      );
    }
  });
});

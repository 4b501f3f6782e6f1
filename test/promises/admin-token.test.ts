/** An admin port that other machines reach: nothing of it without the token, and the token nowhere else. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Gateway, startGateway } from '../helpers/gateway.js';
import { RawClient } from '../helpers/raw-client.js';

const TOKEN = 'wt-a-token-for-the-admin-port';
const authorization = `Bearer ${TOKEN}`;
const json = { 'content-type': 'application/json' };

describe('admin port with a token', { timeout: 30_000 }, () => {
  let gateway: Gateway;

  before(async () => {
    gateway = await startGateway({
      config: {
        admin: { host: '0.0.0.0', port: 0, token: TOKEN },
        // Nobody is called.
        providers: { mock: { dialect: 'openai', base_url: 'http://127.0.0.1:9/v1' } },
        models: { '*': { provider: 'mock' } },
      },
    });
  });

  after(() => gateway?.kill());

  async function ask(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${gateway.adminUrl}${path}`, { ...init, signal: AbortSignal.timeout(5000) });
  }

  it('something-but-health-is-told-without-the-token', async () => {
    for (const path of ['/metrics', '/api/limits', '/api/targets', '/api/exchanges', '/nothing']) {
      for (const headers of [{}, { authorization: `Bearer ${TOKEN}x` }]) {
        const answer = await ask(path, { headers });
        assert.equal(answer.status, 401, path);
        assert.equal(answer.headers.get('www-authenticate'), 'Bearer realm="weir"');
        assert.deepEqual(await answer.json(), { error: 'unauthorized' });
      }
    }
    const body = '{"provider":"mock"}';
    const change = await ask('/api/targets/drain', { method: 'POST', headers: json, body });
    assert.equal(change.status, 401);
    assert.deepEqual(await (await ask('/readyz')).json(), { status: 'ready' });
    assert.equal((await ask('/healthz')).status, 200);
  });

  it('token-does-not-open-it', async () => {
    const metrics = await ask('/metrics', { headers: { authorization } });
    assert.match(await metrics.text(), /^weir_build_info/m);
    const headers = { ...json, authorization };
    const request = { method: 'POST', headers, body: '{"provider":"mock"}' };
    assert.equal((await ask('/api/targets/drain', request)).status, 200);
    const foreign = { ...request, headers: { ...headers, origin: 'http://evil.test' } };
    assert.equal((await ask('/api/targets/restore', foreign)).status, 403);
    assert.equal((await ask('/api/targets/restore', request)).status, 200);
  });

  it('P-32 token-gets-into-the-log', async () => {
    const client = await RawClient.connect({ port: gateway.port });
    client.send(`GET /v1/${TOKEN} HTTP/1.1\r\nhost: weir.test\r\n\r\n`);
    const answer = await client.readResponse();
    client.destroy();
    const id = answer.header('x-weir-id');
    const line = await gateway.waitForLog((entry) => entry['id'] === id);
    assert.equal(line['path'], '/v1/[redacted]');
    assert.ok(!JSON.stringify(gateway.logs).includes(TOKEN));
    await gateway.stop();
  });
});

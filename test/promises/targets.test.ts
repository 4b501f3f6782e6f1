/** What an operator sees and changes of targets, on a gateway with two workers. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Gateway, type GatewayOptions, startGateway } from '../helpers/gateway.js';
import { MockUpstream } from '../helpers/mock-upstream.js';

const KEY = 'sk-never-in-a-log-0123456789';

interface View {
  readonly provider: string;
  readonly state: string;
  readonly drained: boolean;
  readonly words: string;
}

async function readTargets(gateway: Gateway): Promise<readonly View[]> {
  const response = await fetch(`${gateway.adminUrl}/api/targets`);
  assert.equal(response.status, 200);
  return ((await response.json()) as { targets: readonly View[] }).targets;
}

async function post(gateway: Gateway, what: string, body: unknown): Promise<unknown> {
  const response = await fetch(`${gateway.adminUrl}/api/targets/${what}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return response.json();
}

function configure(
  one: MockUpstream,
  other: MockUpstream,
  fields: Readonly<Record<string, unknown>>,
): GatewayOptions {
  const provider = (upstream: MockUpstream) => ({
    dialect: 'openai',
    base_url: upstream.baseUrl,
    api_key: KEY,
    ...fields,
  });
  return {
    config: {
      providers: { one: provider(one), other: provider(other) },
      models: { m: { targets: [{ provider: 'one' }, { provider: 'other' }] } },
    },
  };
}

describe('targets', { timeout: 60_000 }, () => {
  it('P-19 a provider that is gone is not ejected by its health checks, or does not come back', async () => {
    const one = await MockUpstream.start();
    const other = await MockUpstream.start();
    const gateway = await startGateway(
      configure(one, other, {
        health: { path: '/v1/models', every: '50ms', timeout: '2s' },
        breaker: { failures: 2, eject: '100ms', eject_max: '1s' },
      }),
    );
    try {
      assert.equal((await one.waitForRequest(0)).target, '/v1/models');
      await one.stop();
      const line = await gateway.waitForLog(
        (entry) => entry['provider'] === 'one' && entry['to'] === 'open',
      );
      assert.equal(line['from'], 'closed');
      assert.equal(line['why'], 'health checks failed');
      const [gone, there] = await readTargets(gateway);
      assert.notEqual(gone?.state, 'closed');
      assert.equal(there?.words, 'takes requests');
      const samples = await gateway.metrics();
      const ejections = samples.filter(({ name }) => name === 'weir_target_ejections_total');
      assert.deepEqual(
        ejections.map(({ labels, value }) => [labels['provider'], value > 0]),
        [
          ['one', true],
          ['other', false],
        ],
      );
      const back = await MockUpstream.start({ port: one.port });
      try {
        await gateway.waitForLog(
          (entry) => entry['provider'] === 'one' && entry['why'] === 'a health check went well',
        );
        assert.equal((await readTargets(gateway))[0]?.state, 'closed');
      } finally {
        await back.stop();
      }
    } finally {
      await gateway.stop();
      await other.stop();
    }
    assert.doesNotMatch(JSON.stringify(gateway.logs), new RegExp(KEY));
    assert.deepEqual(other.violations, []);
  });

  it('an operator’s drain is not seen on the admin port, in the metrics, or in the log', async () => {
    const upstream = await MockUpstream.start();
    const gateway = await startGateway(configure(upstream, upstream, {}));
    try {
      assert.deepEqual(await post(gateway, 'drain', { model: 'm', provider: 'one' }), {
        drained: 1,
        unchanged: 0,
        unserved_models: [],
      });
      assert.deepEqual(
        (await readTargets(gateway)).map(({ provider, drained }) => [provider, drained]),
        [
          ['one', true],
          ['other', false],
        ],
      );
      const states = (await gateway.metrics()).filter(({ name }) => name === 'weir_target_state');
      assert.deepEqual(
        states.map(({ labels, value }) => [labels['provider'], labels['model'], value]),
        [
          ['one', 'm', 3],
          ['other', 'm', 0],
        ],
      );
      await gateway.waitForLog((entry) => entry['to'] === 'drained');
      await post(gateway, 'restore', { provider: 'one' });
      await gateway.waitForLog((entry) => entry['why'] === 'an operator restored it');
      // Nothing is asked of a provider without checks.
      assert.equal(upstream.connections.length, 0);
    } finally {
      await gateway.stop();
      await upstream.stop();
    }
  });
});

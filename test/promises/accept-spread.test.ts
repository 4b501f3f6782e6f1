/** How connections reach the workers, and requests the targets. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Gateway, proxyConfig, startGateway } from '../helpers/gateway.js';
import { renderRequest } from '../helpers/http-text.js';
import { auditStreams, Hammer, openStreams, startLoadUpstream } from '../helpers/load.js';
import { MockUpstream } from '../helpers/mock-upstream.js';
import { RawClient } from '../helpers/raw-client.js';

const WORKERS = 8;
const CONNECTIONS = 64;
/** The binaries for Node 22 and later have the acceptor's calls. */
const HAS_ACCEPTOR = Number(process.versions.node.split('.')[0]) >= 22;

/** Which worker answered: two characters behind the ten that all workers of a start share. */
function workerOf(id: string | undefined): number {
  return Number.parseInt((id ?? '').slice(10, 12), 36);
}

/** One request on each of so many connections that are open at the same time; requests by worker. */
async function countByWorker(gateway: Gateway, workers: number): Promise<number[]> {
  const counts = Array.from({ length: workers }, () => 0);
  const clients: RawClient[] = [];
  for (let at = 0; at < CONNECTIONS; at++) {
    clients.push(await RawClient.connect({ port: gateway.port }));
  }
  for (const client of clients) {
    client.send(renderRequest({ target: '/v1/chat/completions', body: '{"model":"m"}' }));
    const response = await client.readResponse();
    assert.equal(response.status, 200, response.text);
    const worker = workerOf(response.header('x-weir-id'));
    counts[worker] = (counts[worker] ?? 0) + 1;
  }
  for (const client of clients) client.destroy();
  return counts;
}

describe('accept', () => {
  it('auto-does-not-take-the-best-that-the-binary-has', async (context) => {
    const upstream = await MockUpstream.start();
    const config = proxyConfig(upstream.baseUrl);
    const gateway = await startGateway({ config, workers: WORKERS });
    try {
      const ready = gateway.logs.find((line) => line['msg'] === 'ready');
      assert.equal(ready?.['accept'], HAS_ACCEPTOR ? 'acceptor' : 'reuseport');
      assert.equal(ready?.['workers'], WORKERS);
      const counts = await countByWorker(gateway, WORKERS);
      context.diagnostic(`${CONNECTIONS} connections on ${WORKERS} workers: ${counts.join(' ')}`);
      assert.equal(counts.length, WORKERS, 'a worker that does not exist');
      if (HAS_ACCEPTOR) {
        assert.deepEqual(
          counts,
          Array.from({ length: WORKERS }, () => CONNECTIONS / WORKERS),
        );
      } else {
        // The kernel hashes: that 64 connections leave more than half of 8 workers out has odds below 1e-13.
        assert.ok(counts.filter((count) => count > 0).length >= WORKERS / 2, counts.join(' '));
      }
    } finally {
      await gateway.stop();
      await upstream.stop();
    }
  });

  it('reuseport-is-not-used-where-it-is-asked-for', async () => {
    const shape = { events: 20, paceMs: 20 };
    const upstream = await startLoadUpstream(shape);
    const gateway = await startGateway({
      config: proxyConfig(upstream.baseUrl, { accept: 'reuseport' }),
    });
    try {
      const ready = gateway.logs.find((line) => line['msg'] === 'ready');
      assert.equal(ready?.['accept'], 'reuseport');
      const streams = await openStreams(gateway.port, 20);
      const hammer = new Hammer(gateway.port, 4);
      await hammer.waitForAnswers(40);
      const stopped = gateway.stop();
      assert.deepEqual(await auditStreams(streams, shape), []);
      await hammer.finish();
      await stopped;
      assert.deepEqual([...hammer.lost, ...hammer.unaccepted], []);
    } finally {
      await gateway.kill();
      await upstream.stop();
    }
  });

  it('targets-of-a-model-do-not-take-turns', async () => {
    const upstreams = await Promise.all([0, 1, 2].map(() => MockUpstream.start()));
    const names = ['east', 'west', 'south'];
    const gateway = await startGateway({
      config: {
        providers: Object.fromEntries(
          names.map((name, at) => [
            name,
            { dialect: 'openai', base_url: upstreams[at]?.baseUrl ?? '' },
          ]),
        ),
        models: {
          m: {
            targets: names.map((provider) => ({ provider, model: `m-of-${provider}` })),
            balance: 'round-robin',
          },
        },
      },
    });
    try {
      // One connection is one worker, and each worker has turns of its own.
      const client = await RawClient.connect({ port: gateway.port });
      for (let at = 0; at < 12; at++) {
        client.send(renderRequest({ target: '/v1/chat/completions', body: '{"model": "m"}' }));
        assert.equal((await client.readResponse()).status, 200);
      }
      client.destroy();
      for (const [at, upstream] of upstreams.entries()) {
        assert.deepEqual(
          upstream.requests.map(({ text }) => text),
          Array.from({ length: 4 }, () => `{"model": "m-of-${names[at]}"}`),
        );
      }
      const providers = (await gateway.waitForAccessLines(12)).map((line) => line['provider']);
      assert.deepEqual(providers, [...names, ...names, ...names, ...names]);
    } finally {
      await gateway.stop();
      await Promise.all(upstreams.map((upstream) => upstream.stop()));
    }
  });

  it('models-are-listed-in-one-shape-only', async () => {
    const upstream = await MockUpstream.start();
    const mock = { provider: 'mock' };
    const gateway = await startGateway({
      config: proxyConfig(upstream.baseUrl, { models: { a: mock, 'b/c': mock, '*': mock } }),
    });
    try {
      const list = async (path: string, headers: Record<string, string> = {}): Promise<unknown> =>
        (await fetch(`${gateway.baseUrl}${path}`, { headers })).json();
      const openai = (await list('/models')) as { object: string; data: { id: string }[] };
      assert.equal(openai.object, 'list');
      assert.deepEqual(
        openai.data.map(({ id }) => id),
        ['a', 'b/c'],
      );
      const version = { 'anthropic-version': '2023-06-01' };
      const anthropic = (await list('/models', version)) as {
        data: { id: string; type: string; display_name: string }[];
        has_more: boolean;
        first_id: string;
        last_id: string;
      };
      assert.deepEqual(
        [anthropic.has_more, anthropic.first_id, anthropic.last_id],
        [false, 'a', 'b/c'],
      );
      assert.deepEqual(
        anthropic.data.map(({ id, type }) => `${type} ${id}`),
        ['model a', 'model b/c'],
      );
      assert.equal(((await list('/models/b%2Fc')) as { id: string }).id, 'b/c');
      assert.equal(upstream.requests.length, 0, 'the provider was asked');
    } finally {
      await gateway.stop();
      await upstream.stop();
    }
  });
});

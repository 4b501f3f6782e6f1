/**
 * P-20: the queue for a provider's connections is bounded in length and time, in the order of arrival, and who does
 * not get in is told at once. Both numbers are shared out over the workers, so each test stays with one of them.
 */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import {
  connectToWorker,
  describeEngines,
  engineConfig,
  stopAll,
  waitForMetric,
} from '../helpers/engine-matrix.js';
import { type Gateway, startGateway } from '../helpers/gateway.js';
import { renderJson, renderRequest } from '../helpers/http-text.js';
import { assertPunctual, describeTimes } from '../helpers/measured-times.js';
import { sumMetric } from '../helpers/metrics-text.js';
import { MockUpstream, send, waitFor } from '../helpers/mock-upstream.js';
import type { RawClient } from '../helpers/raw-client.js';

const QUEUE_TIMEOUT_MS = 1000;

describeEngines('queue', 60_000, (engine) => {
  let upstream: MockUpstream;
  let gateway: Gateway;
  /** Lets the provider answer a request, by its target. */
  const gates = new Map<string, () => void>();

  before(async () => {
    upstream = await MockUpstream.start({
      script: ({ target }) => {
        const opened = new Promise<void>((resolve) => {
          gates.set(target, resolve);
        });
        return [waitFor(opened), send(renderJson({ target }))];
      },
    });
    gateway = await startGateway({
      workers: 2,
      config: engineConfig(
        engine,
        {
          // A connection and three waiting places for each worker.
          mock: {
            base_url: upstream.baseUrl,
            connections: { max: 2, queue: 6, queue_timeout: `${QUEUE_TIMEOUT_MS}ms` },
          },
        },
        { retry: { attempts: 1 } },
      ),
    });
  });

  after(() => stopAll(gateway, upstream));

  async function begin(target: string, worker: number): Promise<RawClient> {
    const client = await connectToWorker(gateway, worker);
    client.send(renderRequest({ target, body: '{"model":"mock"}' }));
    return client;
  }

  async function open(target: string): Promise<void> {
    await upstream.waitFor(() => (gates.has(target) ? true : undefined), 5000, target);
    gates.get(target)?.();
  }

  /** Takes a worker's connection and fills its queue, in order. */
  async function fill(name: string, worker: number, queued: number): Promise<RawClient[]> {
    const clients = [await begin(`/v1/${name}/0`, worker)];
    await upstream.waitFor(() => (gates.has(`/v1/${name}/0`) ? true : undefined), 5000, name);
    for (let place = 1; place <= queued; place++) {
      clients.push(await begin(`/v1/${name}/${place}`, worker));
      await waitForMetric(gateway, 'weir_queue_length', place, { provider: 'mock' });
    }
    return clients;
  }

  function assertRefusal(answer: Awaited<ReturnType<RawClient['readResponse']>>, code: string) {
    assert.equal(answer.status, 503);
    const { error } = answer.json() as { error: { code: string; type: string } };
    assert.deepEqual([error.code, error.type], [code, 'server_error']);
    assert.equal(answer.header('retry-after'), '1');
    assert.equal(answer.header('retry-after-ms'), '1000');
  }

  it('P-20 queue-is-served-out-of-order', async () => {
    const clients = await fill('order', 0, 3);
    for (const [place, client] of clients.entries()) {
      await open(`/v1/order/${place}`);
      const answer = await client.readResponse();
      assert.deepEqual(answer.json(), { target: `/v1/order/${place}` });
    }
    const served = upstream.requests
      .map(({ target }) => target)
      .filter((target) => target.includes('/order/'));
    assert.deepEqual(
      served,
      [0, 1, 2, 3].map((place) => `/v1/order/${place}`),
    );
    const used = upstream.requests.filter(({ target }) => target.includes('/order/'));
    assert.equal(new Set(used.map(({ connection }) => connection)).size, 1);
    for (const client of clients) client.destroy();
    await waitForMetric(gateway, 'weir_exchanges_in_flight', 0);
  });

  it('P-20 queue-grows-beyond-its-length', async () => {
    const clients = await fill('full', 0, 3);
    const askedAt = performance.now();
    const late = await begin('/v1/full/late', 0);
    const answer = await late.readResponse();
    assertRefusal(answer, 'queue_full');
    const tookMs = performance.now() - askedAt;
    assert.ok(tookMs < 250, `refused after ${tookMs} ms, should be at once`);
    const line = await gateway.waitForLog((entry) => entry['path'] === '/v1/full/late');
    const ended = line['ended'] as { by: string; reason: string };
    assert.deepEqual([ended.by, ended.reason], ['gateway', 'queue_full']);
    // The other worker has a connection of its own.
    const elsewhere = await begin('/v1/full/elsewhere', 1);
    await open('/v1/full/elsewhere');
    assert.equal((await elsewhere.readResponse()).status, 200);
    // Who was refused may come again on the same connection once there is room.
    for (const place of [0, 1, 2, 3]) {
      await open(`/v1/full/${place}`);
      assert.equal((await clients[place]?.readResponse())?.status, 200);
    }
    late.send(renderRequest({ target: '/v1/full/again', body: '{"model":"mock"}' }));
    await open('/v1/full/again');
    assert.equal((await late.readResponse()).status, 200);
    for (const client of [...clients, late, elsewhere]) client.destroy();
    await waitForMetric(gateway, 'weir_exchanges_in_flight', 0);
  });

  it('P-20 queued-for-ever', async () => {
    const [holder, ...queued] = await fill('slow', 0, 1);
    const times: number[] = [];
    for (const client of queued) {
      const answer = await client.readResponse();
      assertRefusal(answer, 'queue_timeout');
      const id = answer.header('x-weir-id');
      const line = await gateway.waitForLog((entry) => entry['id'] === id);
      const ended = { by: 'gateway', phase: 'queued', reason: 'queue_timeout' };
      assert.deepEqual(line['ended'], ended);
      times.push(Number(line['duration_ms']));
      client.destroy();
    }
    process.stdout.write(`${engine} queue_timeout of 1000 ms: ${describeTimes(times)}\n`);
    assertPunctual(times, QUEUE_TIMEOUT_MS, 'queue_timeout');
    await open('/v1/slow/0');
    assert.equal((await holder?.readResponse())?.status, 200);
    holder?.destroy();
    const seen = upstream.requests.filter(({ target }) => target.includes('/slow/'));
    assert.equal(seen.length, 1, 'what timed out in the queue must not be sent');
    await waitForMetric(gateway, 'weir_queue_length', 0, { provider: 'mock' });
    // Who waited in vain is among those that waited, with all of the time.
    const samples = await gateway.metrics();
    const sum = (name: string): number => sumMetric(samples, name, { provider: 'mock' });
    assert.ok(sum('weir_queue_wait_seconds_count') >= 1);
    assert.ok(sum('weir_queue_wait_seconds_sum') >= QUEUE_TIMEOUT_MS / 1000 - 0.05);
    assert.ok(sum('weir_upstream_connect_seconds_count') >= 1);
  });

  it('P-20 queue-stands-still-after-a-broken-connection', async () => {
    const clients = await fill('broken', 0, 2);
    const holder = upstream.requests.find(({ target }) => target === '/v1/broken/0');
    holder?.connection.noteOwnClose();
    // Without a byte of an answer the request would be sent again.
    holder?.connection.socket.end('HTTP/1.1 2');
    assert.equal((await clients[0]?.readResponse())?.status, 502);
    for (const place of [1, 2]) {
      await open(`/v1/broken/${place}`);
      assert.equal((await clients[place]?.readResponse())?.status, 200);
    }
    for (const client of clients) client.destroy();
    await waitForMetric(gateway, 'weir_exchanges_in_flight', 0);
  });
});

/**
 * Requests that one turn of the loop reads are passed on in a row at its end. In between their bodies lie beside each other
 * in memory of Weir's own, and their clients may go.
 */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { describeEngines, engineConfig, waitForMetric } from '../helpers/engine-matrix.js';
import { type Gateway, startGateway } from '../helpers/gateway.js';
import { renderRequest } from '../helpers/http-text.js';
import { MockUpstream } from '../helpers/mock-upstream.js';
import { RawClient } from '../helpers/raw-client.js';
import { createRandom } from '../helpers/seeded-random.js';

const random = createRandom();
const CLIENTS = 48;
const ROUNDS = 6;
/** Into a small place, at its edge, into a large one, beyond it; the last ones come in several pieces. */
const SIZES = [0, 10, 900, 7_000, 7_168, 7_169, 30_000, 64_512, 64_600, 150_000, 700_000];

describeEngines('many requests at a time', 120_000, (engine) => {
  let upstream: MockUpstream;
  let gateway: Gateway;

  before(async () => {
    upstream = await MockUpstream.start();
    const providers = { mock: { base_url: upstream.baseUrl } };
    gateway = await startGateway({ config: { ...engineConfig(engine, providers), workers: 1 } });
  });

  after(async () => {
    await gateway?.stop();
    assert.deepEqual(upstream?.violations, []);
    await upstream?.stop();
  });

  function renderCall(id: string, size: number): { wire: Buffer; body: Buffer } {
    const filling = random.bytes(size >> 1).toString('hex');
    const body = Buffer.from(`{"model":"mock","id":"${id}","filling":"${filling}"}`);
    const headers = [['x-test-id', id]] as const;
    return { wire: renderRequest({ target: '/v1/chat/completions', headers, body }), body };
  }

  it('P-15 bodies-that-were-read-in-one-turn-are-mixed-up', async () => {
    const clients = await Promise.all(
      Array.from({ length: CLIENTS }, () => RawClient.connect({ port: gateway.port })),
    );
    const sent = new Map<string, Buffer>();
    const from = upstream.requests.length;
    for (let round = 0; round < ROUNDS; round += 1) {
      const wires = clients.map((_, at) => {
        const id = `${round}-${at}`;
        const { wire, body } = renderCall(id, SIZES[random.integer(0, SIZES.length - 1)]!);
        sent.set(id, body);
        return wire;
      });
      for (const [at, client] of clients.entries()) client.send(wires[at]!);
      for (const client of clients) assert.equal((await client.readResponse()).status, 200);
    }
    const received = upstream.requests.slice(from);
    assert.equal(received.length, CLIENTS * ROUNDS);
    for (const request of received) {
      const id = request.all('x-test-id')[0] ?? '';
      assert.ok(request.body.equals(sent.get(id) ?? Buffer.alloc(0)), `${id}, seed ${random.seed}`);
    }
    for (const client of clients) client.destroy();
    await waitForMetric(gateway, 'weir_body_bytes_held', 0);
  });

  it('P-12 clients-leave-while-their-requests-wait-for-the-end-of-the-turn', async () => {
    const clients = await Promise.all(
      Array.from({ length: CLIENTS }, () => RawClient.connect({ port: gateway.port })),
    );
    const from = upstream.requests.length;
    clients.forEach((client, at) => {
      client.send(renderCall(`left-${at}`, 900).wire);
      if (at % 2 === 1) client.reset();
    });
    const staying = clients.filter((_, at) => at % 2 === 0);
    for (const client of staying) assert.equal((await client.readResponse()).status, 200);
    await waitForMetric(gateway, 'weir_exchanges_in_flight', 0);
    await waitForMetric(gateway, 'weir_body_bytes_held', 0);
    const ids = upstream.requests.slice(from).map((request) => request.all('x-test-id')[0]);
    assert.equal(new Set(ids).size, ids.length, 'none is passed on twice');
    for (const client of staying) client.destroy();
  });
});

/** P-20: connections are bounded, of the whole gateway and of each address; one too many is closed before it is read. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { makeCertificate } from '../helpers/certificates.js';
import { ScratchFolder } from '../helpers/command.js';
import { readMetric, stopAll, waitForMetric } from '../helpers/engine-matrix.js';
import { type Gateway, proxyConfig, startGateway } from '../helpers/gateway.js';
import { renderRequest } from '../helpers/http-text.js';
import { MockUpstream } from '../helpers/mock-upstream.js';
import { hasProgram, skipUnless } from '../helpers/need.js';
import { pollUntil } from '../helpers/poll.js';
import { RawClient } from '../helpers/raw-client.js';

const REQUEST = renderRequest({ body: '{"model":"m"}', target: '/v1/chat/completions' });

/** A connection that stays open for the test, or null where it is closed without an answer. */
async function tryFrom(gateway: Gateway, localAddress = '127.0.0.1'): Promise<RawClient | null> {
  const client = await RawClient.connect({ port: gateway.port, localAddress });
  client.send(REQUEST);
  const answer = await client.readResponseOrClose().catch(() => null);
  if (answer === null) {
    client.destroy();
    return null;
  }
  assert.equal(answer.status, 200);
  return client;
}

describe('connections of the whole gateway', { timeout: 60_000 }, () => {
  const MAX = 6;
  let upstream: MockUpstream;
  let gateway: Gateway;

  before(async () => {
    upstream = await MockUpstream.start();
    gateway = await startGateway({
      workers: 2,
      config: proxyConfig(upstream.baseUrl, { clients: { connections: MAX } }),
    });
  });

  after(() => stopAll(gateway, upstream));

  it('P-20 more connections are open over two workers than `clients.connections`, or fewer', async () => {
    const open: RawClient[] = [];
    for (let i = 0; i < MAX; i += 1) {
      const client = await tryFrom(gateway);
      assert.ok(client !== null, `connection ${i + 1} of ${MAX}`);
      open.push(client);
    }
    for (let i = 0; i < 3; i += 1) assert.equal(await tryFrom(gateway), null);
    assert.equal(
      await readMetric(gateway, 'weir_connections_refused_total', { reason: 'connections' }),
      3,
    );
    open.pop()?.destroy();
    await waitForMetric(gateway, 'weir_connections_open', MAX - 1);
    const next = await tryFrom(gateway);
    assert.ok(next !== null, 'after one has gone another may come');
    for (const client of [...open, next]) {
      client.send(REQUEST);
      assert.equal((await client.readResponse()).status, 200, 'those that were there go on');
      client.destroy();
    }
  });
});

describe('connections of one address', { timeout: 60_000 }, () => {
  const MAX = 4;
  const [CROWD, OTHER] = ['127.0.0.7', '127.0.0.8'];
  let upstream: MockUpstream;
  let gateway: Gateway;
  const open: RawClient[] = [];

  before(async () => {
    upstream = await MockUpstream.start();
    gateway = await startGateway({
      workers: 2,
      config: proxyConfig(upstream.baseUrl, { clients: { connections_per_address: MAX } }),
    });
  });

  after(async () => {
    for (const client of open) client.destroy();
    await stopAll(gateway, upstream);
  });

  it('P-20 an address with too many connections gets more, another is refused for it, or it stays refused', async () => {
    for (let i = 0; i < MAX; i += 1) {
      const client = await tryFrom(gateway, CROWD);
      assert.ok(client !== null, `connection ${i + 1} of ${MAX}`);
      open.push(client);
    }
    await pollUntil(
      async () => {
        const client = await tryFrom(gateway, CROWD);
        client?.destroy();
        return client === null;
      },
      10_000,
      'the crowd to be noticed',
    );
    const other = await tryFrom(gateway, OTHER);
    assert.ok(other !== null, 'another address');
    open.push(other);
    assert.ok(
      (await readMetric(gateway, 'weir_connections_refused_total', { reason: 'address' })) > 0,
    );
    open[0]?.destroy();
    open[1]?.destroy();
    await pollUntil(
      async () => {
        const client = await tryFrom(gateway, CROWD);
        client?.destroy();
        return client !== null;
      },
      10_000,
      'the address to be served again',
    );
  });
});

describe('connections over TLS', {
  timeout: 60_000,
  skip: skipUnless(hasProgram('openssl'), 'openssl'),
}, () => {
  const scratch = new ScratchFolder();
  let upstream: MockUpstream;
  let gateway: Gateway;

  before(async () => {
    upstream = await MockUpstream.start();
    const tls = makeCertificate(scratch.path, 'weir');
    gateway = await startGateway({
      workers: 1,
      config: proxyConfig(upstream.baseUrl, {
        listen: { host: '127.0.0.1', port: 0, tls },
        clients: { connections: 1 },
      }),
    });
  });

  after(() => stopAll(gateway, upstream));

  const handshake = (): Promise<{ name: string; end: () => void }> =>
    new Promise((resolve) => {
      const options = { port: gateway.port, host: '127.0.0.1', rejectUnauthorized: false };
      const socket = connectTls(options, () => {
        resolve({ name: 'open', end: () => socket.destroy() });
      });
      socket.on('error', () => resolve({ name: 'closed', end: () => socket.destroy() }));
      socket.on('close', () => resolve({ name: 'closed', end: () => {} }));
    });

  it('P-20 a connection too many costs a handshake, or ends the process', async () => {
    const first = await handshake();
    assert.equal(first.name, 'open');
    for (let i = 0; i < 20; i += 1) assert.equal((await handshake()).name, 'closed');
    first.end();
    await waitForMetric(gateway, 'weir_connections_open', 0);
    const next = await handshake();
    assert.equal(next.name, 'open');
    next.end();
  });
});

/** Providers behind an HTTP proxy: the tunnel, its refusals, and that nobody learns the proxy's password. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createServer } from 'node:tls';
import { BOUNDS } from '../../../src/core/bounds.js';
import { makeCertificate } from '../../helpers/certificates.js';
import { ConnectProxy } from '../../helpers/connect-proxy.js';
import { ENGINES, type EngineName, ProviderHarness } from '../../helpers/engine-harness.js';
import { renderJson } from '../../helpers/http-text.js';
import { MockUpstream, rst, send } from '../../helpers/mock-upstream.js';

const PASSWORD = 'p%40ss-word';

function start(
  engine: EngineName,
  port: number,
  proxyPort: number,
  options: { connectMs?: number; user?: string } = {},
): ProviderHarness {
  const { user = `me:${PASSWORD}@`, ...rest } = options;
  return new ProviderHarness(engine, port, {
    baseUrl: `http://provider.test:${port}/v1`,
    proxyUrl: `http://${user}127.0.0.1:${proxyPort}`,
    ...rest,
  });
}

for (const engine of ENGINES) {
  test(`${engine}: a provider in clear text is reached through a tunnel, which is kept`, async () => {
    const upstream = await MockUpstream.start();
    const proxy = await ConnectProxy.start();
    const harness = start(engine, upstream.port, proxy.port);
    const body = Buffer.alloc(300_000, 'x');
    for (let i = 0; i < 3; i += 1) {
      const call = await harness
        .call({ method: 'POST', pieces: [body], bodyBytes: body.length })
        .over();
      assert.equal(call.failure, null);
      assert.deepEqual(JSON.parse(call.body.toString()), { ok: true });
    }
    const credentials = Buffer.from('me:p@ss-word').toString('base64');
    assert.deepEqual(proxy.heads, [
      `CONNECT provider.test:${upstream.port} HTTP/1.1\r\nhost: provider.test:${upstream.port}\r\nproxy-authorization: Basic ${credentials}\r\n\r\n`,
    ]);
    assert.equal(upstream.requests[2]?.body.length, body.length);
    assert.ok(!JSON.stringify(upstream.requests[0]?.headers).includes('proxy'));
    harness.provider.close();
    await harness.waitForOpen(0);
    await proxy.stop();
    await upstream.stop();
  });

  test(`${engine}: an answer longer than any read comes through a tunnel whole`, async () => {
    const big = 'y'.repeat(3_000_000);
    const upstream = await MockUpstream.start({ script: () => [send(renderJson({ big }))] });
    const proxy = await ConnectProxy.start();
    const harness = start(engine, upstream.port, proxy.port, { user: '' });
    const call = await harness.call().over();
    assert.equal(call.body.length, big.length + 10);
    assert.ok(!proxy.heads[0]?.includes('authorization'));
    harness.provider.close();
    await proxy.stop();
    await upstream.stop();
  });

  test(`${engine}: a provider with TLS is spoken to through the tunnel, and the proxy reads nothing`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'weir-proxy-'));
    const own = makeCertificate(folder, 'own');
    const [cert, key] = [readFileSync(own.cert, 'latin1'), readFileSync(own.key, 'latin1')];
    rmSync(folder, { recursive: true, force: true });
    const resumed: boolean[] = [];
    const server = createServer({ cert, key }, (socket) => {
      resumed.push(socket.isSessionReused());
      socket.on('error', () => {});
      socket.on('data', () =>
        socket.write('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok'),
      );
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    const proxy = await ConnectProxy.start();
    const harness = new ProviderHarness(engine, 0, {
      baseUrl: `https://provider.test:${address.port}/v1`,
      proxyUrl: `http://127.0.0.1:${proxy.port}`,
      dialing: { tls: { ca: cert, cert: null, key: null } },
    });
    for (let i = 0; i < 3; i += 1) {
      const call = await harness.call().over();
      assert.equal(call.failure, null);
      assert.equal(call.body.toString(), 'ok');
      await harness.waitForOpen(0);
    }
    assert.deepEqual(resumed, [false, true, true]);
    harness.provider.close();
    await proxy.stop();
    await new Promise((resolve) => server.close(resolve));
  });

  test(`${engine}: a proxy that refuses, talks nonsense or leaves: the call is refused, and no secret told`, async () => {
    const tooLong = `HTTP/1.1 200 OK\r\nx-a: ${'a'.repeat(BOUNDS.proxyHeadBytesMax)}`;
    for (const [answer, said] of [
      [`HTTP/1.1 407 ${PASSWORD}\r\n\r\n`, 'answered 407'],
      ['HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n', 'answered 503'],
      ['HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n', 'no valid answer'],
      ['SSH-2.0-OpenSSH_9.2p1\r\n\r\n', 'no valid answer'],
      [tooLong, 'no valid answer'],
      [null, 'no valid answer'],
    ] as const) {
      const proxy = await ConnectProxy.start(() => {
        if (answer === null) for (const socket of proxy.sockets) socket.destroy();
        return answer;
      });
      const harness = start(engine, 1, proxy.port);
      const call = await harness.call().over();
      assert.equal(call.failureCode, 'upstream_refused');
      const text = String(call.failure);
      assert.ok(text.includes('the proxy refused') && text.includes(said), text);
      assert.ok(!text.includes('ss-word') && !text.includes('me:'), text);
      assert.equal(harness.openConnections, 0);
      await closedSockets(proxy);
      harness.provider.close();
      await proxy.stop();
    }
  });

  test(`${engine}: timeouts.connect and a caller who leaves end the wait for a proxy that says nothing`, async () => {
    const proxy = await ConnectProxy.start(() => null);
    const harness = start(engine, 1, proxy.port, { connectMs: 60 });
    assert.equal((await harness.call().over()).failureCode, 'connect_timeout');
    await closedSockets(proxy);
    const gone = harness.call();
    while (proxy.heads.length < 2) await new Promise((resolve) => setImmediate(resolve));
    gone.call?.cancel();
    await closedSockets(proxy);
    assert.deepEqual(gone.events, []);
    assert.equal(harness.openConnections, 0);
    harness.provider.close();
    await proxy.stop();
  });

  test(`${engine}: P-23 a tunnel that has become stale is not the caller's error`, async () => {
    const upstream = await MockUpstream.start({
      script: (_request, number) => (number === 1 ? [rst()] : [send(renderJson({ ok: true }))]),
    });
    const proxy = await ConnectProxy.start();
    const harness = start(engine, upstream.port, proxy.port);
    await harness.call().over();
    assert.equal((await harness.call().over()).failure, null);
    assert.equal(proxy.heads.length, 2);
    harness.provider.close();
    await proxy.stop();
    await upstream.stop();
  });
}

async function closedSockets(proxy: ConnectProxy): Promise<void> {
  await Promise.all(
    [...proxy.sockets].map((socket) =>
      socket.closed ? true : new Promise((resolve) => socket.once('close', resolve)),
    ),
  );
}

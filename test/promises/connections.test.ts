/**
 * P-23, and what an operator configures for connections, through a whole gateway: own authority and client certificate,
 * a proxy whose password nobody learns, connections in advance, and stale ones that no caller notices.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createServer } from 'node:tls';
import { makeCertificate, signCertificate } from '../helpers/certificates.js';
import { ConnectProxy } from '../helpers/connect-proxy.js';
import { readMetric } from '../helpers/engine-matrix.js';
import { type ConfigText, isGatewayBuilt, spawnGateway, startGateway } from '../helpers/gateway.js';
import { renderJson, renderRequest } from '../helpers/http-text.js';
import { MockUpstream, rst, send } from '../helpers/mock-upstream.js';
import { skipUnless } from '../helpers/need.js';
import { RawClient } from '../helpers/raw-client.js';

const skip = skipUnless(isGatewayBuilt(), 'dist, by npm run build');
const PASSWORD = 'Zs3cr3t-of-the-proxy';

let folder = '';
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-connections-'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

function configOf(provider: ConfigText): ConfigText {
  return {
    providers: { p: { dialect: 'openai', ...provider } },
    models: { '*': { provider: 'p' } },
  };
}

async function ask(port: number): Promise<{ status: number; text: string }> {
  const client = await RawClient.connect({ port });
  client.send(renderRequest({ target: '/v1/chat/completions', body: '{"model":"m"}' }));
  const { status, text } = await client.readResponse({ timeoutMs: 5000 });
  client.destroy();
  return { status, text };
}

test('P-23 upstream-closes-kept-connections: no caller notices', { skip }, async () => {
  const upstream = await MockUpstream.start({
    script: (_request, number) => (number % 3 === 1 ? [rst()] : [send(renderJson({ ok: true }))]),
  });
  const gateway = await startGateway({
    workers: 1,
    config: configOf({ base_url: upstream.baseUrl }),
  });
  for (let i = 0; i < 30; i += 1) {
    const { status, text } = await ask(gateway.port);
    assert.equal(status, 200, text);
  }
  assert.ok(upstream.requests.length > 40);
  const replays = await readMetric(gateway, 'weir_stale_replays_total', { provider: 'p' });
  assert.equal(replays, upstream.requests.length - 30);
  assert.deepEqual(upstream.violations, []);
  await gateway.stop();
  await upstream.stop();
});

test('a provider with its own authority that asks for a certificate', { skip }, async () => {
  const authority = makeCertificate(folder, 'authority');
  const [own, client] = ['server', 'client'].map((name) =>
    signCertificate(folder, name, authority),
  );
  assert.ok(own && client);
  const [ca, cert, key] = [authority.cert, own.cert, own.key].map((file) => readFileSync(file));
  const names: unknown[] = [];
  const server = createServer(
    { ca: ca ?? '', cert: cert ?? '', key: key ?? '', requestCert: true, rejectUnauthorized: true },
    (socket) => {
      names.push(socket.getPeerCertificate().subject.CN);
      socket.on('error', () => {});
      socket.on('data', () => socket.write(renderJson({ ok: true })));
    },
  );
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const gateway = await startGateway({
    workers: 2,
    config: configOf({
      base_url: `https://localhost:${address.port}/v1`,
      tls: { ca: authority.cert, cert: client.cert, key: client.key },
    }),
  });
  const { status, text } = await ask(gateway.port);
  assert.equal(status, 200, text);
  assert.deepEqual(names, ['client']);
  await gateway.stop();
  server.close();
});

test('a key that does not belong to its certificate refuses the start in one line', {
  skip,
}, async () => {
  const [one, two] = [makeCertificate(folder, 'one'), makeCertificate(folder, 'two')];
  const gateway = spawnGateway({
    config: configOf({ base_url: 'https://a.test', tls: { cert: one.cert, key: two.key } }),
  });
  assert.deepEqual(await gateway.waitForExit(10_000), { code: 2, signal: null });
  assert.equal(
    gateway.stderr,
    `weir: providers.p.tls.key: ${two.key}: does not belong to the certificate of tls.cert\n`,
  );
});

test('the password of a proxy is in no log line, no answer and no metric', { skip }, async () => {
  const upstream = await MockUpstream.start();
  let isOpen = true;
  const proxy = await ConnectProxy.start(() =>
    isOpen ? 'tunnel' : `HTTP/1.1 407 ${PASSWORD}\r\ncontent-length: 0\r\n\r\n`,
  );
  const gateway = await startGateway({
    workers: 1,
    config: {
      ...configOf({
        base_url: upstream.baseUrl,
        proxy_url: `http://me:${PASSWORD}@127.0.0.1:${proxy.port}`,
        connections: { keep_alive: '50ms' },
      }),
      log: { level: 'trace' },
    },
  });
  assert.equal((await ask(gateway.port)).status, 200);
  assert.match(proxy.heads[0] ?? '', /^CONNECT 127\.0\.0\.1:\d+ /);
  isOpen = false;
  await upstream.connections[0]?.waitForClose();
  const refused = await ask(gateway.port);
  assert.equal(refused.status, 502);
  assert.match(refused.text, /the proxy refused \(it answered 407\)/);
  await gateway.waitForAccessLines(2);
  const told = [
    refused.text,
    JSON.stringify(gateway.logs),
    JSON.stringify(await gateway.metrics()),
    gateway.stderr,
    ...gateway.strayLines,
  ].join('\n');
  const encoded = Buffer.from(`me:${PASSWORD}`).toString('base64');
  for (const secret of [PASSWORD, encoded]) assert.ok(!told.includes(secret));
  await gateway.stop();
  await proxy.stop();
  await upstream.stop();
});

test('connections.warm are there before the first request, and end with the gateway', {
  skip,
}, async () => {
  const upstream = await MockUpstream.start();
  const gateway = await startGateway({
    workers: 2,
    config: configOf({
      base_url: upstream.baseUrl,
      connections: { warm: 5, keep_alive: '60s' },
    }),
  });
  // Three for each worker.
  await upstream.waitForConnection(5);
  assert.equal((await ask(gateway.port)).status, 200);
  assert.equal(upstream.connections.length, 6);
  await gateway.stop();
  assert.equal(upstream.openConnections.length, 0);
  await upstream.stop();
});

import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { probeAddress } from '../../../src/primary/endpoint.js';

/** Of `ip_local_port_range`, as Linux has it by default. */
const OUTGOING_FROM = 32_768;

test('a port that is chosen can be taken by an outgoing connection before a worker listens there', async () => {
  const ports = await Promise.all(
    Array.from({ length: 20 }, () => probeAddress({ host: '127.0.0.1', port: 0 })),
  );
  for (const port of ports) {
    assert.ok(port >= 10_000 && port < OUTGOING_FROM, String(port));
  }
  assert.ok(new Set(ports).size > 1);
});

test('a port that is chosen is in use, or an address that is none is not told of', async () => {
  const port = await probeAddress({ host: '127.0.0.1', port: 0 });
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.on('error', reject).listen({ host: '127.0.0.1', port, exclusive: true }, resolve);
  });
  await assert.rejects(probeAddress({ host: '127.0.0.1', port }), /the port is in use/);
  server.close();
  await assert.rejects(
    probeAddress({ host: '192.0.2.1', port: 0 }),
    /192\.0\.2\.1:0: this machine has no such address/,
  );
});

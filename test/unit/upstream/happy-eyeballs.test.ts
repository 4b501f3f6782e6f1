/** Providers with several addresses, on real sockets: 127.0.0.0/8 is all this machine's. */
import assert from 'node:assert/strict';
import { createServer, type Server, type Socket } from 'node:net';
import { test } from 'node:test';
import type { Lookup } from '../../../src/upstream/addresses.js';
import { ENGINES, type EngineName, ProviderHarness } from '../../helpers/engine-harness.js';
import { renderJson } from '../../helpers/http-text.js';

/** RFC 5737: packets to it get no answer, or none that comes soon. */
const NOBODY = '192.0.2.1';

class Listener {
  connections = 0;
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  port = 0;

  private constructor(name: string) {
    this.#server = createServer((socket) => {
      this.connections += 1;
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('data', () => socket.write(renderJson({ name })));
    });
  }

  static async start(host: string, port = 0): Promise<Listener> {
    const listener = new Listener(host);
    await new Promise<void>((resolve) => {
      listener.#server.listen({ host, port }, resolve);
    });
    const address = listener.#server.address();
    assert.ok(address !== null && typeof address === 'object');
    listener.port = address.port;
    return listener;
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

function resolveTo(hosts: readonly string[]): Lookup {
  return (_host, callback) =>
    callback(
      null,
      hosts.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
}

function start(engine: EngineName, port: number, lookup: Lookup, dnsTtlMs = 0): ProviderHarness {
  const baseUrl = `http://provider.test:${port}/v1`;
  return new ProviderHarness(engine, port, { baseUrl, dialing: { lookup, dnsTtlMs } });
}

async function answererOf(harness: ProviderHarness): Promise<unknown> {
  const call = await harness.call().over();
  assert.equal(call.failure, null);
  return (JSON.parse(call.body.toString()) as { name: string }).name;
}

for (const engine of ENGINES) {
  test(`${engine}: an address that refuses, or is of a family without a way, costs no call`, async () => {
    const server = await Listener.start('127.0.0.2');
    const lookup = resolveTo(['::1', '127.0.0.1', '127.0.0.2']);
    const harness = start(engine, server.port, lookup);
    assert.equal(await answererOf(harness), '127.0.0.2');
    harness.provider.close();
    await harness.waitForOpen(0);
    await server.stop();
  });

  test(`${engine}: an address that can't be reached costs no call`, async () => {
    const server = await Listener.start('127.0.0.1');
    const harness = start(engine, server.port, resolveTo([NOBODY, '127.0.0.1']));
    assert.equal(await answererOf(harness), '127.0.0.1');
    harness.provider.close();
    await harness.waitForOpen(0);
    await server.stop();
  });

  test(`${engine}: where no address can be connected to the call is refused, once`, async () => {
    const server = await Listener.start('127.0.0.1');
    await server.stop();
    const harness = start(engine, server.port, resolveTo(['127.0.0.1', '127.0.0.2', '::1']));
    const call = await harness.call().over();
    assert.equal(call.failureCode, 'upstream_refused');
    assert.equal(call.events.length, 1);
    assert.equal(harness.openConnections, 0);
    harness.provider.close();
  });

  test(`${engine}: a name that can't be looked up refuses the call, as soon as that is known`, async () => {
    const harness = start(engine, 1, (_host, callback) =>
      setImmediate(() => callback(Object.assign(new Error('x'), { code: 'EAI_AGAIN' }), [])),
    );
    const call = await harness.call().over();
    assert.equal(call.failureCode, 'upstream_refused');
    assert.match(String(call.failure), /EAI_AGAIN/);
    assert.equal(harness.openConnections, 0);
    harness.provider.close();
  });

  test(`${engine}: a caller who leaves while addresses are tried ends all attempts`, async () => {
    const harness = start(engine, 1, resolveTo([NOBODY, '192.0.2.2', '192.0.2.3']));
    const call = harness.call();
    call.call?.cancel();
    assert.equal(harness.openConnections, 0);
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.deepEqual(call.events, []);
    harness.provider.close();
  });

  test(`${engine}: when the name moves on, idle connections to the old address are not used again`, async () => {
    const first = await Listener.start('127.0.0.1');
    const second = await Listener.start('127.0.0.2', first.port);
    let hosts = ['127.0.0.1'];
    let lookups = 0;
    const harness = start(
      engine,
      first.port,
      (host, callback) => {
        lookups += 1;
        resolveTo(hosts)(host, callback);
      },
      5,
    );
    assert.equal(await answererOf(harness), '127.0.0.1');
    hosts = ['127.0.0.2'];
    let name: unknown = '127.0.0.1';
    // Every use of a connection has the name looked up anew, after the time for which an answer is believed.
    for (let tries = 0; tries < 200 && name === '127.0.0.1'; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      name = await answererOf(harness);
    }
    assert.equal(name, '127.0.0.2');
    assert.ok(lookups >= 3);
    assert.equal(first.connections, 1);
    await harness.waitForOpen(1);
    harness.provider.close();
    await harness.waitForOpen(0);
    await first.stop();
    await second.stop();
  });
}

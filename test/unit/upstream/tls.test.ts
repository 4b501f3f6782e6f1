/** TLS to providers, against real TLS servers: whom Weir trusts, who it says it is, and that sessions are resumed. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls';
import type { TlsMaterial } from '../../../src/config/model.js';
import { type Certificate, makeCertificate, signCertificate } from '../../helpers/certificates.js';
import { ENGINES, type EngineName, ProviderHarness } from '../../helpers/engine-harness.js';

let folder = '';
let authority: Certificate;
let server: Certificate;
let client: Certificate;
let stranger: Certificate;

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-tls-'));
  authority = makeCertificate(folder, 'authority');
  server = signCertificate(folder, 'server', authority);
  client = signCertificate(folder, 'client', authority);
  stranger = makeCertificate(folder, 'stranger');
});

after(() => rmSync(folder, { recursive: true, force: true }));

const read = (file: string): string => readFileSync(file, 'latin1');

function trusting(ca: Certificate, own: Certificate | null = null): TlsMaterial {
  return {
    ca: read(ca.cert),
    cert: own === null ? null : read(own.cert),
    key: own === null ? null : read(own.key),
  };
}

class TlsProvider {
  readonly sockets: TLSSocket[] = [];
  /** For each connection, as it was when its handshake was over. */
  readonly resumed: boolean[] = [];
  readonly #server: Server;
  port = 0;

  private constructor(options: TlsOptions, closes: boolean) {
    const own = { cert: read(server.cert), key: read(server.key), ca: read(authority.cert) };
    this.#server = createServer({ ...own, ...options }, (socket) => {
      this.sockets.push(socket);
      this.resumed.push(socket.isSessionReused());
      socket.on('error', () => {});
      socket.on('data', () => {
        const headers = closes ? 'connection: close\r\n' : '';
        socket.write(`HTTP/1.1 200 OK\r\n${headers}content-length: 2\r\n\r\nok`);
      });
    });
    this.#server.on('tlsClientError', () => {});
  }

  static async start(options: TlsOptions = {}, closes = false): Promise<TlsProvider> {
    const provider = new TlsProvider(options, closes);
    await new Promise<void>((resolve) => {
      provider.#server.listen(0, '127.0.0.1', resolve);
    });
    const address = provider.#server.address();
    assert.ok(address !== null && typeof address === 'object');
    provider.port = address.port;
    return provider;
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }
}

function start(
  engine: EngineName,
  { port }: TlsProvider,
  tls: TlsMaterial | null,
  host = 'provider.test',
): ProviderHarness {
  return new ProviderHarness(engine, port, {
    baseUrl: `https://${host}:${port}/v1`,
    dialing: {
      tls,
      lookup: (_name, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]),
    },
  });
}

for (const engine of ENGINES) {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`${engine}: with ${version} further connections resume the session of the first`, async () => {
      const limits = { minVersion: version, maxVersion: version };
      const provider = await TlsProvider.start(limits, true);
      const harness = start(engine, provider, trusting(authority));
      for (let i = 0; i < 4; i += 1) {
        const call = await harness.call().over();
        assert.equal(call.failure, null);
        assert.equal(call.body.toString(), 'ok');
        await harness.waitForOpen(0);
      }
      assert.deepEqual(provider.resumed, [false, true, true, true]);
      harness.provider.close();
      await provider.stop();
    });
  }

  test(`${engine}: an own authority is trusted, by name and by address, and no other is`, async () => {
    const provider = await TlsProvider.start();
    for (const [tls, host, code] of [
      [trusting(authority), 'provider.test', null],
      [trusting(authority), '127.0.0.1', null],
      [trusting(authority), 'other.test', 'upstream_refused'],
      [trusting(stranger), 'provider.test', 'upstream_refused'],
      [null, 'provider.test', 'upstream_refused'],
    ] as const) {
      const harness = start(engine, provider, tls, host);
      const call = await harness.call().over();
      assert.equal(call.failureCode, code, `${host}: ${String(call.failure)}`);
      harness.provider.close();
      await harness.waitForOpen(0);
    }
    await provider.stop();
  });

  test(`${engine}: a provider that asks for a certificate gets the configured one, and is told nothing without`, async () => {
    const provider = await TlsProvider.start({ requestCert: true, rejectUnauthorized: true });
    const known = start(engine, provider, trusting(authority, client));
    const call = await known.call().over();
    assert.equal(call.failure, null);
    assert.equal(provider.sockets[0]?.getPeerCertificate().subject.CN, 'client');
    known.provider.close();
    for (const own of [null, stranger]) {
      const unknown = start(engine, provider, trusting(authority, own));
      const refused = await unknown.call().over();
      assert.match(String(refused.failureCode), /^upstream_(?:refused|reset)$/);
      unknown.provider.close();
      await unknown.waitForOpen(0);
    }
    await provider.stop();
  });

  test(`${engine}: P-23 a stale connection with TLS is as little the caller's error as one without`, async () => {
    const provider = await TlsProvider.start();
    const harness = start(engine, provider, trusting(authority));
    await harness.call().over();
    for (let round = 0; round < 20; round += 1) {
      const [socket] = provider.sockets.splice(0);
      socket?.removeAllListeners('data');
      socket?.on('data', () => socket.destroy());
      const call = await harness.call().over();
      assert.equal(call.failure, null);
      assert.equal(call.events.filter((event) => event === 'sent').length, 2);
      assert.equal(call.body.toString(), 'ok');
      await harness.waitForOpen(1);
    }
    harness.provider.close();
    await provider.stop();
  });
}

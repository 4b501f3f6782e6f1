/** A gateway behind balancers that speak the PROXY protocol, where Node and the binary can; else it does not start. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { startBalancer } from '../helpers/balancer.js';
import { type Certificate, makeCertificate } from '../helpers/certificates.js';
import { runWeir, ScratchFolder } from '../helpers/command.js';
import { type ConfigText, type Gateway, type LogLine, startGateway } from '../helpers/gateway.js';
import { renderStream, startLoadUpstream } from '../helpers/load.js';
import type { MockUpstream } from '../helpers/mock-upstream.js';
import { hasProgram, skipUnless } from '../helpers/need.js';
import { TCP_4, TCP_6, V1, version2 } from '../helpers/proxy-headers.js';
import { RawClient } from '../helpers/raw-client.js';
import { turnTo } from '../helpers/reload.js';

const SPEAKS_PROXY = Number(process.versions.node.split('.')[0]) >= 24;
const PROXY = '127.0.0.7';
const STRANGER = '127.0.0.8';
const V2 = version2({ address: TCP_4, tlvBytes: 72 });
const MODELS = '/v1/models';
const ASK = `GET ${MODELS} HTTP/1.1\r\nhost: weir.test\r\n\r\n`;
const SHAPE = { events: 30, paceMs: 40 };

function configOf(baseUrl: string, own: ConfigText = {}): ConfigText {
  return {
    listen: { host: '127.0.0.1', port: 0, proxy_protocol: 'either' },
    trusted_proxies: [PROXY],
    log: { client: 'on' },
    providers: { mock: { dialect: 'openai', base_url: baseUrl } },
    models: { '*': { provider: 'mock' } },
    ...own,
  };
}

describe('gateway behind balancers', { timeout: 60_000 }, () => {
  const scratch = new ScratchFolder();
  let upstream: MockUpstream;

  before(async () => {
    upstream = await startLoadUpstream(SHAPE);
  });

  after(async () => {
    await upstream?.stop();
    scratch.remove();
  });

  if (!SPEAKS_PROXY) {
    it('started-where-it-can-not-be-spoken', async () => {
      const config = { ...configOf('http://127.0.0.1:9/v1'), admin: '127.0.0.1:0', workers: 2 };
      const file = scratch.write('weir.yaml', JSON.stringify(config));
      const { code, stderr } = await runWeir(['--config', file]);
      assert.equal(code, 2);
      assert.match(stderr, /^weir: listen\.proxy_protocol needs Node 22\.12 or newer; [^\n]+\n$/);
    });
    return;
  }

  it('acceptor-is-started-with-it', async () => {
    const own = { accept: 'acceptor', admin: '127.0.0.1:0', workers: 2 };
    const config = { ...configOf('http://127.0.0.1:9/v1'), ...own };
    const file = scratch.write('weir.yaml', JSON.stringify(config));
    const { code, stderr } = await runWeir(['--config', file]);
    assert.equal(code, 2);
    assert.match(stderr, /accept: acceptor does not work with listen\.proxy_protocol/);
  });

  describe('in the clear', () => {
    let gateway: Gateway;

    before(async () => {
      gateway = await startGateway({ config: configOf(upstream.baseUrl), workers: 2 });
    });

    after(() => gateway?.kill());

    async function open(from: string, first: Buffer | string, lines = ''): Promise<RawClient> {
      const client = await RawClient.connect({ port: gateway.port, localAddress: from });
      const request = `GET ${MODELS} HTTP/1.1\r\nhost: weir.test\r\n${lines}\r\n`;
      client.send(Buffer.concat([Buffer.from(first as string), Buffer.from(request)]));
      return client;
    }

    async function readClient(client: RawClient): Promise<unknown> {
      const answer = await client.readResponse();
      const id = answer.header('x-weir-id');
      const line: LogLine = await gateway.waitForLog((entry) => entry['id'] === id);
      return line['client'];
    }

    it('P-22 client-is-somebody-else', async () => {
      const forwarded = 'x-forwarded-for: 198.51.100.9\r\n';
      const v6 = version2({ family: 0x21, address: TCP_6 });
      const local = version2({ command: 0, family: 0, address: Buffer.alloc(0) });
      const cases: readonly (readonly [string, Buffer | string, string, string])[] = [
        [PROXY, V1, '', '192.0.2.1'],
        [PROXY, V2, '', '192.0.2.1'],
        [PROXY, v6, '', '2001:db8::1'],
        // What the client itself writes.
        [PROXY, V2, forwarded, '192.0.2.1'],
        [PROXY, local, '', PROXY],
        // The proxy's own request, which may be somebody's.
        [PROXY, local, forwarded, '198.51.100.9'],
        [STRANGER, '', forwarded, STRANGER],
      ];
      for (let round = 0; round < 4; round += 1) {
        for (const [from, first, lines, expected] of cases) {
          const client = await open(from, first, lines);
          assert.equal(await readClient(client), expected);
          client.destroy();
        }
      }
    });

    it('P-22 client-becomes-another-with-its-next-request', async () => {
      const client = await open(PROXY, V2);
      assert.equal(await readClient(client), '192.0.2.1');
      const forged = version2({ address: Buffer.from('060606060a000001040001bb', 'hex') });
      client.send(forged);
      client.send(ASK);
      const answer = await client.readResponseOrClose();
      if (answer !== null && answer.status === 200) {
        const id = answer.header('x-weir-id');
        const line = await gateway.waitForLog((entry) => entry['id'] === id);
        assert.equal(line['client'], '192.0.2.1');
      }
      client.destroy();
    });

    it('P-22 connection-with-a-wrong-header-is-served, or closed in silence', async () => {
      for (const [from, first] of [
        [STRANGER, V2],
        [PROXY, ''],
        [PROXY, 'PROXY TCP4 1.2.3.4\r\n'],
      ] as const) {
        const client = await open(from, first);
        await client.waitForClose();
        assert.equal(client.received.length, 0);
      }
      const line = await gateway.waitForLog(({ msg }) => /was closed: /.test(String(msg)));
      assert.equal(line['level'], 'warn');
    });

    it('stream-is-altered, or a client that leaves is not noticed', async () => {
      const get = (name: string): string => `GET /v1/streams/${name} HTTP/1.1\r\nhost: x\r\n\r\n`;
      const whole = await RawClient.connect({ port: gateway.port, localAddress: PROXY });
      whole.send(`${V1}${get('whole')}`);
      const gone = await RawClient.connect({ port: gateway.port, localAddress: PROXY });
      gone.send(`${V1}${get('gone')}`);
      await gone.waitForBytes(1);
      gone.destroy();
      const line = await gateway.waitForLog((entry) => entry['path'] === '/v1/streams/gone');
      const ended = line['ended'] as LogLine;
      assert.deepEqual([ended['by'], ended['reason']], ['downstream', 'aborted']);
      const answer = await whole.readResponse();
      assert.ok(answer.complete && renderStream('whole', SHAPE).equals(answer.body));
      whole.destroy();
    });

    const skip = skipUnless(hasProgram('haproxy'), 'haproxy');
    it('P-22 client-is-another-behind-haproxy', { skip }, async () => {
      for (const word of ['send-proxy', 'send-proxy-v2 proxy-v2-options crc32c']) {
        const balancer = await startBalancer(gateway.port, `source ${PROXY} ${word}`, MODELS);
        try {
          const { port } = balancer;
          const client = await RawClient.connect({ port, localAddress: '127.1.2.3' });
          client.send(ASK);
          assert.equal(await readClient(client), '127.1.2.3');
          client.destroy();
        } finally {
          await balancer.stop();
        }
      }
    });

    it('P-29 reload-of-trusted-proxies-is-not-followed', async () => {
      const trusted = { trusted_proxies: [PROXY, STRANGER] };
      await turnTo(gateway, configOf(upstream.baseUrl, trusted));
      const client = await open(STRANGER, V2);
      assert.equal(await readClient(client), '192.0.2.1');
      client.destroy();
    });

    it('P-27 upgrade-or-drain-loses-a-stream', async () => {
      const streams: RawClient[] = [];
      const begin = async (name: string): Promise<void> => {
        const client = await RawClient.connect({ port: gateway.port, localAddress: PROXY });
        client.send(`${V1}GET /v1/streams/${name} HTTP/1.1\r\nhost: x\r\n\r\n`);
        await client.waitForBytes(1);
        streams.push(client);
      };
      await begin('before');
      process.kill(gateway.supervisorPid, 'SIGUSR2');
      await gateway.waitForLog(({ msg }) => /the new server serves/.test(String(msg)), 20_000);
      await begin('after');
      const client = await open(PROXY, V2);
      assert.equal(await readClient(client), '192.0.2.1');
      client.destroy();
      const ended = gateway.stop();
      for (const [at, name] of ['before', 'after'].entries()) {
        const answer = await streams[at]!.readResponse();
        assert.ok(answer.complete && renderStream(name, SHAPE).equals(answer.body), name);
      }
      await ended;
      assert.equal(gateway.stderr, '');
    });
  });

  it('P-22 client-is-not-known-within-tls', {
    skip: skipUnless(hasProgram('openssl'), 'openssl'),
  }, async () => {
    const certificate: Certificate = makeCertificate(scratch.path, 'weir');
    const { cert, key } = certificate;
    const listen = { host: '127.0.0.1', port: 0, tls: { cert, key }, proxy_protocol: 'v2' };
    const gateway = await startGateway({ config: configOf(upstream.baseUrl, { listen }) });
    try {
      const raw = connectTcp({ port: gateway.port, host: '127.0.0.1', localAddress: PROXY });
      raw.write(V2);
      const secure = connectTls({ socket: raw, ca: readFileSync(cert), servername: 'localhost' });
      let text = '';
      const answered = new Promise<void>((resolve, reject) => {
        secure.setEncoding('latin1').on('data', (piece: string) => {
          text += piece;
          if (text.includes('\r\n\r\n')) resolve();
        });
        secure.on('error', reject);
        secure.on('close', () => reject(new Error('closed')));
      });
      secure.write(ASK);
      await answered;
      const id = /x-weir-id: (\S+)/.exec(text)?.[1];
      const line = await gateway.waitForLog((entry) => entry['id'] === id);
      assert.equal(line['client'], '192.0.2.1');
      secure.destroy();
      await gateway.stop();
    } finally {
      await gateway.kill();
    }
  });
});

/**
 * The PROXY protocol: trusted balancers say who is behind them, nobody else does. The front is tried with HAProxy as the
 * other side wherever Node runs; the gateway as a whole where it speaks the protocol.
 */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { type InnerListener, ProxiedPeers, ProxyFront } from '../../src/accept/proxy-front.js';
import type { ProxyVersions } from '../../src/accept/proxy-header.js';
import { HEALTH_PATH, startBalancer } from '../helpers/balancer.js';
import { hasProgram, skipUnless } from '../helpers/need.js';
import { pollUntil } from '../helpers/poll.js';
import { TCP_4, TCP_6, V1, version2 } from '../helpers/proxy-headers.js';
import { RawClient } from '../helpers/raw-client.js';

const PROXY = '127.0.0.7';
const STRANGER = '127.0.0.8';
/** More than kernels and the front hold, so that the end of it comes late. */
const SLOWLY_READ_BYTES = 16_000_000;
const GET = Buffer.from('GET /x HTTP/1.1\r\nhost: weir.test\r\n\r\n');

/** Answers with who is at the other end, as the front knows it, and after the body, if there is one. */
class Echo implements InnerListener {
  readonly peers = new ProxiedPeers();
  readonly #server = createServer((request, response) => {
    if (request.url === HEALTH_PATH) this.checkedBy.add(this.nameOf(request));
    let bytes = 0;
    request.on('data', (piece: Buffer) => {
      bytes += piece.length;
    });
    request.on('end', () => {
      const size = Number(new URL(request.url ?? '/', 'http://x').searchParams.get('size') ?? 0);
      if (size === SLOWLY_READ_BYTES) this.answered += 1;
      response.end(`${this.nameOf(request)} ${bytes}${'x'.repeat(size)}`);
    });
  });
  answered = 0;
  /** Who has asked whether it is well. */
  readonly checkedBy = new Set<string | null>();

  static async start(): Promise<Echo> {
    const echo = new Echo();
    await new Promise<void>((resolve) => echo.#server.listen(0, '127.0.0.1', resolve));
    return echo;
  }

  nameOf(request: IncomingMessage): string | null {
    return this.peers.find(request.socket.remotePort ?? 0);
  }

  listen(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

interface Scene {
  readonly echo: Echo;
  readonly front: ProxyFront;
  readonly port: number;
  readonly refused: string[];
  open: number;
}

async function startFront(versions: ProxyVersions): Promise<Scene> {
  const echo = await Echo.start();
  const refused: string[] = [];
  const front = new ProxyFront(echo, echo.peers, {
    versions,
    isTrusted: (address) => address === PROXY || address === '127.0.0.1',
    onConnections: (delta) => {
      scene.open += delta;
    },
    onRefused: (peer, reason) => refused.push(`${peer}: ${reason}`),
    admitsConnection: () => true,
    sharesPort: false,
  });
  const scene = { echo, front, port: 0, refused, open: 0 };
  scene.port = await front.listen({ host: '127.0.0.1', port: 0 });
  return scene;
}

async function ask(port: number, from: string, pieces: readonly Buffer[]): Promise<string> {
  const client = await RawClient.connect({ port, localAddress: from });
  for (const piece of pieces) {
    client.send(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const answer = await client.readResponse();
  client.destroy();
  return answer.body.toString();
}

async function isCut(port: number, from: string, bytes: Buffer): Promise<boolean> {
  const client = await RawClient.connect({ port, localAddress: from });
  client.send(bytes);
  await client.waitForClose();
  client.destroy();
  return client.received.length === 0;
}

describe('front', { timeout: 60_000 }, () => {
  const scenes = new Map<ProxyVersions, Scene>();

  before(async () => {
    for (const versions of ['v1', 'v2', 'either'] as const) {
      scenes.set(versions, await startFront(versions));
    }
  });

  after(() => {
    for (const { front } of scenes.values()) front.close();
  });

  const sceneOf = (versions: ProxyVersions): Scene => {
    const scene = scenes.get(versions);
    assert.ok(scene !== undefined);
    return scene;
  };

  it('P-22 header-is-read-otherwise-or-takes-bytes-of-the-request', async () => {
    const { port } = sceneOf('either');
    const v2 = version2({ address: TCP_4, tlvBytes: 72 });
    const v6 = version2({ family: 0x21, address: TCP_6, tlvBytes: 9 });
    const local = version2({ command: 0, address: TCP_4 });
    for (const [header, client] of [
      [Buffer.from(V1), '192.0.2.1'],
      [v2, '192.0.2.1'],
      [v6, '2001:db8::1'],
      [local, PROXY],
      [Buffer.from('PROXY UNKNOWN\r\n'), PROXY],
    ] as const) {
      const all = Buffer.concat([header, GET]);
      assert.equal(await ask(port, PROXY, [all]), `${client} 0`);
      assert.equal(await ask(port, PROXY, [header, GET]), `${client} 0`);
      for (let cut = 1; cut < header.length; cut += 7) {
        const pieces = [all.subarray(0, cut), all.subarray(cut, cut + 5), all.subarray(cut + 5)];
        assert.equal(await ask(port, PROXY, pieces), `${client} 0`, `cut at ${cut}`);
      }
    }
  });

  it('P-22 stranger-writes-its-own-address, or a proxy writes none', async () => {
    const { port, refused } = sceneOf('either');
    const header = version2({ address: TCP_4 });
    assert.equal(await ask(port, STRANGER, [GET]), `${STRANGER} 0`);
    assert.ok(await isCut(port, STRANGER, Buffer.concat([header, GET])));
    assert.ok(await isCut(port, PROXY, GET));
    assert.ok(await isCut(sceneOf('v1').port, PROXY, Buffer.concat([header, GET])));
    assert.ok(await isCut(sceneOf('v2').port, PROXY, Buffer.concat([Buffer.from(V1), GET])));
    assert.deepEqual(refused, [
      `${STRANGER}: it is none of trusted_proxies and sends a header`,
      `${PROXY}: the connection does not begin with a header`,
    ]);
  });

  it('end-of-an-answer-is-lost-to-a-slow-reader', async () => {
    const { port, echo } = sceneOf('either');
    const client = await RawClient.connect({ port, localAddress: PROXY });
    client.pauseReads();
    client.send(
      `${V1}GET /x?size=${SLOWLY_READ_BYTES} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
    );
    await pollUntil(() => echo.answered > 0, 5000, 'the answer to be written');
    client.resumeReads();
    const answer = await client.readResponse();
    assert.equal(answer.body.length, `${PROXY} 0`.length + SLOWLY_READ_BYTES);
    assert.equal(await client.waitForClose(), 'fin');
    client.destroy();
  });

  for (const [word, versions] of [
    ['send-proxy', 'v1'],
    ['send-proxy-v2', 'v2'],
    ['send-proxy-v2 proxy-v2-options crc32c,unique-id', 'either'],
  ] as const) {
    const skip = skipUnless(hasProgram('haproxy'), 'haproxy');
    it(`P-22 client-is-another-behind-haproxy-with ${word}`, { skip }, async () => {
      const scene = sceneOf(versions);
      const { port, echo } = scene;
      const balancer = await startBalancer(port, word);
      try {
        for (const client of ['127.1.2.3', '127.9.9.9']) {
          assert.equal(await ask(balancer.port, client, [GET]), `${client} 0`);
        }
        const body = Buffer.alloc(300_000, 'y');
        const head = `POST /x?size=2000000 HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n`;
        const answer = await ask(balancer.port, '127.1.2.3', [Buffer.from(head), body]);
        assert.equal(answer, `127.1.2.3 300000${'x'.repeat(2_000_000)}`);
        await pollUntil(() => echo.checkedBy.size > 0, 5000, 'a health check');
        assert.deepEqual([...echo.checkedBy], ['127.0.0.1']);
      } finally {
        await balancer.stop();
      }
      await pollUntil(() => scene.open === 0, 5000, 'the connections to be closed');
    });
  }
});

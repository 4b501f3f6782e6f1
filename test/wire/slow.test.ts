/**
 * P-08: who sends too slowly is cut in bounded time and costs the others nothing. The cut is
 * uWebSockets.js' idle timer (about 12 s), so all parts run at once.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { pause } from '../helpers/changes.js';
import { EchoUpstream, isEchoAnswer } from '../helpers/echo-upstream.js';
import { type Gateway, proxyConfig, startGateway } from '../helpers/gateway.js';
import { renderRequest } from '../helpers/http-text.js';
import { RawClient } from '../helpers/raw-client.js';

const SLOW_CLIENTS = 150;
const CUT_MS_MAX = 35_000;
const DRIP_EVERY_MS = 3000;

describe('slow clients', { concurrency: true, timeout: 60_000 }, () => {
  let echo: EchoUpstream;
  let gateway: Gateway;

  before(async () => {
    echo = await EchoUpstream.start();
    gateway = await startGateway({ config: proxyConfig(echo.baseUrl) });
  });

  after(async () => {
    await gateway?.stop();
    await echo?.stop();
  });

  /** One byte every few seconds for as long as the gateway lets it; returns how long that was. */
  async function drip(start: string): Promise<number> {
    const client = await RawClient.connect({ port: gateway.port });
    client.send(start);
    const dripping = setInterval(() => client.send('a'), DRIP_EVERY_MS);
    try {
      await client.waitForClose(CUT_MS_MAX);
      return (client.closedAtMs ?? 0) - client.openedAtMs;
    } finally {
      clearInterval(dripping);
      client.destroy();
    }
  }

  async function dripMany(start: string): Promise<void> {
    const ages = await Promise.all(Array.from({ length: SLOW_CLIENTS }, () => drip(start)));
    assert.ok(Math.min(...ages) > 4000, `cut after only ${Math.min(...ages)} ms`);
  }

  it('P-08 slow-headers-are-never-cut', () =>
    dripMany('POST /v1/slow HTTP/1.1\r\nHost: weir.test\r\nX-Slow: '));

  it('P-08 slow-body-is-never-cut', () =>
    dripMany('POST /v1/slow HTTP/1.1\r\nHost: weir.test\r\nContent-Length: 100000\r\n\r\n'));

  it('P-08 slow-chunked-body-is-never-cut', () =>
    dripMany(
      'POST /v1/slow HTTP/1.1\r\nHost: weir.test\r\nTransfer-Encoding: chunked\r\n\r\n7000\r\n',
    ));

  it('P-08 silent-connection-is-never-cut', async () => {
    const client = await RawClient.connect({ port: gateway.port });
    await client.waitForClose(CUT_MS_MAX);
    assert.equal(client.bytesReceived, 0);
  });

  it('P-08 healthy-slow-body-is-cut', async () => {
    const client = await RawClient.connect({ port: gateway.port });
    const piece = Buffer.alloc(32 * 1024, 'a');
    const pieces = 16;
    client.send(
      `POST /v1/healthy HTTP/1.1\r\nHost: weir.test\r\nContent-Length: ${pieces * piece.length}\r\n\r\n`,
    );
    for (let sent = 0; sent < pieces; sent++) {
      await client.sendAll(piece);
      await pause(1000);
    }
    const response = await client.readResponse();
    const answer = response.json();
    assert.ok(isEchoAnswer(answer), response.text);
    assert.equal(answer.bodyBytes, pieces * piece.length);
    client.destroy();
  });

  it('P-08 slow-clients-hold-up-the-others', async () => {
    const durations: number[] = [];
    const client = await RawClient.connect({ port: gateway.port });
    const end = performance.now() + 15_000;
    while (performance.now() < end) {
      const startedAt = performance.now();
      client.send(renderRequest({ target: '/v1/good', body: '{"model":"m"}' }));
      const response = await client.readResponse({ timeoutMs: 5000 });
      assert.equal(response.status, 200);
      durations.push(performance.now() - startedAt);
      await pause(50);
    }
    client.destroy();
    durations.sort((one, other) => one - other);
    const p95 = durations[Math.floor(durations.length * 0.95)] ?? 0;
    assert.ok(p95 < 250, `95 of 100 good requests should take below 250 ms, took ${p95}`);
  });

  it('P-08 slow-request-reaches-the-upstream', async () => {
    await pause(20_000);
    const slow = echo.requests.filter(({ target, complete }) => complete && target === '/v1/slow');
    assert.deepEqual(slow, []);
    assert.deepEqual(echo.parseErrors, []);
  });
});

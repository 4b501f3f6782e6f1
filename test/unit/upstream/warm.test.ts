/** Connections that are opened in advance. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProviderConfig } from '../../../src/config/model.js';
import { BOUNDS } from '../../../src/core/bounds.js';
import { Deadlines } from '../../../src/core/deadlines.js';
import type { Dial } from '../../../src/upstream/dial.js';
import { shareOfWorker } from '../../../src/upstream/provider.js';
import { WarmConnections, type WarmHost } from '../../../src/upstream/warm-connections.js';
import { ENGINES, ProviderHarness } from '../../helpers/engine-harness.js';
import { findClosedPort, MockUpstream } from '../../helpers/mock-upstream.js';

for (const engine of ENGINES) {
  test(`${engine}: connections are there before the first call, which then uses one`, async () => {
    const upstream = await MockUpstream.start();
    const harness = new ProviderHarness(engine, upstream.port, { warm: 6 });
    await harness.waitForOpen(6);
    await upstream.waitForConnection(5);
    for (let i = 0; i < 3; i += 1) {
      const call = await harness.call().over();
      assert.equal(call.failure, null);
    }
    assert.equal(upstream.connections.length, 6);
    harness.provider.close();
    await harness.waitForOpen(0);
    await upstream.stop();
  });

  test(`${engine}: one that its provider closes, and one that keep_alive closes, is replaced`, async () => {
    const upstream = await MockUpstream.start();
    const harness = new ProviderHarness(engine, upstream.port, { warm: 2, keepAliveMs: 300 });
    await upstream.waitForConnection(1);
    await harness.waitForOpen(2);
    upstream.connections[0]?.socket.end();
    await upstream.waitForConnection(2);
    upstream.connections[1]?.socket.resetAndDestroy();
    await upstream.waitForConnection(3);
    await upstream.waitForConnection(5);
    await upstream.connections[2]?.waitForClose();
    await harness.waitForOpen(2);
    assert.equal((await harness.call().over()).failure, null);
    harness.provider.close();
    await harness.waitForOpen(0);
    await upstream.stop();
  });

  test(`${engine}: bytes that nobody asked for close a warm connection`, async () => {
    const upstream = await MockUpstream.start();
    const harness = new ProviderHarness(engine, upstream.port, { warm: 1 });
    const first = await upstream.waitForConnection();
    await harness.waitForOpen(1);
    first.socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello');
    await first.waitForClose();
    const call = await harness.call().over();
    assert.deepEqual(JSON.parse(call.body.toString()), { ok: true });
    harness.provider.close();
    await upstream.stop();
  });

  test(`${engine}: a provider that is down fails no call by its warm connections, and is found again`, async () => {
    const port = await findClosedPort();
    const harness = new ProviderHarness(engine, port, { warm: 2 });
    await harness.waitForOpen(0);
    const upstream = await MockUpstream.start({ port });
    assert.equal((await harness.call().over()).failure, null);
    await harness.waitForOpen(2);
    harness.provider.close();
    await harness.waitForOpen(0);
    await upstream.stop();
  });

  test(`${engine}: one that takes longer than timeouts.connect is given up`, async () => {
    const upstream = await MockUpstream.start({ reads: 'never' });
    const harness = new ProviderHarness(engine, upstream.port, {
      warm: 1,
      connectMs: 60,
      baseUrl: `https://127.0.0.1:${upstream.port}`,
    });
    assert.equal(harness.openConnections, 1);
    await harness.waitForOpen(0);
    harness.provider.close();
    await upstream.stop();
  });
}

test('tries that fail become rarer, one at a time, up to a bound', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  let dials = 0;
  const failures: (() => void)[] = [];
  const host: WarmHost = {
    openedCount: 0,
    openIdle(_onOpen, onFailed): Dial {
      dials += 1;
      failures.push(onFailed);
      return { cancel: () => {} };
    },
    giveUpIdle() {},
  };
  const warm = new WarmConnections(host, 10, new Deadlines().createList(5000), () => 1);
  warm.fill();
  assert.equal(dials, BOUNDS.warmDialsMax);
  let waitMs = BOUNDS.warmBackoffMs;
  for (let tries = 0; tries < 20; tries += 1) {
    const before = dials;
    for (const fail of failures.splice(0)) fail();
    warm.fill();
    context.mock.timers.tick(waitMs - 1);
    assert.equal(dials, before, `${tries}: not before ${waitMs} ms`);
    context.mock.timers.tick(1);
    assert.equal(dials, before + 1);
    waitMs = Math.min(waitMs * 2, BOUNDS.warmBackoffMsMax);
  }
  warm.close();
});

test('a worker keeps its part of them, and no more than it may have open', () => {
  const share = (max: number, warm: number, workers: number) => {
    const connections = { max, warm, queue: 1, queueTimeoutMs: 1, keepAliveMs: 1 };
    return shareOfWorker({ connections } as ProviderConfig, workers).warm;
  };
  assert.deepEqual([share(100, 0, 4), share(100, 10, 4), share(4, 4, 4)], [0, 3, 1]);
  assert.equal(share(2, 9, 2), 1);
});

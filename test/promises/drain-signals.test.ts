/** P-26: on SIGTERM and SIGINT what runs ends as if nothing had happened, and nothing new begins. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Gateway, proxyConfig, startGateway } from '../helpers/gateway.js';
import {
  auditStreams,
  Hammer,
  openStreams,
  startLoadUpstream,
  waitUntilRefused,
} from '../helpers/load.js';

const STREAMS = 40;
const CLIENTS = 16;
const SHAPE = { events: 40, paceMs: 30 };

const isDraining = (line: Readonly<Record<string, unknown>>): boolean => line['msg'] === 'draining';

async function ask(gateway: Gateway, path: string): Promise<{ status: number; text: string }> {
  const response = await fetch(`${gateway.adminUrl}${path}`, { signal: AbortSignal.timeout(2000) });
  return { status: response.status, text: await response.text() };
}

describe('drain', () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`P-26 ${signal}-loses-a-stream-or-a-request`, async () => {
      const upstream = await startLoadUpstream(SHAPE);
      const gateway = await startGateway({ config: proxyConfig(upstream.baseUrl) });
      try {
        const streams = await openStreams(gateway.port, STREAMS);
        const hammer = new Hammer(gateway.port, CLIENTS);
        await hammer.waitForAnswers(CLIENTS * 4);
        assert.equal((await ask(gateway, '/readyz')).status, 200);

        gateway.child.kill(signal);
        await gateway.waitForLog(isDraining);
        const readiness = await ask(gateway, '/readyz');
        assert.equal(readiness.status, 503, readiness.text);
        assert.match(readiness.text, /draining/);
        assert.equal((await ask(gateway, '/healthz')).status, 200, 'it still lives');
        await waitUntilRefused(gateway.port, 1000);
        assert.equal(gateway.exit, null, 'it ended while streams were running');

        assert.deepEqual(await auditStreams(streams, SHAPE), []);
        await hammer.finish();
        assert.deepEqual(hammer.lost, []);
        assert.deepEqual(hammer.unaccepted, []);
        assert.equal(hammer.refused, CLIENTS, 'a client was neither served nor refused');
        const exit = await gateway.waitForExit(5000);
        assert.deepEqual(exit, { code: 0, signal: null }, gateway.stderr);
        assert.equal(gateway.stderr, '');
        assert.equal(gateway.accessLines().length, STREAMS + hammer.answered);
        assert.deepEqual(upstream.violations, []);
        assert.deepEqual(upstream.openConnections, []);
      } finally {
        await gateway.kill();
        await upstream.stop();
      }
    });
  }

  it('P-26 idle-connections-or-an-unused-gateway-hold-a-drain-up', async () => {
    const upstream = await startLoadUpstream(SHAPE);
    const gateway = await startGateway({ config: proxyConfig(upstream.baseUrl) });
    try {
      // Kept connections, all of them idle, towards both sides.
      const agent = await Promise.all(
        Array.from({ length: 8 }, () => fetch(`${gateway.baseUrl}/files`, { method: 'GET' })),
      );
      for (const response of agent) assert.equal(response.status, 200, await response.text());
      const startMs = performance.now();
      await gateway.stop(5000);
      const tookMs = performance.now() - startMs;
      assert.ok(tookMs < 2000, `${tookMs} ms with nothing to wait for`);
    } finally {
      await gateway.kill();
      await upstream.stop();
    }
  });
});

/** P-26: a drain is bounded: by `drain_timeout`, and by an operator who asks twice. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Gateway, type LogLine, proxyConfig, startGateway } from '../helpers/gateway.js';
import { openStreams, startLoadUpstream } from '../helpers/load.js';
import type { MockUpstream } from '../helpers/mock-upstream.js';
import type { RawClient } from '../helpers/raw-client.js';

const STREAMS = 12;
const SHAPE = { events: 2, paceMs: 0, isEndless: true };

interface Stand {
  readonly upstream: MockUpstream;
  readonly gateway: Gateway;
  readonly streams: readonly RawClient[];
}

async function withEndlessStreams(
  drainTimeout: string,
  test: (stand: Stand) => Promise<void>,
): Promise<void> {
  const upstream = await startLoadUpstream(SHAPE);
  const gateway = await startGateway({
    config: proxyConfig(upstream.baseUrl, { drain_timeout: drainTimeout }),
  });
  try {
    await test({ upstream, gateway, streams: await openStreams(gateway.port, STREAMS) });
  } finally {
    await gateway.kill();
    await upstream.stop();
  }
}

/** Cut so that nobody takes them for whole, upstream let go, and every one of them told in the log. */
async function assertCut({ upstream, gateway, streams }: Stand): Promise<void> {
  assert.deepEqual(await gateway.waitForExit(1), { code: 0, signal: null }, gateway.stderr);
  assert.equal(gateway.stderr, '');
  for (const stream of streams) {
    await stream.waitForClose(1000);
    assert.doesNotMatch(stream.received.toString('latin1'), /\r\n0\r\n/, 'looks complete');
  }
  await upstream.waitFor(
    ({ openConnections }) => openConnections.length === 0 || undefined,
    1000,
    'the providers to be let go',
  );
  const warnings = gateway.logs.filter((line) => line['level'] === 'warn' && 'cut' in line);
  assert.deepEqual(
    warnings.map((line) => line['cut']),
    [STREAMS],
  );
  const ends = gateway.accessLines().map((line) => line['ended'] as LogLine);
  assert.deepEqual(
    ends.map(({ by, reason }) => `${by} ${reason}`),
    Array.from({ length: STREAMS }, () => 'gateway draining'),
  );
}

describe('drain deadline', () => {
  it('P-26 endless-streams-outlive-drain_timeout', () =>
    withEndlessStreams('1500ms', async (stand) => {
      const startMs = performance.now();
      stand.gateway.child.kill('SIGTERM');
      await stand.gateway.waitForExit(6000);
      const tookMs = performance.now() - startMs;
      assert.ok(tookMs >= 1490, `cut after ${tookMs} ms, before its time`);
      assert.ok(tookMs < 3500, `${tookMs} ms`);
      await assertCut(stand);
    }));

  it('P-26 second-signal-waits-for-the-first', () =>
    withEndlessStreams('60s', async (stand) => {
      const { gateway } = stand;
      gateway.child.kill('SIGTERM');
      await gateway.waitForLog((line) => line['msg'] === 'draining');
      const startMs = performance.now();
      gateway.child.kill('SIGTERM');
      await gateway.waitForExit(6000);
      const tookMs = performance.now() - startMs;
      assert.ok(tookMs < 2000, `${tookMs} ms`);
      await assertCut(stand);
    }));
});

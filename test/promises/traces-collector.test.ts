/** A collector of traces that refuses, or never answers: no exchange notices, and what is lost is counted. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pause } from '../helpers/changes.js';
import { askChat, startLimited } from '../helpers/limited.js';
import { OtlpReceiver, type ReceiverManner } from '../helpers/otlp-receiver.js';

const EXCHANGES = 40;

async function sumMetric(gateway: Parameters<typeof askChat>[0], name: string): Promise<number> {
  const samples = await gateway.metrics();
  return samples.filter((one) => one.name === name).reduce((sum, { value }) => sum + value, 0);
}

async function askMany(endpoint: string, before: (lost: () => Promise<number>) => Promise<void>) {
  const limited = await startLimited({
    limits: { team: [] },
    workers: 1,
    config: { traces: { endpoint, sample: 1 }, drain_timeout: '2s' },
  });
  const { gateway } = limited;
  try {
    const startedMs = performance.now();
    for (let exchange = 0; exchange < EXCHANGES; exchange += 1) {
      const answer = await askChat(gateway, 'team');
      assert.equal(answer.status, 200);
      await answer.arrayBuffer();
    }
    // Were one of them to wait for the collector, it would take as long as an export may.
    assert.ok(performance.now() - startedMs < 9_000, 'exchanges waited for the collector');
    await before(() => sumMetric(gateway, 'weir_trace_spans_lost_total'));
  } finally {
    // Fails unless it ends in time, and with 0.
    await limited.stop();
  }
}

async function waitForLosses(lost: () => Promise<number>, count: number): Promise<void> {
  const endMs = performance.now() + 10_000;
  while ((await lost()) < count) {
    assert.ok(performance.now() < endMs, `only ${await lost()} of ${count} are counted as lost`);
    await pause(50);
  }
}

const cases: readonly (readonly [what: string, manner: ReceiverManner])[] = [
  ['refuses', 'refuse'],
  ['never-answers', 'hang'],
];

describe('traces without a collector', () => {
  for (const [what, manner] of cases) {
    it(`P-30 a-collector-that-${what}-holds-exchanges-or-the-end-up`, {
      timeout: 30_000,
    }, async () => {
      const receiver = await OtlpReceiver.start(manner);
      try {
        await askMany(receiver.url, async (lost) => {
          if (manner === 'refuse') await waitForLosses(lost, 2 * EXCHANGES);
          else await receiver.waitForSpans(1);
        });
      } finally {
        await receiver.stop();
      }
    });
  }

  it('P-30 the-last-spans-are-lost-at-the-end', { timeout: 30_000 }, async () => {
    const receiver = await OtlpReceiver.start();
    try {
      await askMany(receiver.url, () => Promise.resolve());
      assert.equal(receiver.spans.length, 2 * EXCHANGES);
    } finally {
      await receiver.stop();
    }
  });
});

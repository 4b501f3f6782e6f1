/**
 * P-30: started and stopped under load, again and again: every time exit code 0, no native abort, nothing
 * lost. WEIR_DRAIN_ROUNDS sets how often.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { proxyConfig, startGateway } from '../helpers/gateway.js';
import { auditStreams, Hammer, openStreams, startLoadUpstream } from '../helpers/load.js';
import type { MockUpstream } from '../helpers/mock-upstream.js';

const ROUNDS = Number(process.env['WEIR_DRAIN_ROUNDS'] ?? 50);
const AT_A_TIME = 3;
const SHAPE = { events: 12, paceMs: 20 };

/** One life of a gateway; returns complaints. */
async function runRound(upstream: MockUpstream, round: number): Promise<string[]> {
  const config = proxyConfig(upstream.baseUrl, { drain_timeout: '10s' });
  const gateway = await startGateway({ config });
  try {
    const streams = await openStreams(gateway.port, 4);
    const hammer = new Hammer(gateway.port, 4);
    await hammer.waitForAnswers(8 + (round % 7));
    gateway.child.kill(round % 2 === 0 ? 'SIGTERM' : 'SIGINT');
    const complaints = await auditStreams(streams, SHAPE);
    await hammer.finish();
    const exit = await gateway.waitForExit(15_000);
    if (exit.code !== 0) complaints.push(`exit ${JSON.stringify(exit)}`);
    if (gateway.stderr !== '') complaints.push(gateway.stderr);
    return [...complaints, ...hammer.lost, ...hammer.unaccepted];
  } finally {
    await gateway.kill();
  }
}

describe('drain loop', () => {
  it(`P-30 teardown-fails-once-in-${ROUNDS}`, async (context) => {
    const upstream = await startLoadUpstream(SHAPE);
    const startMs = performance.now();
    const complaints: string[] = [];
    let next = 0;
    const work = async (): Promise<void> => {
      while (next < ROUNDS) {
        const round = next++;
        for (const complaint of await runRound(upstream, round)) {
          complaints.push(`round ${round}: ${complaint}`);
        }
      }
    };
    try {
      await Promise.all(Array.from({ length: AT_A_TIME }, work));
    } finally {
      next = ROUNDS;
      await upstream.stop();
    }
    context.diagnostic(`${ROUNDS} rounds in ${Math.round(performance.now() - startMs)} ms`);
    assert.deepEqual(complaints, []);
    assert.deepEqual(upstream.violations, []);
  });
});

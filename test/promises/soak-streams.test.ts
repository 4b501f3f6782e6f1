/** 2,000 streams at once through two workers: none lost, none mixed up, memory flat, nothing left behind. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { pause } from '../helpers/changes.js';
import { engineConfig } from '../helpers/engines.js';
import { startGateway } from '../helpers/gateway.js';
import { formatMb, MB, type MemorySample, MemoryWatch } from '../helpers/memory-watch.js';
import { sumMetric } from '../helpers/metrics-text.js';
import { pollUntil } from '../helpers/poll.js';
import { openStreams } from '../helpers/ticking-client.js';
import { TickingUpstream } from '../helpers/ticking-upstream.js';

const STREAMS = 2000;
const EVERY_MS = 750;
const SECONDS = Number(process.env['WEIR_SOAK_SECONDS'] ?? 60);
/** Of the time is warm-up: heaps find their size. */
const WARM_UP_SHARE = 1 / 3;
/** What 100 bytes lost with each event come to is 10 MB; what garbage collection sways by is a few. */
const DRIFT_BYTES_MAX = 8 * MB;

/** Both ends of the streams are in this process, and the gateway has two for each. */
function checkFileLimit(): void {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const open = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1]);
  const needed = STREAMS * 2 + 500;
  assert.ok(open >= needed, `ulimit -n is ${open}, ${needed} are needed`);
}

function lowest(samples: readonly MemorySample[]): number {
  return Math.min(...samples.map(({ bytes }) => bytes));
}

/** Memory for each third of the time, at its lowest: what garbage collection can't take away. */
function measureThirds(samples: readonly MemorySample[]): number[] {
  const third = Math.floor(samples.length / 3);
  return [0, 1, 2].map((number) => lowest(samples.slice(number * third, (number + 1) * third)));
}

it(`${STREAMS} streams are lost, mixed up or leak`, {
  timeout: (SECONDS + 60) * 1000,
}, async (context) => {
  checkFileLimit();
  const upstream = await TickingUpstream.start(EVERY_MS);
  const gateway = await startGateway({
    config: engineConfig(upstream.baseUrl, 'lean', { connections: { keep_alive: '1s' } }),
    workers: 2,
  });
  try {
    const startedMs = performance.now();
    const clients = await openStreams(gateway.port, STREAMS);
    await pollUntil(
      () => clients.every(({ events }) => events > 0),
      20_000,
      () => `first events; ${clients.filter(({ events }) => events === 0).length} lack theirs`,
    );
    const inFlight = sumMetric(await gateway.metrics(), 'weir_exchanges_in_flight');
    assert.equal(inFlight, STREAMS);
    await pause(SECONDS * 1000 * WARM_UP_SHARE - (performance.now() - startedMs));
    const leftMs = SECONDS * 1000 - (performance.now() - startedMs);
    const watch = await MemoryWatch.during(gateway, () => pause(leftMs), 250);
    upstream.finishAll();
    await pollUntil(
      () => clients.every(({ socket }) => socket.destroyed),
      10_000,
      () => `the end of streams; ${clients.filter(({ isComplete }) => !isComplete).length} last`,
    );
    const faults = clients.flatMap(({ fault }) => fault ?? []);
    assert.deepEqual(faults.slice(0, 5), [], `${faults.length} streams failed`);
    const fewest = Math.min(...clients.map(({ events }) => events));
    assert.ok(fewest >= (SECONDS * 1000) / EVERY_MS / 2, `a stream had but ${fewest} events`);
    const lines = await gateway.waitForAccessLines(STREAMS);
    assert.equal(lines.length, STREAMS);
    await pollUntil(
      async () => {
        const metrics = await gateway.metrics();
        return (
          sumMetric(metrics, 'weir_exchanges_in_flight') === 0 &&
          sumMetric(metrics, 'weir_connections_open') === 0 &&
          sumMetric(metrics, 'weir_upstream_connections_open') === 0 &&
          upstream.openConnections === 0
        );
      },
      10_000,
      'gauges at 0 and closed connections to the provider',
    );
    const thirds = measureThirds(watch.samples);
    const drift = (thirds[2] ?? 0) - (thirds[0] ?? 0);
    const events = clients.reduce((sum, client) => sum + client.events, 0);
    context.diagnostic(`${events} events; memory by thirds ${thirds.map(formatMb).join(', ')}`);
    assert.ok(drift < DRIFT_BYTES_MAX, `memory rose by ${formatMb(drift)}`);
    await gateway.stop();
  } finally {
    await gateway.kill();
    await upstream.stop();
  }
});

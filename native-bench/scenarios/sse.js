/** Event streams at the pace of a model: the CPU that one event costs the proxy, the stream's request and end included. */
import { loadStreams } from '../load.js';
import { pickPerContender, ratiosToNginx, spreadPerContender } from '../statistics.js';
import { BOUNDS, judge } from './context.js';
import {
  interleave,
  WARM_LONG_SECONDS_MAX,
  warm,
  warmWithRequests,
  withRunning,
} from './interleave.js';

const CONNECTIONS = 200;
const EVENTS = 100;
const GAP_MS = 10;

/** @param {import('./context.js').Context} context @returns {Promise<import('./context.js').ScenarioResult>} */
export async function runSse({ options, cores, mockPort, contenders, say }) {
  const starts = contenders.map(({ name, start }) => ({
    name,
    start: () => start({ mockPort, workers: 1, cpu: cores.proxy }),
  }));
  const load = (/** @type {number} */ port, /** @type {number} */ seconds) =>
    loadStreams({
      port,
      connections: CONNECTIONS,
      seconds,
      events: EVENTS,
      gapMs: GAP_MS,
      cpu: cores.load,
    });
  const tell = (/** @type {string} */ text) => say(`sse: ${text}`);
  const rounds = await withRunning(starts, async (running) => {
    for (const each of running) {
      await warmWithRequests(each, cores.load);
      await warm(
        each,
        async ({ proxy }) => (await load(proxy.port, 1)).events,
        tell,
        WARM_LONG_SECONDS_MAX,
      );
    }
    return interleave(
      running,
      options.rounds,
      ({ proxy }) => load(proxy.port, options.seconds),
      tell,
    );
  });

  const cpu = pickPerContender(rounds, ({ cpuUs, events }) => cpuUs / events);
  const ratios = ratiosToNginx(cpu);
  const unjudged = (
    /** @type {string} */ what,
    /** @type {string} */ unit,
    /** @type {(m: import('../load.js').StreamResult) => number} */ pick,
  ) => ({
    what,
    unit,
    figures: spreadPerContender(pickPerContender(rounds, pick)),
  });
  const eventBytes = rounds['nginx']?.[0]?.eventBytes;
  return {
    name: 'sse',
    how: `${CONNECTIONS} streams at a time, ${EVENTS} events of ${eventBytes} bytes each, ${GAP_MS} ms apart, one chunk an event; every byte compared; one worker, pinned to one core, load and mock on another. Warmed by four seconds of requests, then by streams.`,
    lines: [
      { what: 'CPU per event', unit: 'µs', figures: spreadPerContender(cpu) },
      { what: 'CPU per event, ratio to nginx', unit: 'x', figures: ratios },
      unjudged('events per second', '', (m) => m.events / m.seconds),
      unjudged('event, mock to client, p50', 'µs', (m) => m.eventUs.p50),
      unjudged('event, mock to client, p99', 'µs', (m) => m.eventUs.p99),
      unjudged('request to first event, p50', 'µs', (m) => m.firstUs.p50),
      unjudged('request to first event, p99', 'µs', (m) => m.firstUs.p99),
    ],
    judged: [judge('SSE event, CPU ratio to nginx', ratios['weir'], 'x', BOUNDS.sseRatio)],
    raw: rounds,
  };
}

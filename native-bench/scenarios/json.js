/** A chat request of 4.3 KB and its JSON answer: the CPU that one such exchange costs the proxy. */
import { loadRequests } from '../load.js';
import { floor } from '../proxies.js';
import { ANSWER_BYTES, REQUEST_BYTES } from '../requests.js';
import { pickPerContender, ratiosToNginx, spreadPerContender } from '../statistics.js';
import { BOUNDS, judge } from './context.js';
import { interleave, WARM_LONG_SECONDS_MAX, warm, withRunning } from './interleave.js';

const CONNECTIONS = 64;

/** @param {import('./context.js').Context} context @returns {Promise<import('./context.js').ScenarioResult>} */
export async function runJson({ options, cores, mockPort, contenders, say }) {
  const starts = [...contenders, floor].map(({ name, start }) => ({
    name,
    start: () => start({ mockPort, workers: 1, cpu: cores.proxy }),
  }));
  const load = (/** @type {number} */ port, /** @type {number} */ seconds) =>
    loadRequests({ port, connections: CONNECTIONS, threads: 1, seconds, cpu: cores.load });
  const tell = (/** @type {string} */ text) => say(`json: ${text}`);
  const rounds = await withRunning(starts, async (running) => {
    for (const each of running)
      await warm(
        each,
        async ({ proxy }) => (await load(proxy.port, 1)).requests,
        tell,
        WARM_LONG_SECONDS_MAX,
      );
    return interleave(
      running,
      options.rounds,
      ({ proxy }) => load(proxy.port, options.seconds),
      tell,
    );
  });

  const cpu = pickPerContender(rounds, ({ cpuUs, requests }) => cpuUs / requests);
  const ratios = ratiosToNginx(cpu);
  const unjudged = (
    /** @type {string} */ what,
    /** @type {string} */ unit,
    /** @type {(m: any) => number} */ pick,
  ) => ({
    what,
    unit,
    figures: spreadPerContender(pickPerContender(rounds, pick)),
  });
  return {
    name: 'json',
    how: `POST of ${REQUEST_BYTES} bytes, JSON answer of ${ANSWER_BYTES}; ${CONNECTIONS} kept connections in a closed loop; one worker, pinned to one core, load and mock on another. The floor is a program of 60 lines that only joins uWebSockets.js to Node's sockets: it looks at nothing and checks nothing, so that no gateway of these parts can cost less.`,
    lines: [
      { what: 'CPU per request', unit: 'µs', figures: spreadPerContender(cpu) },
      { what: 'CPU per request, ratio to nginx', unit: 'x', figures: ratios },
      unjudged('requests per second', '', (m) => m.requestsPerSecond),
      unjudged('latency p50', 'µs', (m) => m.latencyUs.p50),
      unjudged('latency p99', 'µs', (m) => m.latencyUs.p99),
    ],
    judged: [judge('JSON request, CPU ratio to nginx', ratios['weir'], 'x', BOUNDS.jsonRatio)],
    raw: rounds,
  };
}

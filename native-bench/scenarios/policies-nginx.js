/**
 * Weir with everything that a gateway is there for switched on, against nginx that forwards and does nothing else: a key, three
 * limits, usage metered, a line for each exchange in an access log (a file, as a container's runtime would write it), and
 * metrics that are scraped every second. Measured in turns, as in json and sse, because the difference is large here.
 */
import { truncateSync } from 'node:fs';
import { loadRequests, loadStreams } from '../load.js';
import { startWeir } from '../proxies.js';
import { pickPerContender, ratiosToNginx, spreadPerContender } from '../statistics.js';
import { BOUNDS, judge } from './context.js';
import { interleave, warm, withRunning } from './interleave.js';
import { scrapeSteadily } from './watching.js';

const CONNECTIONS = 64;
const STREAMS = 200;
const EVENTS = 100;
const GAP_MS = 10;

/**
 * @param {import('./context.js').Context} context
 * @param {string} consumers a key and its limits, as a part of the configuration
 */
export async function compareWithNginx(context, consumers) {
  const { options, cores, mockPort, contenders, say } = context;
  const place = { mockPort, workers: 1, cpu: cores.proxy };
  const nginx = contenders.find(({ name }) => name === 'nginx');
  if (nginx === undefined) throw new Error('nginx is not among the contenders');
  /** @type {Awaited<ReturnType<typeof startWeir>> | null} */
  let weir = null;
  const starts = [
    { name: 'nginx', start: () => nginx.start(place) },
    {
      name: 'weir',
      start: async () => {
        weir = await startWeir(options.weirDir, { ...place, consumers, accessLog: true });
        return weir;
      },
    },
  ];
  const cpu = cores.load;
  const kinds = [
    {
      what: 'JSON request, everything on',
      bound: BOUNDS.allPoliciesJsonRatio,
      load: async (/** @type {number} */ port, /** @type {number} */ seconds) => {
        const shape = { connections: CONNECTIONS, threads: 1, seconds, cpu };
        return { units: (await loadRequests({ port, ...shape })).requests };
      },
    },
    {
      what: 'SSE event, everything on',
      bound: BOUNDS.allPoliciesSseRatio,
      load: async (/** @type {number} */ port, /** @type {number} */ seconds) => {
        const shape = { connections: STREAMS, events: EVENTS, gapMs: GAP_MS, seconds, cpu };
        // The usage is asked for by the client, so that both proxies are sent the same events.
        return { units: (await loadStreams({ port, ...shape, asksUsage: true })).events };
      },
    },
  ];

  return withRunning(starts, async (running) => {
    if (weir === null) throw new Error('Weir was not started');
    const { adminPort, logFile } = weir;
    const stopScraping = scrapeSteadily(adminPort);
    const compared = [];
    try {
      for (const { what, bound, load } of kinds) {
        const tell = (/** @type {string} */ text) => say(`policies, ${what}: ${text}`);
        const loadOnce = async (/** @type {number} */ port, /** @type {number} */ seconds) => {
          const result = await load(port, seconds);
          // Ten thousands of lines a second: the disk need not hold all of them.
          truncateSync(logFile, 0);
          return result;
        };
        for (const each of running)
          await warm(each, async ({ proxy }) => (await loadOnce(proxy.port, 1)).units, tell);
        const rounds = await interleave(
          running,
          options.roundsFew,
          ({ proxy }) => loadOnce(proxy.port, options.seconds),
          tell,
        );
        const costs = pickPerContender(rounds, ({ cpuUs, units }) => cpuUs / units);
        const ratios = ratiosToNginx(costs);
        compared.push({
          lines: [
            { what: `${what}, CPU`, unit: 'µs', figures: spreadPerContender(costs) },
            { what: `${what}, CPU, ratio to nginx forwarding`, unit: 'x', figures: ratios },
          ],
          judged: judge(`${what} / nginx forwarding`, ratios['weir'], 'x', bound),
          raw: rounds,
        });
      }
    } finally {
      await stopScraping();
    }
    return compared;
  });
}

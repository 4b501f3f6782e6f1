/**
 * Whether a request is slower where 100,000 consumers have three limits each than where one has them: the same requests,
 * to two gateways at the same time on the same core, because the difference is less than what a neighbour on the machine
 * changes from one second to the next; every request of another consumer by chance. So their keys, names and rows are as
 * cold in the processor's caches as they are in production, and what that costs is seen as a part of what a request costs.
 */
import { loadRequests } from '../load.js';
import { startWeir } from '../proxies.js';
import { pickPerContender, spreadOfRatios, spreadPerContender } from '../statistics.js';
import { measureTogether, warm, withRunning } from './interleave.js';

const CONNECTIONS = 32;
const SECONDS = 2;
const ROUNDS = 11;
const ROUNDS_QUICK = 2;

/** `bench` is asked for by whoever starts the gateway. @param {number} count */
function renderConsumers(count) {
  const keys = Array.from({ length: count }, (_, index) => `bench-${index}`);
  return `tiers:
  wide:
    limits:
      - { requests: 100000000, per: 1m }
      - { tokens: 100000000000, per: 1m }
      - { cost: 1000000, per: 1d }
consumers:
  bench: { keys: [bench], tier: wide }
${keys.map((key) => `  ${key}: { keys: [${key}], tier: wide }\n`).join('')}`;
}

/** @param {import('./context.js').Context} context @param {number} many */
export async function measureManyConsumers({ options, cores, mockPort, say }, many) {
  const counts = { '1 consumer': 1, [`${many} consumers`]: many };
  const [one = '', all = ''] = Object.keys(counts);
  const starts = Object.entries(counts).map(([name, count]) => ({
    name,
    start: () =>
      startWeir(options.weirDir, {
        mockPort,
        workers: 1,
        cpu: cores.proxy,
        consumers: renderConsumers(count),
      }),
  }));
  const tell = (/** @type {string} */ text) => say(`limits, requests: ${text}`);
  const rounds = await withRunning(starts, async (running) => {
    const load = (/** @type {import('./interleave.js').Running} */ { name, proxy }) =>
      loadRequests({
        port: proxy.port,
        connections: CONNECTIONS,
        threads: 1,
        seconds: SECONDS,
        cpu: cores.load,
        keys: counts[name] ?? 1,
      });
    for (const each of running) await warm(each, async (of) => (await load(of)).requests, tell);
    return measureTogether(running, options.quick ? ROUNDS_QUICK : ROUNDS, load, tell);
  });
  const cpu = pickPerContender(rounds, ({ cpuUs, requests }) => cpuUs / requests);
  return {
    line: {
      what: 'JSON request with key and 3 limits, CPU',
      unit: 'µs',
      figures: spreadPerContender(cpu),
    },
    ratio: spreadOfRatios(cpu[all] ?? [], cpu[one] ?? []),
    raw: rounds,
  };
}

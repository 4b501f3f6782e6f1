/**
 * What it costs to see everything: an access log, usage records, sampled traces, metrics scraped every second, against
 * none of these; and what it costs a worker that a hundred people have the dashboard open. Both sides have a key and
 * limits, so that usage is metered on either. What always counts, histograms and counters, can't be switched off and is
 * in both. The difference is small, so that both are loaded at the same time on the same core.
 */
import { truncateSync } from 'node:fs';
import { startThreadCount } from '../accounting.js';
import { loadRate, loadRequests, loadStreams } from '../load.js';
import { startWeir } from '../proxies.js';
import { pickPerContender, spreadOf, spreadOfRatios, spreadPerContender } from '../statistics.js';
import { allowNoise, BOUNDS, judge } from './context.js';
import { interleave, measureTogether, warm, warmWithRequests, withRunning } from './interleave.js';
import { openDashboards, scrapeSteadily, startCollector } from './watching.js';

const CONNECTIONS = 32;
const STREAMS = 100;
const EVENTS = 100;
const GAP_MS = 10;
const DASHBOARDS = 100;
/** A usual share; the worker's part of a traced exchange is more than that of another. */
const TRACED_SHARE = 0.01;
const ROUNDS_MIN = 9;
/** Of p99: it varies by so much from round to round where nothing differs. */
const RATE_SHARE = 0.5;

const OFF = 'nothing is watched';
const ON = 'everything is watched';
const WITHOUT = 'no dashboard';
const WITH = `${DASHBOARDS} dashboards`;

const CONSUMERS = `consumers:
  bench:
    keys: [bench]
    limits:
      - { requests: 100000000, per: 1m }
      - { tokens: 100000000000, per: 1m }
      - { cost: 1000000, per: 1d }
`;

/** @param {number} collectorPort */
function renderWatching(collectorPort) {
  return `${CONSUMERS}state_dir: ./state
usage: {}
traces: { endpoint: "http://127.0.0.1:${collectorPort}", sample: ${TRACED_SHARE} }
`;
}

/**
 * @typedef {object} Watched
 * @property {import('./interleave.js').Running[]} running the one that is not watched first
 * @property {() => void} cutLog
 * @property {() => Promise<void>} check that whoever watched saw something
 */

/**
 * @template T
 * @param {import('./context.js').Context} context
 * @param {(watched: Watched) => Promise<T>} use
 */
async function withBoth({ options, cores, mockPort }, use) {
  const collector = await startCollector();
  const place = { mockPort, workers: 1, cpu: cores.proxy };
  /** @type {Awaited<ReturnType<typeof startWeir>> | null} */
  let watched = null;
  const starts = [
    { name: OFF, start: () => startWeir(options.weirDir, { ...place, consumers: CONSUMERS }) },
    {
      name: ON,
      start: async () => {
        const consumers = renderWatching(collector.port);
        watched = await startWeir(options.weirDir, { ...place, consumers, accessLog: true });
        return watched;
      },
    },
  ];
  try {
    return await withRunning(starts, async (running) => {
      if (watched === null) throw new Error('not started');
      const { adminPort, logFile } = watched;
      const stopScraping = scrapeSteadily(adminPort);
      const result = await use({
        running,
        cutLog: () => truncateSync(logFile),
        check: async () => {
          if (collector.countPosts() === 0) throw new Error('no spans were sent to the collector');
        },
      });
      await stopScraping();
      return result;
    });
  } finally {
    collector.stop();
  }
}

/** @typedef {{ requests: number } | { events: number }} Load */

/**
 * @template {Load} T
 * @param {import('./context.js').Context} context
 * @param {string} kind
 * @param {(port: number, seconds: number) => Promise<T>} load
 * @param {(result: T) => number} countUnits
 * @param {number} bound
 */
async function compare(context, kind, load, countUnits, bound) {
  const { options } = context;
  const roundsInAll = options.quick ? options.roundsFew : Math.max(options.rounds, ROUNDS_MIN);
  const tell = (/** @type {string} */ text) => context.say(`seeing, ${kind}: ${text}`);
  const rounds = await withBoth(context, async ({ running, cutLog, check }) => {
    for (const each of running) {
      await warmWithRequests(each, context.cores.load);
      await warm(each, async ({ proxy }) => countUnits(await load(proxy.port, 1)), tell);
    }
    const measured = await measureTogether(
      running,
      roundsInAll,
      ({ proxy }) => {
        cutLog();
        return load(proxy.port, options.seconds);
      },
      tell,
    );
    await check();
    return measured;
  });
  const cpu = pickPerContender(rounds, (measured) => measured.cpuUs / countUnits(measured));
  const ratio = spreadOfRatios(cpu[ON] ?? [], cpu[OFF] ?? []);
  return {
    lines: [
      { what: `${kind}, CPU`, unit: 'µs', figures: spreadPerContender(cpu) },
      { what: `${kind}, CPU, ratio`, unit: 'x', figures: { [ON]: ratio } },
    ],
    judged: [judge(`${kind}: ${ON} / ${OFF}`, ratio, 'x', bound)],
    raw: rounds,
  };
}

/** At one and the same rate, in turns: half of what the watched one can take. @param {import('./context.js').Context} context */
async function compareLatency(context) {
  const { options, cores } = context;
  const tell = (/** @type {string} */ text) => context.say(`seeing, latency: ${text}`);
  const load = (
    /** @type {number} */ port,
    /** @type {number} */ rate,
    seconds = options.seconds,
  ) => loadRate({ port, connections: CONNECTIONS * 2, rate, seconds, cpu: cores.load });
  const rounds = await withBoth(context, async ({ running, cutLog }) => {
    for (const each of running)
      await warm(each, async ({ proxy }) => (await load(proxy.port, 0, 1)).requests, tell);
    const [, on] = running;
    if (on === undefined) throw new Error('not started');
    const rate = (await load(on.proxy.port, 0, 2)).requestsPerSecond * RATE_SHARE;
    const turns = options.quick ? options.roundsFew : Math.max(options.rounds, ROUNDS_MIN);
    return interleave(
      running,
      turns,
      ({ proxy }) => {
        cutLog();
        return load(proxy.port, rate);
      },
      tell,
    );
  });
  const p99 = pickPerContender(rounds, ({ latencyUs }) => latencyUs.p99);
  const ratio = spreadOfRatios(p99[ON] ?? [], p99[OFF] ?? []);
  return {
    lines: [
      { what: 'p99 at half of saturation', unit: 'µs', figures: spreadPerContender(p99) },
      { what: 'p99 at half of saturation, ratio', unit: 'x', figures: { [ON]: ratio } },
    ],
    judged: [allowNoise(judge(`p99: ${ON} / ${OFF}`, ratio, 'x', BOUNDS.seeingP99Ratio))],
    raw: rounds,
  };
}

/** The worker's thread alone, with and without dashboards, in turns. @param {import('./context.js').Context} context */
async function compareDashboards(context) {
  const { options, cores, mockPort } = context;
  const tell = (/** @type {string} */ text) => context.say(`seeing, dashboards: ${text}`);
  const turns = options.quick ? options.roundsFew : Math.max(options.rounds, ROUNDS_MIN);
  const weir = await startWeir(options.weirDir, {
    mockPort,
    workers: 1,
    cpu: cores.proxy,
    consumers: CONSUMERS,
  });
  /** @type {Record<string, number[]>} */
  const costs = { [WITHOUT]: [], [WITH]: [] };
  try {
    const load = (seconds = options.seconds) =>
      loadRequests({
        port: weir.port,
        connections: CONNECTIONS,
        threads: 1,
        seconds,
        cpu: cores.load,
      });
    await warm({ name: 'weir', proxy: weir }, async () => (await load(1)).requests, tell);
    for (let turn = 1; turn <= turns; turn++) {
      for (const name of turn % 2 === 1 ? [WITHOUT, WITH] : [WITH, WITHOUT]) {
        tell(`round ${turn} of ${turns}: ${name}`);
        const close = name === WITH ? await openDashboards(weir.adminPort, DASHBOARDS) : null;
        const readThread = startThreadCount(weir.pid);
        const { requests } = await load();
        costs[name]?.push(readThread() / requests);
        if (close?.() === 0) throw new Error('the dashboards were sent nothing');
      }
    }
  } finally {
    await weir.stop();
  }
  const ratio = spreadOfRatios(costs[WITH] ?? [], costs[WITHOUT] ?? []);
  const figures = Object.fromEntries(
    Object.entries(costs).map(([name, values]) => [name, spreadOf(values)]),
  );
  return {
    lines: [
      { what: 'JSON request, CPU of the worker alone', unit: 'µs', figures },
      { what: 'CPU of the worker alone, ratio', unit: 'x', figures: { [WITH]: ratio } },
    ],
    judged: [
      allowNoise(judge(`worker: ${WITH} / ${WITHOUT}`, ratio, 'x', BOUNDS.dashboardsWorkerRatio)),
    ],
    raw: costs,
  };
}

/** @param {import('./context.js').Context} context @returns {Promise<import('./context.js').ScenarioResult>} */
export async function runSeeing(context) {
  const cpu = context.cores.load;
  const loadJson = (/** @type {number} */ port, /** @type {number} */ seconds) =>
    loadRequests({ port, connections: CONNECTIONS, threads: 1, seconds, cpu });
  const loadEvents = (/** @type {number} */ port, /** @type {number} */ seconds) => {
    const shape = { connections: STREAMS, events: EVENTS, gapMs: GAP_MS };
    return loadStreams({ port, ...shape, seconds, cpu, asksUsage: true });
  };
  const { seeingJsonRatio, seeingSseRatio } = BOUNDS;
  const compared = [
    await compare(context, 'JSON request', loadJson, ({ requests }) => requests, seeingJsonRatio),
    await compare(context, 'SSE event', loadEvents, ({ events }) => events, seeingSseRatio),
    await compareLatency(context),
    await compareDashboards(context),
  ];
  return {
    name: 'seeing',
    how: `Two gateways with a key, limits and metered usage. "${ON}": an access log to a file, usage records to files, traces of ${TRACED_SHARE * 100} % to a collector, metrics scraped every second; "${OFF}": none of these. CPU of the whole process at the same time on the same core; p99 in turns, at half of what the watched one can take; the worker's thread alone in turns with and without ${DASHBOARDS} open feeds of the dashboard.`,
    lines: compared.flatMap(({ lines }) => lines),
    judged: compared.flatMap(({ judged }) => judged),
    raw: compared.map(({ raw }) => raw),
  };
}

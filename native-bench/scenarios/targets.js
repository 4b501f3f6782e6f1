/**
 * What it costs that a call could go elsewhere, while nothing fails: three targets with retries and breakers beside one
 * plain target, the same bytes to the same mock. As with policies the difference is a microsecond or two, so that all
 * gateways are loaded at the same time on the same core, and each one's CPU time is counted. One after the other each
 * would find its caches its own and differ by less, but by far less than a neighbour makes of it.
 */
import { loadRequests, loadStreams } from '../load.js';
import { startWeir } from '../proxies.js';
import { pickPerContender, spreadOfRatios, spreadPerContender } from '../statistics.js';
import { BOUNDS, judge } from './context.js';
import { measureTogether, warm, warmWithRequests, withRunning } from './interleave.js';

/** For each process. */
const CONNECTIONS = 32;
const STREAMS = 100;
const EVENTS = 100;
const GAP_MS = 10;

/** The bound lies within what neighbours on a machine do; few rounds would decide it by chance. */
const ROUNDS_MIN = 16;
/** So often all are started anew, in turned order: what V8 has made of one process makes a difference of some percent. */
const STARTS = 4;

const PLAIN = 'one plain target';
const THREE = 'three targets, retry, breaker';
const HEDGED = 'and hedge, least-latency';

const NAMES = ['a', 'b', 'c'];

/** @param {string} baseUrl @param {string[]} names @param {string} more */
function renderProviders(baseUrl, names, more) {
  const lines = names.map(
    (name) =>
      `  ${name}: { dialect: openai, base_url: "${baseUrl}", connections: { keep_alive: 300s }${more} }\n`,
  );
  return `providers:\n${lines.join('')}`;
}

/** Nothing of issue 5 is on: one attempt, no breaker. @param {string} baseUrl */
function renderPlain(baseUrl) {
  return `${renderProviders(baseUrl, ['a'], ', breaker: off')}retry: { attempts: 1 }
models:
  "*": { provider: a }
`;
}

/** @param {string} more of the model @returns {(baseUrl: string) => string} */
function renderThree(more) {
  const targets = NAMES.map((name) => `{ provider: ${name} }`).join(', ');
  return (baseUrl) => `${renderProviders(baseUrl, NAMES, '')}models:
  "*": { targets: [${targets}]${more} }
`;
}

/** @param {import('./context.js').Context} context */
function listStarts({ options, cores, mockPort }) {
  const place = { mockPort, workers: 1, cpu: cores.proxy };
  const renders = {
    [PLAIN]: renderPlain,
    [THREE]: renderThree(''),
    [HEDGED]: renderThree(', hedge: 2s, balance: least-latency'),
  };
  return Object.entries(renders).map(([name, renderTargets]) => ({
    name,
    start: () => startWeir(options.weirDir, { ...place, renderTargets }),
  }));
}

/** @typedef {{ requests: number } | { events: number }} Load */

/**
 * @template {Load} T
 * @param {import('./context.js').Context} context
 * @param {string} kind
 * @param {(port: number, seconds: number) => Promise<T>} load
 * @param {(result: T) => number} countUnits
 */
async function compare(context, kind, load, countUnits) {
  const { options } = context;
  const roundsInAll = options.quick ? options.roundsFew : Math.max(options.rounds, ROUNDS_MIN);
  const tell = (/** @type {string} */ text) => context.say(`targets, ${kind}: ${text}`);
  const starts = listStarts(context);
  const startsInAll = options.quick ? 1 : STARTS;
  /** @type {Record<string, import('./interleave.js').Measured<T>[]>} */
  const rounds = Object.fromEntries(starts.map(({ name }) => [name, []]));
  for (let at = 0; at < startsInAll; at++) {
    const measuredOnce = await withRunning(starts, async (running) => {
      for (const each of running) {
        await warmWithRequests(each, context.cores.load);
        const loadOnce = async (/** @type {import('./interleave.js').Running} */ { proxy }) =>
          countUnits(await load(proxy.port, 1));
        await warm(each, loadOnce, tell);
      }
      const measure = (/** @type {import('./interleave.js').Running} */ { proxy }) =>
        load(proxy.port, options.seconds);
      return measureTogether(running, Math.ceil(roundsInAll / startsInAll), measure, tell);
    });
    for (const [name, measured] of Object.entries(measuredOnce)) rounds[name]?.push(...measured);
    starts.reverse();
  }
  const cpu = pickPerContender(rounds, (measured) => measured.cpuUs / countUnits(measured));
  const ratios = Object.fromEntries(
    [THREE, HEDGED].map((name) => [name, spreadOfRatios(cpu[name] ?? [], cpu[PLAIN] ?? [])]),
  );
  const judged = judge(`${kind}: ${THREE} / ${PLAIN}`, ratios[THREE], 'x', BOUNDS.targetsRatio);
  return {
    lines: [
      { what: `${kind}, CPU`, unit: 'µs', figures: spreadPerContender(cpu) },
      { what: `${kind}, CPU, ratio to one plain target`, unit: 'x', figures: ratios },
    ],
    judged,
    raw: rounds,
  };
}

/** @param {import('./context.js').Context} context @returns {Promise<import('./context.js').ScenarioResult>} */
export async function runTargets(context) {
  const cpu = context.cores.load;
  const loadJson = (/** @type {number} */ port, /** @type {number} */ seconds) =>
    loadRequests({ port, connections: CONNECTIONS, threads: 1, seconds, cpu });
  const loadEvents = (/** @type {number} */ port, /** @type {number} */ seconds) =>
    loadStreams({ port, connections: STREAMS, events: EVENTS, gapMs: GAP_MS, seconds, cpu });
  const compared = [
    await compare(context, 'JSON request', loadJson, ({ requests }) => requests),
    await compare(context, 'SSE event', loadEvents, ({ events }) => events),
  ];
  return {
    name: 'targets',
    how: `The requests of json and sse, to a process with one plain target (one attempt, no breaker), to one with three targets, retries and breakers as by default, and to one that has a hedge of 2 s and chooses by latency besides. Nothing fails. All at the same time on the same core, started ${STARTS} times in turned order, ${CONNECTIONS} connections or ${STREAMS} streams each; all targets are the same mock. Every byte of a stream compared.`,
    lines: compared.flatMap(({ lines }) => lines),
    judged: compared.map(({ judged }) => judged),
    raw: compared.map(({ raw }) => raw),
  };
}

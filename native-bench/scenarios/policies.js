/**
 * What a key, three limits (requests, tokens, money) and the metering of usage cost, beside a gateway that only
 * forwards: the same bytes, the same checkout, two processes. Both are loaded at the same time on the same core and
 * each one's CPU time is counted: the difference is a few microseconds, less than what a neighbour on the machine
 * changes from one second to the next, so that taking turns would not show it. Of an event stream twice: where the
 * client asks for usage itself, so that it is only read in passing; and where it does not, so that Weir asks
 * for it and takes it out again, which makes the provider send more than without a limit.
 */
import { loadRequests, loadStreams } from '../load.js';
import { startWeir } from '../proxies.js';
import { pickPerContender, spreadOfRatios, spreadPerContender } from '../statistics.js';
import { BOUNDS, judge } from './context.js';
import { measureTogether, warm, warmWithRequests, withRunning } from './interleave.js';
import { compareWithNginx } from './policies-nginx.js';

/** For each process; together as many as in the scenarios json and sse. */
const CONNECTIONS = 32;
const STREAMS = 100;
const EVENTS = 100;
const GAP_MS = 10;

/** So wide that nobody is refused: a refusal would be an answer that costs no provider. */
const CONSUMERS = `consumers:
  bench:
    keys: [bench]
    limits:
      - { requests: 100000000, per: 1m }
      - { tokens: 100000000000, per: 1m }
      - { cost: 1000000, per: 1d }
`;

/** The bound lies a microsecond or two from what is measured; three rounds would decide it by chance. */
const ROUNDS_MIN = 13;

const FORWARDS = 'forwards only';
const METERS = 'key, limits, usage';

/** @param {import('./context.js').Context} context */
function listStarts({ options, cores, mockPort }) {
  const place = { mockPort, workers: 1, cpu: cores.proxy };
  const checkouts = [{ prefix: '', dir: options.weirDir }];
  if (options.weirBaseDir !== null) checkouts.push({ prefix: 'base: ', dir: options.weirBaseDir });
  return checkouts.flatMap(({ prefix, dir }) => [
    { name: prefix + FORWARDS, start: () => startWeir(dir, place) },
    { name: prefix + METERS, start: () => startWeir(dir, { ...place, consumers: CONSUMERS }) },
  ]);
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
  const tell = (/** @type {string} */ text) => context.say(`policies, ${kind}: ${text}`);
  const rounds = await withRunning(listStarts(context), async (running) => {
    for (const each of running) {
      await warmWithRequests(each, context.cores.load);
      await warm(each, async ({ proxy }) => countUnits(await load(proxy.port, 1)), tell);
    }
    return measureTogether(
      running,
      roundsInAll,
      ({ proxy }) => load(proxy.port, options.seconds),
      tell,
    );
  });
  const cpu = pickPerContender(rounds, (measured) => measured.cpuUs / countUnits(measured));
  const ratios = Object.fromEntries(
    ['', 'base: ']
      .filter((prefix) => prefix + METERS in cpu)
      .map((prefix) => [
        prefix + METERS,
        spreadOfRatios(cpu[prefix + METERS] ?? [], cpu[prefix + FORWARDS] ?? []),
      ]),
  );
  return {
    lines: [
      { what: `${kind}, CPU`, unit: 'µs', figures: spreadPerContender(cpu) },
      { what: `${kind}, CPU, ratio to forwarding only`, unit: 'x', figures: ratios },
    ],
    judged: judge(
      `${kind}: key, 3 limits, usage / forwarding only`,
      ratios[METERS],
      'x',
      BOUNDS.policiesRatio,
    ),
    raw: rounds,
  };
}

const ASKED_BY_WEIR = 'SSE event, Weir asks';

/**
 * Of work that the other side does not do at all: the provider sends more, and what the client shall not see is taken
 * out of every event. It is told, not judged.
 * @template {{ judged: unknown }} T
 * @param {T} compared
 */
function withoutBound(compared) {
  return { ...compared, judged: null };
}

/** @param {import('./context.js').Context} context @returns {Promise<import('./context.js').ScenarioResult>} */
export async function runPolicies(context) {
  const cpu = context.cores.load;
  const loadJson = (/** @type {number} */ port, /** @type {number} */ seconds) =>
    loadRequests({ port, connections: CONNECTIONS, threads: 1, seconds, cpu });
  const loadEvents =
    (/** @type {boolean} */ asksUsage) =>
    (/** @type {number} */ port, /** @type {number} */ seconds) => {
      const shape = { connections: STREAMS, events: EVENTS, gapMs: GAP_MS };
      return loadStreams({ port, ...shape, seconds, cpu, asksUsage });
    };
  const compared = [
    await compare(context, 'JSON request', loadJson, ({ requests }) => requests),
    await compare(context, 'SSE event, client asks', loadEvents(true), ({ events }) => events),
    ...(context.options.quick
      ? []
      : [
          withoutBound(
            await compare(context, ASKED_BY_WEIR, loadEvents(false), ({ events }) => events),
          ),
        ]),
    ...(await compareWithNginx(context, CONSUMERS)),
  ];
  return {
    name: 'policies',
    how: `The requests of json and sse, to a process that only forwards and to one with a consumer's key, limits on requests, tokens and cost that never refuse, and usage metered. "Client asks": the request has stream_options.include_usage and the stream goes through as it is. "Weir asks": it has not, so that Weir adds it, reads the usage and takes it out again (its provider sends 13 bytes an event more, and an event more a stream). Both at the same time on the same core, ${CONNECTIONS} connections or ${STREAMS} streams each. Every byte of a stream compared. "Everything on": key, limits and usage, an access log written to a file and metrics scraped every second, in turns with nginx that only forwards, as in json and sse.`,
    lines: compared.flatMap(({ lines }) => lines),
    judged: compared.flatMap(({ judged }) => judged ?? []),
    raw: compared.map(({ raw }) => raw),
  };
}

/**
 * The gateways that Weir is to replace, each the way its own users run it, on the same chat request, the same answer and
 * the same stream, from a mock that costs next to nothing: a mock that is the bottleneck makes all gateways alike.
 * Rivals differ by a factor of hundreds. One load for all would be none to the fast ones, or a queue of seconds to the
 * slow ones, so each has as many connections and streams as one core of it can keep up with; what is compared is CPU time
 * per request and per event. A short warm-up suffices where the differences are that large.
 */
import { readResidentBytes } from '../accounting.js';
import { loadRequests, loadStreams } from '../load.js';
import { REQUEST_BYTES } from '../requests.js';
import { describeTakers, startAll } from '../rivals/contenders.js';
import { writeRequestFile } from '../rivals/rival.js';
import { takeTurns } from '../rivals/turns.js';
import { pickPerContender, spreadOfRatios, spreadPerContender } from '../statistics.js';
import { BOUNDS, judge } from './context.js';

const EVENTS = 100;
const GAP_MS = 10;
const WARM_LOADS = 4;
const WARM_LOADS_QUICK = 1;
/** Six or more contenders share the time that the whole benchmark has. */
const ROUNDS_MAX = 2;
const SECONDS_MAX = 2;

/** @typedef {import('../rivals/contenders.js').Started} Started */

/**
 * @template T
 * @param {Started[]} started
 * @param {import('./context.js').Context} context
 * @param {(one: Started, seconds: number) => Promise<T>} load
 * @param {string} what
 */
function warmAndMeasure(started, { options, say }, load, what) {
  return takeTurns(started, {
    what,
    rounds: options.quick ? 1 : Math.min(options.rounds, ROUNDS_MAX),
    async warm(one) {
      for (let i = 0; i < (options.quick ? WARM_LOADS_QUICK : WARM_LOADS); i++) await load(one, 1);
    },
    load: (one) => load(one, Math.min(options.seconds, SECONDS_MAX)),
    say,
  });
}

/**
 * A line of the table from a figure of every round.
 * @template T
 * @param {Record<string, T[]>} rounds
 * @param {string} what
 * @param {string} unit
 * @param {(measured: T) => number} pick
 */
function renderLine(rounds, what, unit, pick) {
  return { what, unit, figures: spreadPerContender(pickPerContender(rounds, pick)) };
}

/** What Weir takes of what another takes, in percent. Of one that is left out there is nothing to judge. @param {Record<string, number[]>} cpu @param {string} name @param {number} bound */
function judgeShare(cpu, name, bound) {
  const theirs = cpu[name];
  if (theirs === undefined) return [];
  const share = spreadOfRatios(
    (cpu['weir'] ?? []).map((us) => us * 100),
    theirs,
  );
  return [judge(`JSON request, CPU of Weir, share of ${name}'s`, share, '%', bound)];
}

/** How many times what Weir takes, round by round. @param {Record<string, number[]>} cpu */
function timesWeir(cpu) {
  const { weir = [], ...others } = cpu;
  return Object.fromEntries(
    Object.entries(others).map(([name, all]) => [name, spreadOfRatios(all, weir)]),
  );
}

/** @param {import('./context.js').Context} context @param {Started[]} started */
async function compareRequests(context, started) {
  const { mockPort, cores } = context;
  const load = (/** @type {Started} */ { rival, proxy }, /** @type {number} */ seconds) => {
    const call = rival.call(mockPort);
    const bodyFile = writeRequestFile(rival.name, call.model);
    const { connections } = rival;
    const { port } = proxy;
    return loadRequests({
      port,
      connections,
      threads: 1,
      seconds,
      cpu: cores.load,
      call,
      bodyFile,
    });
  };
  const { rounds, leftOut } = await warmAndMeasure(started, context, load, 'JSON requests');
  const cpu = pickPerContender(rounds, ({ cpuUs, requests }) => cpuUs / requests);
  return {
    rounds,
    leftOut,
    lines: [
      { what: 'CPU per request', unit: 'µs', figures: spreadPerContender(cpu) },
      { what: "CPU per request, times Weir's", unit: 'x', figures: timesWeir(cpu) },
      renderLine(
        rounds,
        'requests per second of CPU time, which is per core',
        '',
        (m) => (m.requests / m.cpuUs) * 1e6,
      ),
      renderLine(rounds, 'requests per second', '', (m) => m.requestsPerSecond),
      renderLine(rounds, 'latency p50', 'ms', (m) => m.latencyUs.p50 / 1000),
      renderLine(rounds, 'latency p99', 'ms', (m) => m.latencyUs.p99 / 1000),
    ],
    judged: [
      ...judgeShare(cpu, 'portkey', BOUNDS.portkeySharePercent),
      ...judgeShare(cpu, 'litellm', BOUNDS.litellmSharePercent),
    ],
  };
}

/** @param {import('./context.js').Context} context @param {Started[]} started */
async function compareStreams(context, started) {
  const { mockPort, cores } = context;
  const load = (/** @type {Started} */ { rival, proxy }, /** @type {number} */ seconds) =>
    loadStreams({
      port: proxy.port,
      connections: rival.streams,
      seconds,
      events: EVENTS,
      gapMs: GAP_MS,
      cpu: cores.load,
      call: rival.call(mockPort),
      rewritten: rival.answer === 'rewritten',
    });
  const { rounds, leftOut } = await warmAndMeasure(started, context, load, 'streams');
  const cpu = pickPerContender(rounds, ({ cpuUs, events }) => cpuUs / events);
  return {
    rounds,
    leftOut,
    lines: [
      { what: 'CPU per SSE event', unit: 'µs', figures: spreadPerContender(cpu) },
      { what: "CPU per SSE event, times Weir's", unit: 'x', figures: timesWeir(cpu) },
      renderLine(rounds, 'events per second', '', (m) => m.events / m.seconds),
      renderLine(rounds, 'event, mock to client, p50', 'ms', (m) => m.eventUs.p50 / 1000),
      renderLine(rounds, 'event, mock to client, p99', 'ms', (m) => m.eventUs.p99 / 1000),
    ],
  };
}

/** @param {import('./context.js').Context} context @returns {Promise<import('./context.js').ScenarioResult>} */
export async function runRivals(context) {
  const { cores, mockPort } = context;
  const { started, leftOut } = await startAll(context, { mockPort, workers: 1, cpu: cores.proxy });
  try {
    const json = await compareRequests(context, started);
    const sse = await compareStreams(context, started);
    const missing = [...leftOut, ...json.leftOut, ...sse.leftOut];
    const alive = started.filter(({ rival }) => sse.rounds[rival.name] !== undefined);
    const resident = Object.fromEntries(
      alive.map(({ rival, proxy }) => [rival.name, [readResidentBytes(proxy.pid) / 2 ** 20]]),
    );
    const loads = started.map(
      ({ rival }) => `${rival.name} ${rival.connections} and ${rival.streams}`,
    );
    const rewriters = started.filter(({ rival }) => rival.answer === 'rewritten');
    const rewriting =
      rewriters.length === 0
        ? ''
        : ` Of ${rewriters.map(({ rival }) => rival.name).join(', ')}, which write answers anew, only what the model says is compared.`;
    const present = started.map(({ rival, version }) => ({ name: rival.name, version }));
    return {
      name: 'rivals',
      how: `POST of ${REQUEST_BYTES} bytes in a closed loop, and streams of ${EVENTS} events ${GAP_MS} ms apart; one worker each, pinned to one core, load and mock on another. Connections and streams at a time: ${loads.join(', ')}. Answers are compared before the load, streams all the time, byte for byte.${rewriting} ${describeTakers(present, missing)}`,
      lines: [
        ...json.lines,
        ...sse.lines,
        { what: 'resident after all that', unit: 'MB', figures: spreadPerContender(resident) },
      ],
      judged: json.judged,
      raw: { json: json.rounds, sse: sse.rounds, leftOut: missing },
    };
  } finally {
    await Promise.all(started.map(({ proxy }) => proxy.stop()));
  }
}

/**
 * A B A B …: in each round every contender is measured once, one after the other, because a shared
 * machine changes from minute to minute and a pair of neighbours in time meets the same conditions.
 */
import { startCpuCount } from '../accounting.js';
import { loadRequests } from '../load.js';

/**
 * @typedef {object} Running
 * @property {string} name
 * @property {import('../proxies.js').Proxy} proxy
 */

/**
 * @template T
 * @typedef {T & { cpuUs: number }} Measured
 */

/**
 * All contenders run all the time; the ones that are not measured are idle. The order turns round in
 * every second round, so that none always follows the same one.
 * @template T
 * @param {Running[]} contenders
 * @param {number} rounds
 * @param {(running: Running) => Promise<T>} load
 * @param {(text: string) => void} say
 * @returns {Promise<Record<string, Measured<T>[]>>}
 */
export async function interleave(contenders, rounds, load, say) {
  /** @type {Record<string, Measured<T>[]>} */
  const results = Object.fromEntries(contenders.map(({ name }) => [name, []]));
  for (let round = 1; round <= rounds; round++) {
    const order = round % 2 === 1 ? contenders : [...contenders].reverse();
    for (const running of order) {
      say(`round ${round} of ${rounds}: ${running.name}`);
      const readCpu = startCpuCount(running.proxy.pid);
      const result = await load(running);
      const measured = { ...result, cpuUs: readCpu() };
      results[running.name]?.push(measured);
    }
  }
  return results;
}

/**
 * All contenders loaded at the same time, for differences that are smaller than what a neighbour on the machine changes
 * from one second to the next.
 * @template T
 * @param {Running[]} contenders
 * @param {number} rounds
 * @param {(running: Running) => Promise<T>} load
 * @param {(text: string) => void} say
 * @returns {Promise<Record<string, Measured<T>[]>>}
 */
export async function measureTogether(contenders, rounds, load, say) {
  /** @type {Record<string, Measured<T>[]>} */
  const results = Object.fromEntries(contenders.map(({ name }) => [name, []]));
  for (let round = 1; round <= rounds; round++) {
    say(`round ${round} of ${rounds}`);
    const counts = contenders.map(({ proxy }) => startCpuCount(proxy.pid));
    const loads = await Promise.all(contenders.map(load));
    contenders.forEach(({ name }, index) => {
      const cpuUs = counts[index]?.() ?? Number.NaN;
      results[name]?.push({ .../** @type {T} */ (loads[index]), cpuUs });
    });
  }
  return results;
}

/** So many loads without a better one: threads that compile each for itself improve in steps, with pauses between. */
const STEADY_LOADS = 4;
/** Loads of a proxy before it counts as warm, however it develops. */
const WARM_LOADS_MAX = 24;
/** Of the scenarios beside the headline; a proxy that is not steady by then moves by a few percent. */
const WARM_SECONDS_MAX = 15;
/** Where threads share cores, or the figure is the headline. */
export const WARM_LONG_SECONDS_MAX = 25;
/** Of a quick look, which is no result either way. */
const WARM_LOADS_QUICK = 1;
let warmLoadsMax = WARM_LOADS_MAX;

export function warmQuickly() {
  warmLoadsMax = WARM_LOADS_QUICK;
}

/**
 * Loads a proxy until its cost per unit of work has stopped falling. A fixed time would not do: each
 * thread of Weir compiles for itself, so eight of them on few cores take many times as long as one.
 * @param {Running} running
 * @param {(running: Running) => Promise<number>} load one short load; tells the units of work done
 * @param {(text: string) => void} say
 * @param {number} [secondsMax]
 */
export async function warm(running, load, say, secondsMax = WARM_SECONDS_MAX) {
  const deadline = performance.now() + secondsMax * 1000;
  let best = Number.POSITIVE_INFINITY;
  let steady = 0;
  for (let i = 1; i <= warmLoadsMax && steady < STEADY_LOADS && performance.now() < deadline; i++) {
    const readCpu = startCpuCount(running.proxy.pid);
    const units = await load(running);
    const cost = readCpu() / units;
    steady = cost < best * 0.97 ? 0 : steady + 1;
    best = Math.min(best, cost);
    say(`warming ${running.name}: ${cost.toFixed(1)} µs`);
  }
}

const REQUESTS_SECONDS = 4;

/**
 * Before streams, some seconds of requests. V8 compiles a function when it has run often enough, and streams of a second
 * each begin so seldom that what runs once a stream would be compiled in the middle of the measurement, at the cost of a
 * tenth of an event; a gateway that has run for some minutes is past that.
 * @param {Running} running
 * @param {number} cpu of the load
 */
export async function warmWithRequests({ proxy }, cpu) {
  if (warmLoadsMax > WARM_LOADS_QUICK)
    await loadRequests({
      port: proxy.port,
      connections: 32,
      threads: 1,
      seconds: REQUESTS_SECONDS,
      cpu,
    });
}

/**
 * Starts the contenders, hands them over, and stops them and the mock whatever happens.
 * @template T
 * @param {{ name: string, start: () => Promise<import('../proxies.js').Proxy> }[]} contenders
 * @param {(running: Running[]) => Promise<T>} use
 */
export async function withRunning(contenders, use) {
  /** @type {Running[]} */
  const running = [];
  try {
    for (const { name, start } of contenders) running.push({ name, proxy: await start() });
    return await use(running);
  } finally {
    await Promise.all(running.map(({ proxy }) => proxy.stop()));
  }
}

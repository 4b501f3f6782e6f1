/**
 * What an open stream costs in resident memory while nothing happens on it, as when a model thinks.
 *
 * The process first serves a hundred short streams, a few at a time, so that code is compiled and loaded.
 * Not more: a process warmed with as many streams as are then measured, or by a flood of requests, has
 * room left over in which the measured ones disappear. Then N streams are opened, and N more on top of
 * them, which no room left over can hide. The larger growth of the two steps is judged.
 *
 * The same for connections that have had one JSON request answered and wait for the next, in a process of their own.
 *
 * Memory of the kernel (socket buffers) is not resident in the process, and so not in the figure.
 */
import { readResidentBytes } from '../accounting.js';
import { holdConnections, holdStreams, loadStreams } from '../load.js';
import { sleep } from '../processes.js';
import { pickPerContender, spreadPerContender } from '../statistics.js';
import { BOUNDS, judge } from './context.js';
import { withRunning } from './interleave.js';

/** For timers, and a garbage collector that works in the background, to be done with what was. */
const SETTLE_MS = 2500;
const SETTLE_QUICK_MS = 700;
const KB = 1024;

/** @typedef {{ before: number, once: number, twice: number, closed: number, each: number }} Measured */
/** @typedef {(load: { port: number, connections: number, cpu: number }) => Promise<() => Promise<void>>} Hold */

/** @param {import('../proxies.js').Proxy} proxy @param {Hold} hold @param {number} count @param {number} cpu @param {number} settleMs @returns {Promise<Measured>} */
async function measureOnce(proxy, hold, count, cpu, settleMs) {
  const settleAndRead = async () => {
    await sleep(settleMs);
    return readResidentBytes(proxy.pid);
  };
  await loadStreams({ port: proxy.port, connections: 4, seconds: 1, events: 20, gapMs: 2, cpu });
  const before = await settleAndRead();
  const closeFirst = await hold({ port: proxy.port, connections: count, cpu });
  const once = await settleAndRead();
  const closeSecond = await hold({ port: proxy.port, connections: count, cpu });
  const twice = await settleAndRead();
  await closeFirst();
  await closeSecond();
  const closed = await settleAndRead();
  return { before, once, twice, closed, each: Math.max(once - before, twice - once) / count };
}

/**
 * @param {import('./context.js').Context} context
 * @param {string} what
 * @param {Hold} hold
 * @param {number} repeats
 */
async function measureAll({ options, cores, mockPort, contenders, say }, what, hold, repeats) {
  /** @type {Record<string, Measured[]>} */
  const rounds = Object.fromEntries(contenders.map(({ name }) => [name, []]));
  const settleMs = options.quick ? SETTLE_QUICK_MS : SETTLE_MS;
  for (let round = 1; round <= repeats; round++)
    for (const { name, start } of contenders) {
      say(`memory, ${what}: round ${round} of ${repeats}: ${name}`);
      const fresh = { name, start: () => start({ mockPort, workers: 1, cpu: cores.proxy }) };
      const measured = await withRunning([fresh], ([running]) => {
        if (running === undefined) throw new Error('nothing was started');
        return measureOnce(running.proxy, hold, options.streams, cores.load, settleMs);
      });
      rounds[name]?.push(measured);
    }
  return rounds;
}

/** @param {import('./context.js').Context} context @returns {Promise<import('./context.js').ScenarioResult>} */
export async function runMemory(context) {
  const { options } = context;
  const streams = await measureAll(context, 'streams', holdStreams, options.quick ? 1 : 2);
  const connections = await measureAll(context, 'connections', holdConnections, 1);
  const line = (
    /** @type {string} */ what,
    /** @type {string} */ unit,
    /** @type {Record<string, Measured[]>} */ rounds,
    /** @type {(m: Measured) => number} */ pick,
  ) => ({
    what,
    unit,
    figures: spreadPerContender(pickPerContender(rounds, pick)),
  });
  const perStream = line('growth per open stream, larger step', 'KB', streams, (m) => m.each / KB);
  const mb = (/** @type {string} */ what, /** @type {(m: Measured) => number} */ pick) =>
    line(what, 'MB', streams, (m) => pick(m) / KB / KB);
  return {
    name: 'memory',
    how: `${options.streams} streams that have said one event and stay silent, then ${options.streams} more; resident memory of the process tree; one worker, a fresh process a round. The same with kept connections that have had one JSON answer.`,
    lines: [
      perStream,
      line('growth per kept connection, larger step', 'KB', connections, (m) => m.each / KB),
      mb('resident before', (m) => m.before),
      mb(`resident with ${options.streams} open`, (m) => m.once),
      mb(`resident with ${2 * options.streams} open`, (m) => m.twice),
      mb('resident after closing all', (m) => m.closed),
    ],
    judged: [
      judge(
        'idle open stream, resident memory',
        perStream.figures['weir'],
        'KB',
        BOUNDS.idleStreamKb,
      ),
    ],
    raw: { streams, connections },
  };
}

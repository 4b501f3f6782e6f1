/**
 * What an open stream costs in resident memory while nothing happens on it, as when a model thinks.
 *
 * The process first serves a hundred short streams, a few at a time, so that code is compiled and loaded.
 * Not more: a process warmed with as many streams as are then measured, or by a flood of requests, has
 * room left over in which the measured ones disappear. Then N streams are opened, and N more on top of
 * them, which no room left over can hide. The larger growth of the two steps is judged.
 *
 * Memory of the kernel (socket buffers) is not resident in the process, and so not in the figure.
 */
import { readResidentBytes } from '../accounting.js';
import { holdStreams, loadStreams } from '../load.js';
import { sleep } from '../processes.js';
import { pickPerContender, spreadPerContender } from '../statistics.js';
import { BOUNDS, judge } from './context.js';
import { withRunning } from './interleave.js';

/** For timers, and a garbage collector that works in the background, to be done with what was. */
const SETTLE_MS = 3000;
const KB = 1024;

/** @typedef {{ before: number, once: number, twice: number, closed: number, perStream: number }} Measured */

/** @param {import('../proxies.js').Proxy} proxy @param {number} streams @param {number} cpu @returns {Promise<Measured>} */
async function measureOnce(proxy, streams, cpu) {
  const settleAndRead = async () => {
    await sleep(SETTLE_MS);
    return readResidentBytes(proxy.pid);
  };
  await loadStreams({ port: proxy.port, connections: 4, seconds: 1, events: 20, gapMs: 2, cpu });
  const before = await settleAndRead();
  const closeFirst = await holdStreams({ port: proxy.port, connections: streams, cpu });
  const once = await settleAndRead();
  const closeSecond = await holdStreams({ port: proxy.port, connections: streams, cpu });
  const twice = await settleAndRead();
  await closeFirst();
  await closeSecond();
  const closed = await settleAndRead();
  return {
    before,
    once,
    twice,
    closed,
    perStream: Math.max(once - before, twice - once) / streams,
  };
}

/** @param {import('./context.js').Context} context @returns {Promise<import('./context.js').ScenarioResult>} */
export async function runMemory({ options, cores, mockPort, contenders, say }) {
  const repeats = options.quick ? 1 : 3;
  /** @type {Record<string, Measured[]>} */
  const rounds = Object.fromEntries(contenders.map(({ name }) => [name, []]));
  for (let round = 1; round <= repeats; round++)
    for (const { name, start } of contenders) {
      say(`memory: round ${round} of ${repeats}: ${name}`);
      const fresh = { name, start: () => start({ mockPort, workers: 1, cpu: cores.proxy }) };
      const measured = await withRunning([fresh], ([running]) => {
        if (running === undefined) throw new Error('nothing was started');
        return measureOnce(running.proxy, options.streams, cores.load);
      });
      rounds[name]?.push(measured);
    }

  const line = (
    /** @type {string} */ what,
    /** @type {string} */ unit,
    /** @type {(m: Measured) => number} */ pick,
  ) => ({
    what,
    unit,
    figures: spreadPerContender(pickPerContender(rounds, pick)),
  });
  const perStream = line('growth per open stream, larger step', 'KB', (m) => m.perStream / KB);
  return {
    name: 'memory',
    how: `${options.streams} streams that have said one event and stay silent, then ${options.streams} more; resident memory of the process tree; one worker, a fresh process a round.`,
    lines: [
      perStream,
      line('resident before', 'MB', (m) => m.before / KB / KB),
      line(`resident with ${options.streams} open`, 'MB', (m) => m.once / KB / KB),
      line(`resident with ${2 * options.streams} open`, 'MB', (m) => m.twice / KB / KB),
      line('resident after closing all', 'MB', (m) => m.closed / KB / KB),
    ],
    judged: [
      judge(
        'idle open stream, resident memory',
        perStream.figures['weir'],
        'KB',
        BOUNDS.idleStreamKb,
      ),
    ],
    raw: rounds,
  };
}

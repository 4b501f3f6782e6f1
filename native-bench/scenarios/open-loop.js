/**
 * Latency under a constant rate of requests, corrected for coordinated omission: see open-loop.c. First a closed loop
 * of the same program finds what each proxy can take beside this load, its saturation; then come shares of that. Because the
 * same share is not the same rate for two proxies, nginx is measured at half of Weir's saturation too, and so is the
 * mock without a proxy, which tells how much of a latency is the load's own.
 */
import { loadRate } from '../load.js';
import {
  pickPerContender,
  ratiosToNginx,
  spreadOf,
  spreadOfRatios,
  spreadPerContender,
} from '../statistics.js';
import { BOUNDS, judge } from './context.js';
import { addDirect, listDifferences, mergeCurves } from './direct.js';
import { interleave, warm, withRunning } from './interleave.js';

/** @typedef {import('./interleave.js').Measured<import('../load.js').RateResult>[]} Rounds */

const CONNECTIONS = 64;
const HALF = 50;
const SHARES = [10, 70, 90];
const SHARES_QUICK = [90];
const SAME_RATE = 'same rate';

/** @param {import('./context.js').Context} context */
async function measure(context) {
  const { options, cores, mockPort, contenders, say } = context;
  const starts = contenders.map(({ name, start }) => ({
    name,
    start: () => start({ mockPort, workers: 1, cpu: cores.proxy }),
  }));
  const tell = (/** @type {string} */ text) => say(`open-loop: ${text}`);
  const load = (
    /** @type {number} */ port,
    /** @type {number} */ rate,
    seconds = options.seconds,
  ) => loadRate({ port, connections: CONNECTIONS, rate, seconds, cpu: cores.load });

  return withRunning(starts, async (running) => {
    for (const each of running)
      await warm(each, async ({ proxy }) => (await load(proxy.port, 0, 1)).requests, tell);
    const closed = await interleave(
      running,
      options.roundsFew,
      ({ proxy }) => load(proxy.port, 0, 1),
      tell,
    );
    const perSecond = pickPerContender(closed, (m) => m.requestsPerSecond);
    const saturation = Object.fromEntries(
      Object.entries(perSecond).map(([name, all]) => [name, spreadOf(all).median]),
    );
    /** @type {Record<string, Record<string, Rounds>>} */
    const open = {};
    for (const share of [HALF, ...(options.quick ? SHARES_QUICK : SHARES)]) {
      const rounds = share === HALF ? options.rounds : Math.ceil(options.rounds / 3);
      open[share] = await interleave(
        running,
        rounds,
        ({ name, proxy }) => load(proxy.port, ((saturation[name] ?? 0) * share) / 100),
        (text) => tell(`${share} %, ${text}`),
      );
    }
    const rate = ((saturation['weir'] ?? 0) * HALF) / 100;
    open[SAME_RATE] = await interleave(
      addDirect(context, running),
      options.roundsFew,
      ({ proxy }) => load(proxy.port, rate),
      (text) => tell(`same rate, ${text}`),
    );
    return { closed, saturation, open };
  });
}

/** How much of its core a proxy used. @param {Record<string, Rounds>} rounds */
function listBusy(rounds) {
  return spreadPerContender(pickPerContender(rounds, (m) => m.cpuUs / m.seconds / 1e4));
}

/** @param {import('./context.js').Context} context @returns {Promise<import('./context.js').ScenarioResult>} */
export async function runOpenLoop(context) {
  const { closed, saturation, open } = await measure(context);
  const at = (/** @type {string | number} */ share) => open[share] ?? {};
  const pick = (
    /** @type {string | number} */ share,
    /** @type {'p50' | 'p99' | 'p999'} */ percentile,
  ) => pickPerContender(at(share), (m) => m.latencyUs[percentile]);
  const halfP50 = ratiosToNginx(pick(HALF, 'p50'));
  const halfP99 = ratiosToNginx(pick(HALF, 'p99'));
  const sameRate = Math.round((saturation['weir'] ?? 0) / 2).toLocaleString('en-US');
  const compare = (/** @type {'p50' | 'p99'} */ percentile) => {
    const { nginx = [], weir = [] } = pick(SAME_RATE, percentile);
    return { weir: spreadOfRatios(weir, nginx) };
  };
  const shares = Object.keys(open).filter((share) => share !== SAME_RATE);
  return {
    name: 'open-loop',
    how: `The JSON request at a constant rate on ${CONNECTIONS} kept connections, evenly spaced, each latency counted from the moment at which its request was meant to be sent. Saturation is what a closed loop of the same program reaches; the rates are shares of each proxy's own. "Same rate": all at half of Weir's saturation, ${sameRate} a second, with a direct run beside them; added is the difference of percentiles to it. One worker, pinned to one core, load and mock on another.`,
    lines: [
      {
        what: 'saturation, requests per second',
        unit: '',
        figures: spreadPerContender(pickPerContender(closed, (m) => m.requestsPerSecond)),
      },
      { what: 'of its core used at saturation', unit: '%', figures: listBusy(closed) },
      { what: `of its core used at ${HALF} %`, unit: '%', figures: listBusy(at(HALF)) },
      ...shares.flatMap((share) =>
        /** @type {const} */ (['p50', 'p99', 'p999']).map((percentile) => ({
          what: `latency at ${share} % of its saturation, ${percentile}`,
          unit: 'µs',
          figures: spreadPerContender(pick(share, percentile)),
        })),
      ),
      { what: `p50 at ${HALF} %, ratio to nginx`, unit: 'x', figures: halfP50 },
      { what: `p99 at ${HALF} %, ratio to nginx`, unit: 'x', figures: halfP99 },
      .../** @type {const} */ (['p50', 'p99']).flatMap((percentile) => [
        {
          what: `same rate, ${percentile}`,
          unit: 'µs',
          figures: spreadPerContender(pick(SAME_RATE, percentile)),
        },
        {
          what: `same rate, added ${percentile}`,
          unit: 'µs',
          figures: listDifferences(pick(SAME_RATE, percentile)),
        },
        {
          what: `same rate, ${percentile}, ratio to nginx`,
          unit: 'x',
          figures: compare(percentile),
        },
      ]),
    ],
    // Both ways: at the share of its own saturation the slower proxy has the easier rate, at the same rate the harder.
    judged: [
      judge(
        'latency at half of its own saturation, p50, ratio to nginx',
        halfP50['weir'],
        'x',
        BOUNDS.openLoopP50Ratio,
      ),
      judge(
        'latency at half of its own saturation, p99, ratio to nginx',
        halfP99['weir'],
        'x',
        BOUNDS.openLoopP99Ratio,
      ),
      judge(
        'latency at half of Weir’s saturation, p50, ratio to nginx at the same rate',
        compare('p50').weir,
        'x',
        BOUNDS.openLoopP50Ratio,
      ),
      judge(
        'latency at half of Weir’s saturation, p99, ratio to nginx at the same rate',
        compare('p99').weir,
        'x',
        BOUNDS.openLoopP99Ratio,
      ),
    ],
    plots: [HALF, SAME_RATE, 90]
      .filter((share) => share in open)
      .map((share) => ({
        kind: 'percentiles',
        file: `open-loop-${String(share).replace(' ', '-')}.svg`,
        title:
          share === SAME_RATE
            ? `Latency at ${sameRate} requests a second`
            : `Latency at ${share} % of each proxy's own saturation`,
        curves: mergeCurves(at(share), (m) => m.curve),
      })),
    raw: { closed, saturation, open },
  };
}

/**
 * Whether more threads cost more per request: the JSON request with one worker up to sixteen, each beside nginx with as
 * many. Nothing is pinned here, and all counts run in the same rounds, so that the number of workers is the only
 * difference between their ratios.
 */
import { loadRequests } from '../load.js';
import {
  pickPerContender,
  ratiosToNginx,
  spreadOfRatios,
  spreadPerContender,
} from '../statistics.js';
import { allowNoise, BOUNDS, judge } from './context.js';
import { interleave, WARM_LONG_SECONDS_MAX, warm, withRunning } from './interleave.js';

const COUNTS = [1, 4, 8, 16];
const COUNTS_QUICK = [1, 4];
/** The count that is judged against one worker; of a quick look the largest. */
const MANY = 8;
const SECONDS_MAX = 1;
/**
 * For each worker, so that each is as busy with one as with eight: whoever serves eight times as many connections takes in
 * more at a turn of its loop, and a request costs it less. That would be a difference of load, not of workers. Enough
 * that each has a share, however unevenly the kernel deals them out.
 */
const CONNECTIONS_A_WORKER = 32;

/** @param {import('./context.js').Context} context @returns {Promise<import('./context.js').ScenarioResult>} */
export async function runWorkers({ options, mockPort, contenders, say }) {
  const measured = contenders.filter(({ name }) => name !== 'weir-base');
  const counts = options.quick ? COUNTS_QUICK : COUNTS;
  const many = counts.includes(MANY) ? MANY : Math.max(...counts);
  const seconds = Math.min(options.seconds, SECONDS_MAX);
  const starts = counts.flatMap((workers) =>
    measured.map(({ name, start }) => ({
      name: `${name} x${workers}`,
      start: () => start({ mockPort, workers, cpu: null }),
    })),
  );
  const load = (
    /** @type {{ readonly port: number, readonly workers: number }} */ { port, workers },
    /** @type {number} */ seconds,
  ) =>
    loadRequests({
      port,
      connections: CONNECTIONS_A_WORKER * workers,
      threads: 1,
      seconds,
      cpu: null,
    });
  const tell = (/** @type {string} */ text) => say(`workers: ${text}`);
  const rounds = await withRunning(starts, async (running) => {
    for (const each of running)
      await warm(
        each,
        async (one) => (await load(aimAt(one), 1)).requests,
        tell,
        WARM_LONG_SECONDS_MAX,
      );
    const loadOne = (/** @type {import('./interleave.js').Running} */ one) =>
      load(aimAt(one), seconds);
    return interleave(running, options.roundsFew, loadOne, tell);
  });

  const cpu = pickPerContender(rounds, ({ cpuUs, requests }) => cpuUs / requests);
  const ratioWith = (/** @type {number} */ workers) =>
    ratiosToNginx({
      nginx: cpu[`nginx x${workers}`] ?? [],
      [`weir x${workers}`]: cpu[`weir x${workers}`] ?? [],
    });
  const ratios = Object.assign({}, ...counts.map(ratioWith));
  const quotient = spreadOfRatios(
    ratios[`weir x${many}`]?.values ?? [],
    ratios['weir x1']?.values ?? [],
  );
  const judged = allowNoise(
    judge(`ratio to nginx with ${many} workers / with 1`, quotient, 'x', BOUNDS.workersQuotient),
  );
  return {
    name: 'workers',
    how: `The JSON request with ${counts.join(', ')} workers, ${CONNECTIONS_A_WORKER} connections for each of them; nothing pinned; rounds of ${seconds} s.`,
    lines: [
      { what: 'CPU per request', unit: 'µs', figures: spreadPerContender(cpu) },
      { what: 'CPU per request, ratio to nginx with as many', unit: 'x', figures: ratios },
      {
        what: 'requests per second',
        unit: '',
        figures: spreadPerContender(pickPerContender(rounds, (m) => m.requestsPerSecond)),
      },
    ],
    judged: [judged],
    raw: rounds,
  };
}

/** @param {{ readonly name: string, readonly proxy: { readonly port: number } }} one its name ends in the number of its workers */
function aimAt({ name, proxy }) {
  return { port: proxy.port, workers: Number(name.slice(name.lastIndexOf('x') + 1)) };
}

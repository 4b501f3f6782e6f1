/**
 * Whether more threads cost more per request: the JSON request with one worker and with eight, each beside
 * nginx with as many. Nothing is pinned here, and both counts run in the same rounds, so that the number of
 * workers is the only difference between the two ratios.
 */
import { loadRequests } from '../load.js';
import {
  pickPerContender,
  ratiosToNginx,
  spreadOfRatios,
  spreadPerContender,
} from '../statistics.js';
import { allowNoise, BOUNDS, judge } from './context.js';
import { interleave, warm, withRunning } from './interleave.js';

const MANY = 8;
/**
 * For each worker, so that each is as busy with one as with eight: whoever serves eight times as many connections takes in
 * more at a turn of its loop, and a request costs it less. That would be a difference of load, not of workers. Enough
 * that each has a share, however unevenly the kernel deals them out.
 */
const CONNECTIONS_A_WORKER = 32;

/** @param {import('./context.js').Context} context @returns {Promise<import('./context.js').ScenarioResult>} */
export async function runWorkers({ options, mockPort, contenders, say }) {
  const measured = contenders.filter(({ name }) => name !== 'weir-base');
  const starts = [1, MANY].flatMap((workers) =>
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
      await warm(each, async (one) => (await load(aimAt(one), 1)).requests, tell);
    return interleave(running, options.rounds, (one) => load(aimAt(one), options.seconds), tell);
  });

  const cpu = pickPerContender(rounds, ({ cpuUs, requests }) => cpuUs / requests);
  const ratioWith = (/** @type {number} */ workers) =>
    ratiosToNginx({
      nginx: cpu[`nginx x${workers}`] ?? [],
      [`weir x${workers}`]: cpu[`weir x${workers}`] ?? [],
    });
  const ratios = { ...ratioWith(1), ...ratioWith(MANY) };
  const quotient = spreadOfRatios(
    ratios[`weir x${MANY}`]?.values ?? [],
    ratios['weir x1']?.values ?? [],
  );
  const judged = allowNoise(
    judge(`ratio to nginx with ${MANY} workers / with 1`, quotient, 'x', BOUNDS.workersQuotient),
  );
  return {
    name: 'workers',
    how: `The JSON request with 1 and with ${MANY} workers, ${CONNECTIONS_A_WORKER} connections for each of them; nothing pinned.`,
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

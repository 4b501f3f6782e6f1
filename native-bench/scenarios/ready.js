/** From making the process to its line "ready": the time in which nobody is served after a crash or an update. */
import { startWeir } from '../proxies.js';
import { spreadOf } from '../statistics.js';
import { BOUNDS, judge } from './context.js';

/** @param {import('./context.js').Context} context @returns {Promise<import('./context.js').ScenarioResult>} */
export async function runReady({ options, mockPort, say }) {
  const repeats = options.quick ? 1 : 3;
  /** @type {Record<string, number[]>} */
  const readyMs = {};
  for (const workers of /** @type {const} */ (['auto', 8])) {
    const times = [];
    for (let i = 1; i <= repeats; i++) {
      say(`ready: start ${i} of ${repeats}, workers: ${workers}`);
      const weir = await startWeir(options.weirDir, { mockPort, workers, cpu: null });
      times.push(weir.readyMs);
      await weir.stop();
    }
    readyMs[`weir, workers: ${workers}`] = times;
  }
  const auto = spreadOf(readyMs['weir, workers: auto'] ?? []);
  return {
    name: 'ready',
    how: 'node dist/main.js --config FILE, from before the process is made to its line "ready"; nothing pinned.',
    lines: [
      {
        what: 'time to ready',
        unit: 'ms',
        figures: Object.fromEntries(
          Object.entries(readyMs).map(([name, all]) => [name, spreadOf(all)]),
        ),
      },
    ],
    judged: [judge('ready, workers: auto', auto, 'ms', BOUNDS.readyMs)],
    raw: readyMs,
  };
}

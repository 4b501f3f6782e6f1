/**
 * Real traffic at rising speed: an hour of a public service's requests, each with its moment, the size of its prompt and of
 * its answer. Open loop: arrivals come when the trace says, divided by the speed, whatever became of the ones before; the
 * pace within an answer stays that of a model. The trace is no part of the project; where it is not at hand, the scenario
 * is left out, and says so.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { loadStreams, loadTrace } from '../load.js';
import { REPOSITORY_DIR } from '../options.js';
import { pickPerContender, ratiosToNginx, spreadPerContender } from '../statistics.js';
import { OUT_DIR } from '../tools.js';
import { addDirect, listDifferences } from './direct.js';
import { interleave, warm, withRunning } from './interleave.js';

const TRACE = 'traces/azure-llm-inference-2023-conv.csv';
/** Where its busiest part begins. */
const FROM_SECONDS = 26 * 60;
const SPEEDS = [5, 25];
const SPEEDS_QUICK = [15];
/** The pace of a fast model. A slow one would make the ends of the answers most of the run. */
const GAP_MS = 5;
/** What English text in tokens comes to, roughly. */
const BYTES_A_TOKEN = 4;

export function findTrace() {
  const fixtures = process.env['WEIR_FIXTURES'] ?? path.join(REPOSITORY_DIR, '../shared/fixtures');
  const file = path.join(fixtures, TRACE);
  return existsSync(file) ? file : null;
}

/** @param {string} file @param {number} speed @param {number} seconds */
function prepareTrace(file, speed, seconds) {
  const rows = readFileSync(file, 'utf8').trim().split(/\r?\n/).slice(1);
  const parsed = rows.map((row) => {
    const [at = '', prompt, answer] = row.split(',');
    // Seven digits of a second, of which Date reads three; a millisecond is exact enough.
    const atMs = Date.parse(`${at.slice(0, 23).replace(' ', 'T')}Z`);
    return { atMs, prompt: Number(prompt), answer: Number(answer) };
  });
  const fromMs = (parsed[0]?.atMs ?? 0) + FROM_SECONDS * 1000;
  const taken = parsed.filter(
    ({ atMs }) => atMs >= fromMs && atMs < fromMs + seconds * speed * 1000,
  );
  const lines = taken.map(({ atMs, prompt, answer }) => {
    const atUs = Math.round(((atMs - fromMs) * 1000) / speed);
    return `${atUs} ${prompt * BYTES_A_TOKEN} ${Math.max(1, answer)}\n`;
  });
  const prepared = path.join(OUT_DIR, `trace-${speed}.txt`);
  writeFileSync(prepared, lines.join(''));
  return prepared;
}

/** @param {import('./context.js').Context} context @param {string} file */
async function measure(context, file) {
  const { options, cores, mockPort, contenders, say } = context;
  const cpu = cores.load;
  const starts = contenders.map(({ name, start }) => ({
    name,
    start: () => start({ mockPort, workers: 1, cpu: cores.proxy }),
  }));
  const tell = (/** @type {string} */ text) => say(`trace: ${text}`);
  return withRunning(starts, async (running) => {
    const shape = { connections: 200, events: 50, gapMs: 10, seconds: 1, cpu };
    for (const each of running)
      await warm(
        each,
        async ({ proxy }) => (await loadStreams({ port: proxy.port, ...shape })).events,
        tell,
      );
    const measured = [];
    for (const speed of options.quick ? SPEEDS_QUICK : SPEEDS) {
      const prepared = prepareTrace(file, speed, options.seconds);
      const rounds = await interleave(
        addDirect(context, running),
        1,
        ({ proxy }) =>
          loadTrace({
            port: proxy.port,
            file: prepared,
            seconds: options.seconds,
            gapMs: GAP_MS,
            cpu,
          }),
        (text) => tell(`${speed} times, ${text}`),
      );
      measured.push({ speed, rounds });
    }
    return measured;
  });
}

/** @param {import('./context.js').Context} context @returns {Promise<import('./context.js').ScenarioResult>} */
export async function runTrace(context) {
  const file = findTrace();
  if (file === null) {
    const how = `LEFT OUT: ${TRACE} was not found; WEIR_FIXTURES names the folder that holds it.`;
    context.say(`trace: ${how}`);
    return { name: 'trace', how, lines: [], judged: [], raw: null };
  }
  const measured = await measure(context, file);
  const lines = measured.flatMap(({ speed, rounds }) => {
    const { direct = [], ...proxies } = rounds;
    const what = `${speed} times as fast (${direct[0]?.streams} answers, ${direct[0]?.events} events)`;
    const cpu = pickPerContender(proxies, (m) => m.cpuUs / m.events);
    return [
      { what: `${what}: CPU per event`, unit: 'µs', figures: spreadPerContender(cpu) },
      { what: `${what}: CPU, ratio to nginx`, unit: 'x', figures: ratiosToNginx(cpu) },
      .../** @type {const} */ (['p50', 'p99']).flatMap((percentile) => [
        {
          what: `${what}: added time to the first event, ${percentile}`,
          unit: 'µs',
          figures: listDifferences(pickPerContender(rounds, (m) => m.firstUs[percentile])),
        },
        {
          what: `${what}: added delay of an event, ${percentile}`,
          unit: 'µs',
          figures: listDifferences(pickPerContender(rounds, (m) => m.eventUs[percentile])),
        },
      ]),
      {
        what: `${what}: stall-free streams`,
        unit: '%',
        figures: spreadPerContender(
          pickPerContender(rounds, (m) => (1 - m.stalled / m.streams) * 100),
        ),
      },
    ];
  });
  return {
    name: 'trace',
    how: `${context.options.seconds} s of arrivals from ${path.basename(TRACE)} (Azure, CC-BY 4.0), from its busiest part, divided by the speed: each request with a prompt of ${BYTES_A_TOKEN} bytes for each token of the trace, answered by one event for each token, ${GAP_MS} ms apart. Times to the first event count from the moment at which the trace has the request arrive. Every byte compared; one round at each speed; one worker, pinned to one core, load and mock on another.`,
    lines,
    judged: [],
    raw: measured,
  };
}

/** Runs the scenarios one after the other and prints what came out. */
import { startMock } from './load.js';
import { readOptions, USAGE, UsageError } from './options.js';
import { killAll } from './processes.js';
import { nginx, weirFrom } from './proxies.js';
import { renderText, writeReport } from './report.js';
import { writeBodies } from './requests.js';
import { warmQuickly } from './scenarios/interleave.js';
import { runJson } from './scenarios/json.js';
import { runKong } from './scenarios/kong.js';
import { runLimits } from './scenarios/limits.js';
import { runMemory } from './scenarios/memory.js';
import { runOpenLoop } from './scenarios/open-loop.js';
import { runPace } from './scenarios/pace.js';
import { runPolicies } from './scenarios/policies.js';
import { runReady } from './scenarios/ready.js';
import { runRivals } from './scenarios/rivals.js';
import { runSeeing } from './scenarios/seeing.js';
import { runSse } from './scenarios/sse.js';
import { runTargets } from './scenarios/targets.js';
import { runTls } from './scenarios/tls.js';
import { runTrace } from './scenarios/trace.js';
import { runWorkers } from './scenarios/workers.js';
import {
  buildLoadPrograms,
  checkTools,
  chooseCores,
  describeMachine,
  MissingError,
} from './tools.js';

const SCENARIOS = {
  json: runJson,
  sse: runSse,
  'open-loop': runOpenLoop,
  pace: runPace,
  trace: runTrace,
  tls: runTls,
  workers: runWorkers,
  memory: runMemory,
  ready: runReady,
  limits: runLimits,
  policies: runPolicies,
  targets: runTargets,
  seeing: runSeeing,
  rivals: runRivals,
  kong: runKong,
};

/** Whatever hangs, a run ends: half a minute for each load, and ten minutes for the rest. @param {import('./options.js').Options} options */
function limitRunTime(options) {
  const loads = options.only.length * 4 * (options.rounds + 1);
  const limitMs = (600 + loads * (30 + options.seconds)) * 1000;
  setTimeout(() => {
    process.stderr.write(`given up after ${limitMs / 1000} s\n`);
    process.exit(1);
  }, limitMs).unref();
}

/** @param {string} text */
function say(text) {
  process.stderr.write(`${text}\n`);
}

/** After so long one round of the rest has to do, so that the whole ends within twenty minutes on a slower machine too. */
const HURRY_AFTER_MS = 15 * 60_000;

/** @param {import('./options.js').Options} options */
function hurry(options) {
  if (!options.mayHurry || performance.now() < HURRY_AFTER_MS) return options;
  say('SHORT OF TIME: one round of what comes now');
  return { ...options, rounds: 1, roundsFew: 1 };
}

/** @param {import('./options.js').ScenarioName} name @param {import('./scenarios/context.js').Context} context */
async function runTimed(name, context) {
  const begun = performance.now();
  const result = await SCENARIOS[name](context);
  say(`${name}: ${Math.round((performance.now() - begun) / 1000)} s`);
  return result;
}

async function main() {
  const options = readOptions(process.argv.slice(2));
  if (options === 'help') {
    process.stdout.write(USAGE);
    return 0;
  }
  limitRunTime(options);
  checkTools([options.weirDir, ...(options.weirBaseDir === null ? [] : [options.weirBaseDir])]);
  const cores = chooseCores();
  buildLoadPrograms();
  if (options.quick) warmQuickly();
  writeBodies();

  const contenders = [nginx, weirFrom('weir', options.weirDir)];
  if (options.weirBaseDir !== null) contenders.push(weirFrom('weir-base', options.weirBaseDir));
  const mock = await startMock(cores.load);
  const given = { cores, mockPort: mock.port, mockPid: mock.pid, contenders, say };
  /** @type {import('./scenarios/context.js').ScenarioResult[]} */
  const results = [];
  try {
    for (const name of options.only)
      results.push(await runTimed(name, { ...given, options: hurry(options) }));
  } catch (error) {
    // What was measured until then is kept, but is no report to publish.
    const unfinished = { ...options, writeDocs: false };
    for (const file of writeReport({
      machine: describeMachine(options),
      options: unfinished,
      results,
    }))
      say(`wrote ${file}, which ends before the error`);
    throw error;
  }
  await mock.stop();
  say(`all: ${Math.round(performance.now() / 1000)} s`);

  const report = { machine: describeMachine(options), options, results };
  process.stdout.write(`\n${renderText(report)}\n`);
  for (const file of writeReport(report)) say(`wrote ${file}`);
  const failed = results.some(({ judged }) => judged.some(({ verdict }) => verdict === 'fails'));
  return failed && options.strict ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  const known = error instanceof UsageError || error instanceof MissingError;
  process.stderr.write(`${known ? error.message : error instanceof Error ? error.stack : error}\n`);
  if (error instanceof UsageError) process.stderr.write(`\n${USAGE}`);
  process.exitCode = known ? 2 : 1;
} finally {
  killAll();
}

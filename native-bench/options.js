/** The command line. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

export const BENCH_DIR = path.dirname(fileURLToPath(import.meta.url));
export const REPOSITORY_DIR = path.dirname(BENCH_DIR);
export const SCENARIO_NAMES = /** @type {const} */ ([
  'json',
  'sse',
  'open-loop',
  'pace',
  'trace',
  'tls',
  'workers',
  'memory',
  'ready',
  'limits',
  'policies',
  'targets',
  'seeing',
  'rivals',
  'kong',
]);

/** @typedef {(typeof SCENARIO_NAMES)[number]} ScenarioName */

/**
 * @typedef {object} Options
 * @property {number} rounds
 * @property {number} roundsFew of the scenarios beside the headline, which would else take most of the time
 * @property {number} seconds of load on one proxy in one round
 * @property {boolean} quick
 * @property {ScenarioName[]} only
 * @property {boolean} isAsked somebody chose the scenarios: nothing of them is left out for want of time
 * @property {boolean} mayHurry nobody asked for more than the usual run, which has to end within twenty minutes
 * @property {string} weirDir whose dist/main.js is measured
 * @property {string | null} weirBaseDir an older checkout, measured beside it
 * @property {number} streams held open in the memory scenario
 * @property {boolean} writeDocs
 * @property {boolean} strict
 */

export const USAGE = `usage: node native-bench/run.js [options]      (after npm ci, which builds Weir)

  --rounds N         rounds of each scenario, the proxies taking turns in each (5; of most at most 3)
  --seconds S        load on one proxy in one round (2)
  --quick            2 rounds of 1 second, 300 idle streams, 1 of most scenarios, hardly warmed; without kong and the slow rivals unless
                     --only asks for them: a look, not a result
  --only A,B         of ${SCENARIO_NAMES.join(', ')} (all)
  --weir DIR         checkout to measure; its dist/main.js has to exist (this one)
  --weir-base DIR    an older checkout to measure beside it, for before and after
  --streams N        idle streams of the memory scenario (1000)
  --write-docs       also write docs/benchmarks.md: the sections of the scenarios that were run, with --only as
                     without; not with --quick
  --strict           exit 1 when a bound does not hold
`;

export class UsageError extends Error {}

/**
 * @param {string | undefined} text
 * @param {string} name
 * @param {number} otherwise
 */
function readNumber(text, name, otherwise) {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!(value > 0)) throw new UsageError(`--${name} takes a number above 0, not '${text}'`);
  return value;
}

/** @param {string | undefined} list @returns {ScenarioName[]} */
function readScenarios(list) {
  if (list === undefined) return [...SCENARIO_NAMES];
  const asked = list.split(',').filter((name) => name !== '');
  const unknown = asked.filter((name) => !SCENARIO_NAMES.some((known) => known === name));
  if (unknown.length > 0 || asked.length === 0)
    throw new UsageError(`--only: '${list}' is not among ${SCENARIO_NAMES.join(', ')}`);
  return SCENARIO_NAMES.filter((name) => asked.includes(name));
}

/** @param {string[]} args @returns {Options | 'help'} */
export function readOptions(args) {
  let values;
  try {
    ({ values } = parseArgs({
      args,
      options: {
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        quick: { type: 'boolean' },
        only: { type: 'string' },
        weir: { type: 'string' },
        'weir-base': { type: 'string' },
        streams: { type: 'string' },
        'write-docs': { type: 'boolean' },
        strict: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }));
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
  if (values.help) return 'help';
  const quick = values.quick ?? false;
  if (values['write-docs'] && quick)
    throw new UsageError('--write-docs takes results, and --quick is only a look');
  const rounds = Math.ceil(readNumber(values.rounds, 'rounds', quick ? 2 : 5));
  return {
    rounds,
    roundsFew: quick ? 1 : Math.min(rounds, 3),
    seconds: readNumber(values.seconds, 'seconds', quick ? 1 : 2),
    quick,
    only: readScenarios(values.only),
    isAsked: values.only !== undefined,
    mayHurry: [values.only, values.rounds, values.seconds, values['weir-base']].every(
      (value) => value === undefined,
    ),
    weirDir: path.resolve(values.weir ?? REPOSITORY_DIR),
    weirBaseDir: values['weir-base'] === undefined ? null : path.resolve(values['weir-base']),
    streams: Math.ceil(readNumber(values.streams, 'streams', quick ? 300 : 1000)),
    writeDocs: values['write-docs'] ?? false,
    strict: values.strict ?? false,
  };
}

/**
 * Runs scenarios in their long form: `npm run endure -- --only chaos,fuzz [--seconds N] [--seed N] [--write-docs]`.
 * The exit code is 1 where a figure is beyond its bound.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { REPOSITORY } from '../helpers/need.js';
import type { KeptRun, Scenario } from './scenario.js';
import { SCENARIOS } from './scenarios/index.js';

const SEED_DEFAULT = 20_261_123;

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    seconds: { type: 'string' },
    seed: { type: 'string' },
    'write-docs': { type: 'boolean' },
  },
});

function choose(only: string | undefined): readonly Scenario[] {
  if (only === undefined) return SCENARIOS;
  return only.split(',').map((name) => {
    const found = SCENARIOS.find((scenario) => scenario.name === name);
    if (found === undefined) {
      const known = SCENARIOS.map((scenario) => scenario.name).join(' ');
      throw new Error(`no scenario '${name}'; known: ${known}`);
    }
    return found;
  });
}

interface FinishedRun {
  readonly run: KeptRun;
  /** By what stands behind the scenario's name in the file's. */
  readonly tables: readonly (readonly [string, unknown])[];
}

async function run(scenario: Scenario): Promise<FinishedRun> {
  const seconds = Number(values.seconds ?? scenario.longSeconds);
  const seed = Number(values.seed ?? SEED_DEFAULT);
  process.stdout.write(`\n# ${scenario.title} (${seconds} s, seed ${seed})\n`);
  const say = (line: string): void => {
    process.stdout.write(`  ${line}\n`);
  };
  const { figures, notes, kept } = await scenario.run({ seconds, seed, say });
  for (const { what, measured, bound, holds } of figures) {
    const verdict = holds === null ? '' : holds ? 'holds' : 'FAILS';
    process.stdout.write(`${what}: ${measured}${bound === '' ? '' : ` (${bound})`} ${verdict}\n`);
  }
  const { name, title, about } = scenario;
  const day = new Date().toISOString().slice(0, 10);
  const machine = `${cpus().length} cores, Node ${process.versions.node}`;
  return {
    run: { name, title, about, seconds, seed, day, machine, figures, notes },
    tables: Object.entries(kept ?? {}),
  };
}

function keep(name: string, value: unknown): void {
  const folder = join(REPOSITORY, 'docs/endurance');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(value, null, 2)}\n`);
}

for (const scenario of choose(values.only)) {
  const { run: kept, tables } = await run(scenario);
  if (kept.figures.some(({ holds }) => holds === false)) process.exitCode = 1;
  if (values['write-docs'] === true) {
    keep(kept.name, kept);
    for (const [name, table] of tables) keep(`${kept.name}-${name}`, table);
  }
}

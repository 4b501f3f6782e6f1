/** Prints docs/endurance.md from what the long runs left in docs/endurance/. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Figure, KeptRun } from '../test/chaos/scenario.js';

const FOLDER = fileURLToPath(new URL('../../docs/endurance/', import.meta.url));

function readRuns(): readonly KeptRun[] {
  if (!existsSync(FOLDER)) return [];
  // Tables that are kept beside a run have pages of their own.
  const names = readdirSync(FOLDER).filter(
    (name) => name.endsWith('.json') && !name.endsWith('-grid.json'),
  );
  return names.sort().map((name) => JSON.parse(readFileSync(FOLDER + name, 'utf8')) as KeptRun);
}

function renderFigure({ what, measured, bound, holds }: Figure): string {
  const verdict = holds === null ? '' : holds ? 'yes' : '**no**';
  return `| ${[what, measured, bound, verdict].map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function renderRun(run: KeptRun): string {
  const notes = run.notes.map((note) => `- ${note}`).join('\n');
  return `## ${run.title}

${run.about}

\`npm run endure -- --only ${run.name}\`: ${run.seconds} s with seed ${run.seed} on ${run.day}, ${run.machine}.

| what | measured | bound | holds |
| --- | --- | --- | --- |
${run.figures.map(renderFigure).join('\n')}
${notes === '' ? '' : `\n${notes}\n`}`;
}

export function renderEndurance(): string {
  return `# Under stress

<!-- Printed from docs/endurance/*.json, which \`npm run endure -- --write-docs\` writes, by \`npm run docs\`. -->

Long runs in which targets fail, processes are killed and replaced, clients attack and load is too high. Short forms of
all of them are part of \`npm test\`. Load, providers and Weir share one machine here, so that times are larger than on
a machine of its own.

${readRuns().map(renderRun).join('\n')}`;
}

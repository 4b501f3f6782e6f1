/** The same results three times: a table for the terminal, Markdown for people, JSON for later. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { REPOSITORY_DIR } from './options.js';
import { OUT_DIR } from './tools.js';

/** @typedef {import('./scenarios/context.js').ScenarioResult} ScenarioResult */
/** @typedef {import('./scenarios/context.js').Judged} Judged */
/** @typedef {import('./statistics.js').Spread} Spread */
/** @typedef {{ machine: import('./tools.js').Machine, options: import('./options.js').Options, results: ScenarioResult[] }} Report */

/** What has no unit is counted, so it is whole. @param {number} value @param {string} unit */
function formatNumber(value, unit) {
  const size = Math.abs(value);
  const digits = unit === '' || size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return value.toLocaleString('en-US', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}

/** @param {Spread} spread @param {string} unit */
function formatSpread({ median, min, max }, unit) {
  const suffix = unit === '' ? '' : unit === 'x' ? 'x' : ` ${unit}`;
  return `${formatNumber(median, unit)}${suffix} (${formatNumber(min, unit)}–${formatNumber(max, unit)})`;
}

/** @param {Judged} judged */
function judgedCells({ what, figure, unit, bound, verdict }) {
  const limit = `≤ ${formatNumber(bound, unit)}${unit === '' || unit === 'x' ? unit : ` ${unit}`}`;
  return [what, formatSpread(figure, unit), limit, verdict];
}

const JUDGED_HEAD = ['what', 'median (min–max)', 'bound', 'verdict'];

/** @param {ScenarioResult} result */
function figureRows({ lines }) {
  return lines.flatMap(({ what, unit, figures }) =>
    Object.entries(figures).map(([name, spread]) => [what, name, formatSpread(spread, unit)]),
  );
}

const FIGURE_HEAD = ['what', 'proxy', 'median (min–max)'];

/** @param {string[][]} rows */
function alignColumns(rows) {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** @param {string[]} head @param {string[][]} rows */
function markdownTable(head, rows) {
  const line = (/** @type {string[]} */ cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** @param {Report} report */
export function renderText({ results }) {
  const parts = results.map(
    (result) =>
      `${result.name}: ${result.how}\n\n${alignColumns([FIGURE_HEAD, ...figureRows(result)])}\n`,
  );
  const judged = results.flatMap((result) => result.judged.map(judgedCells));
  return `${parts.join('\n')}\n${alignColumns([JUDGED_HEAD, ...judged])}\n`;
}

/** @param {Report} report */
export function renderMarkdown({ machine, options, results }) {
  const judged = results.flatMap((result) => result.judged.map(judgedCells));
  const sections = results.map(
    ({ name, how, ...rest }) =>
      `### ${name}\n\n${how}\n\n${markdownTable(FIGURE_HEAD, figureRows({ name, how, ...rest }))}\n`,
  );
  const base = machine.weirBase === null ? '' : `, beside it ${machine.weirBase} as weir-base`;
  return `# Benchmarks

Printed from one run of \`npm run bench --prefix native-bench\`; not written by hand. Weir is measured
against nginx in the same run, on the same bodies, the two taking turns round by round. What counts is CPU
time of the proxy's whole process tree per unit of work, and its ratio to nginx's: on a machine that others
use too, requests per second and latencies move with the neighbours, while that ratio moves much less. Ratios
are formed pair by pair within a round; every figure is the median, with the smallest and the largest.

Both only forward: no access log, no keys, no limits, connections kept on both sides, the body unaltered.
nginx has \`proxy_buffering off\`, without which streams do not flow. Everything runs on one machine over
loopback, so there is no network in these figures, and the latencies contain the load's own share of a core.

## Bounds

${markdownTable(JUDGED_HEAD, judged)}

"within noise", in the comparison of worker counts: the median is above the bound, but rounds lay on both
sides of it, so that this run cannot tell.

## Machine

${machine.date}: ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GB, ${machine.system}, kernel ${machine.kernel};
load average before the run ${machine.loadAverage.toFixed(1)}.
Weir ${machine.weir}${base}; Node ${machine.node}, ${machine.nginx}, wrk ${machine.wrk}.
${machine.cores < 9 ? `Eight workers have ${machine.cores} cores here, shared with the load: what that scenario tells is whether\nthreads get in each other's way, not how they scale.\n` : ''}${options.rounds} rounds of ${options.seconds} s${options.quick ? ' (a quick look, not a result)' : ''}.

## Figures

${sections.join('\n')}
## Again, elsewhere

\`\`\`
apt-get install --no-install-recommends nginx-light wrk gcc libc6-dev
npm ci
npm run bench --prefix native-bench
\`\`\`

\`node native-bench/run.js --help\` lists the options; \`--weir-base DIR\` measures an older checkout in the
same rounds, which is how to tell whether a change made things better or worse.
`;
}

/** @param {Report} report @returns {string[]} the files written */
export function writeReport(report) {
  mkdirSync(OUT_DIR, { recursive: true });
  const files = [
    { file: path.join(OUT_DIR, 'results.json'), text: `${JSON.stringify(report, null, 2)}\n` },
    { file: path.join(OUT_DIR, 'report.md'), text: renderMarkdown(report) },
  ];
  if (report.options.writeDocs)
    files.push({
      file: path.join(REPOSITORY_DIR, 'docs/benchmarks.md'),
      text: renderMarkdown(report),
    });
  for (const { file, text } of files) {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  return files.map(({ file }) => file);
}

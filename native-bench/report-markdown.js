/**
 * The report for people. One that is printed from some scenarios only takes the others from the report that was there
 * before, so that they need not be measured again, and says of its own when and at which state they were.
 */
import { SCENARIO_NAMES } from './options.js';
import { FIGURE_HEAD, figureRows, JUDGED_HEAD, judgedCells } from './report-cells.js';

/** @typedef {import('./report.js').Report} Report */
/** @typedef {{ machine: string, rows: string[][], sections: Map<string, string> }} Parts what of a report is taken over */

/** @param {string[]} head @param {string[][]} rows */
function markdownTable(head, rows) {
  const line = (/** @type {string[]} */ cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** @param {Report} report */
function renderMachine({ machine, options }) {
  const base = machine.weirBase === null ? '' : `, beside it ${machine.weirBase} as weir-base`;
  return `${machine.date}: ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GB, ${machine.system}, kernel ${machine.kernel};
load average before the run ${machine.loadAverage.toFixed(1)}.
Weir ${machine.weir}${base}; Node ${machine.node}, ${machine.nginx}, wrk ${machine.wrk}.
${machine.cores < 9 ? `Eight workers have ${machine.cores} cores here, shared with the load: what that scenario tells is whether\nthreads get in each other's way, not how they scale.\n` : ''}${options.rounds} rounds of ${options.seconds} s${options.quick ? ' (a quick look, not a result)' : ''}.`;
}

/** @param {Report} report */
function renderMoment({ machine, options }) {
  return `Measured apart from the others on ${machine.date}, Weir ${machine.weir}, load average before ${machine.loadAverage.toFixed(1)}, ${options.rounds} rounds of ${options.seconds} s.`;
}

/** @param {Report} report @param {boolean} isPart @returns {Parts} */
function renderParts(report, isPart) {
  const { results } = report;
  const moment = isPart ? `${renderMoment(report)}\n\n` : '';
  return {
    machine: renderMachine(report),
    rows: results.flatMap(({ name, judged }) => judged.map((each) => [name, ...judgedCells(each)])),
    sections: new Map(
      results.map((result) => [
        result.name,
        `${result.how}\n\n${moment}${markdownTable(FIGURE_HEAD, figureRows(result))}`,
      ]),
    ),
  };
}

/** @param {string} text @param {string} from @param {string} to */
function cutBetween(text, from, to) {
  const start = text.indexOf(from);
  const end = text.indexOf(to, start);
  if (start < 0 || end < 0) throw new Error(`the earlier report has no '${from.trim()}'`);
  return text.slice(start + from.length, end).trim();
}

/** @param {string} text a report as renderMarkdown() gives @returns {Parts} */
function readParts(text) {
  const table = cutBetween(text, '## Bounds\n', '\n"within noise"').split('\n').slice(2);
  const sections = cutBetween(text, '## Figures\n', '\n## Again').split(/^### /m).slice(1);
  return {
    machine: cutBetween(text, '## Machine\n', '\n## Figures'),
    rows: table.map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    ),
    sections: new Map(
      sections.map((section) => {
        const [name = '', ...lines] = section.split('\n');
        return [name, lines.join('\n').trim()];
      }),
    ),
  };
}

/** @param {Parts} earlier @param {Parts} later @returns {Parts} */
function mergeParts(earlier, later) {
  const rest = earlier.rows.filter(([name = '']) => !later.sections.has(name));
  return {
    machine: earlier.machine,
    rows: [...rest, ...later.rows],
    sections: new Map([...earlier.sections, ...later.sections]),
  };
}

/** @param {Report} report @param {string | null} earlier a report of which the other scenarios are kept */
export function renderMarkdown(report, earlier) {
  const own = renderParts(report, earlier !== null);
  const { machine, rows, sections } = earlier === null ? own : mergeParts(readParts(earlier), own);
  const names = SCENARIO_NAMES.filter((name) => sections.has(name));
  const sorted = names.flatMap((name) => rows.filter(([scenario]) => scenario === name));
  return `# Benchmarks

Printed by \`npm run bench --prefix native-bench\`; not written by hand. Weir is measured
against nginx in the same run, on the same bodies, the two taking turns round by round. What counts is CPU
time of the proxy's whole process tree per unit of work, and its ratio to nginx's: on a machine that others
use too, requests per second and latencies move with the neighbours, while that ratio moves much less. Ratios
are formed pair by pair within a round; every figure is the median, with the smallest and the largest.

Both only forward: no access log, no keys, no limits, connections kept on both sides, the body unaltered.
nginx has \`proxy_buffering off\`, without which streams do not flow. Everything runs on one machine over
loopback, so there is no network in these figures, and the latencies contain the load's own share of a core.
The scenarios limits and policies are Weir's alone: there it is measured against its promises, and against itself
without keys and limits. In kong and rivals other gateways stand beside it, each the way its own users run it.

## Bounds

${markdownTable(['scenario', ...JUDGED_HEAD], sorted)}

"within noise": the median is above the bound, but rounds lay on both sides of it, so that this run cannot tell.

## Machine

${machine}

## Figures

${names.map((name) => `### ${name}\n\n${sections.get(name)}\n`).join('\n')}
## Again, elsewhere

\`\`\`
apt-get install --no-install-recommends nginx-light wrk gcc libc6-dev
npm ci
npm run rivals --prefix native-bench
npm run bench --prefix native-bench
\`\`\`

\`node native-bench/run.js --help\` lists the options; \`--weir-base DIR\` measures an older checkout in the
same rounds, which is how to tell whether a change made things better or worse.
`;
}

/**
 * The report for people. One that is printed from some scenarios only takes the others from the report that was there
 * before, so that they need not be measured again, and says of its own when and at which state they were.
 */
import { SCENARIO_NAMES } from './options.js';
import { renderPlots } from './plots.js';
import { FIGURE_HEAD, figureRows, JUDGED_HEAD, judgedCells } from './report-cells.js';
import { BETTER_HEAD, listBetter } from './report-rivals.js';

/** @typedef {import('./report.js').Report} Report */
/** @typedef {{ machine: string, rows: string[][], better: string[][], sections: Map<string, string> }} Parts what of a report is taken over; each row begins with its scenario */

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
${machine.cores < 9 ? `Eight workers have ${machine.cores} cores here, shared with the load: what that scenario tells is whether\nthreads get in each other's way, not how they scale.\n` : ''}${options.rounds} rounds of ${options.seconds} s for the headline, fewer elsewhere: each figure says how many it has${options.quick ? ' (a quick look, not a result)' : ''}.`;
}

/** @param {Report} report */
function renderMoment({ machine, options }) {
  return `Measured apart from the others on ${machine.date}, Weir ${machine.weir}, load average before ${machine.loadAverage.toFixed(1)}, ${options.rounds} rounds of ${options.seconds} s.`;
}

/** @param {string} directory where plots and raw data lie, seen from the report @param {import('./scenarios/context.js').ScenarioResult} result */
function renderFiles(directory, result) {
  const plots = renderPlots(result).map(
    ({ file, title }) => `\n\n![${title}](${directory}${file})`,
  );
  // Without a directory the raw data of all lies in one file beside the report.
  const raw = directory === '' ? 'results.json' : `${directory}${result.name}.json`;
  return `${plots.join('')}\n\n[Raw data](${raw})`;
}

/** @param {Report} report @param {boolean} isPart @param {string} directory @returns {Parts} */
function renderParts(report, isPart, directory) {
  const { results } = report;
  const moment = isPart ? `${renderMoment(report)}\n\n` : '';
  return {
    machine: renderMachine(report),
    rows: results.flatMap(({ name, judged }) => judged.map((each) => [name, ...judgedCells(each)])),
    better: results.flatMap((result) => listBetter(result).map((cells) => [result.name, ...cells])),
    sections: new Map(
      results.map((result) => [
        result.name,
        `${result.how}\n\n${moment}${markdownTable(FIGURE_HEAD, figureRows(result))}${renderFiles(directory, result)}`,
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

const BETTER_TITLE = '## What others do better\n';

/** The cells of a table, wherever it stands in the text. @param {string} text */
function readRows(text) {
  const lines = text.split('\n').filter((line) => line.startsWith('|'));
  return lines.slice(2).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

/** @param {string} text a report as renderMarkdown() gives @returns {Parts} */
function readParts(text) {
  const sections = cutBetween(text, '## Figures\n', '\n## Again').split(/^### /m).slice(1);
  return {
    machine: cutBetween(text, '## Machine\n', '\n## Figures'),
    rows: readRows(cutBetween(text, '## Bounds\n', '\n"within noise"')),
    // Older reports have no such part.
    better: text.includes(BETTER_TITLE) ? readRows(cutBetween(text, BETTER_TITLE, '\n## ')) : [],
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
  const keep = (/** @type {string[][]} */ rows) =>
    rows.filter(([name = '']) => !later.sections.has(name));
  return {
    machine: earlier.machine,
    rows: [...keep(earlier.rows), ...later.rows],
    better: [...keep(earlier.better), ...later.better],
    sections: new Map([...earlier.sections, ...later.sections]),
  };
}

/**
 * @param {Report} report
 * @param {string | null} earlier a report of which the other scenarios are kept
 * @param {string} directory where plots and raw data lie, seen from the report
 */
export function renderMarkdown(report, earlier, directory) {
  const own = renderParts(report, earlier !== null, directory);
  const { machine, rows, better, sections } =
    earlier === null ? own : mergeParts(readParts(earlier), own);
  const names = SCENARIO_NAMES.filter((name) => sections.has(name));
  const sort = (/** @type {string[][]} */ cells) =>
    names.flatMap((name) => cells.filter(([scenario]) => scenario === name));
  return `# Benchmarks

Printed by \`npm run bench --prefix native-bench\`; not written by hand. Weir is measured
against nginx in the same run, on the same bodies, the two taking turns round by round. What counts is CPU
time of the proxy's whole process tree per unit of work, and its ratio to nginx's: on a machine that others
use too, requests per second and latencies move with the neighbours, while that ratio moves much less. Ratios
are formed pair by pair within a round; every figure is the median, with the smallest and the largest.

Both only forward: no access log, no keys, no limits, connections kept on both sides, the body unaltered.
nginx has \`proxy_buffering off\`, without which streams do not flow. Everything runs on one machine over
loopback, so there is no network in these figures, and the latencies contain the load's own share of a core.
In policies Weir alone has keys, limits, usage, an access log and metrics to look after, and is measured against nginx
that only forwards, and against itself without. The scenario limits is Weir's alone: there it is measured
against its promises. In kong and rivals other gateways stand beside it, each the way its own users run it.

## Bounds

${markdownTable(['scenario', ...JUDGED_HEAD], sort(rows))}

"within noise": the median is above the bound, but rounds lay on both sides of it, so that this run cannot tell.

${BETTER_TITLE}
Every figure in which a rival's median is ahead of Weir's by more than 3 %, read off the figures below:

${better.length > 0 ? markdownTable(['scenario', ...BETTER_HEAD], sort(better)) : 'None in this run.'}

## Machine

${machine}

## Figures

${names.map((name) => `### ${name}\n\n${sections.get(name)}\n`).join('\n')}
## Again, elsewhere

\`\`\`
apt-get install --no-install-recommends nginx-light wrk gcc libc6-dev openssl
npm ci
npm run rivals --prefix native-bench
npm run bench --prefix native-bench
\`\`\`

\`node native-bench/run.js --help\` lists the options; \`--weir-base DIR\` measures an older checkout in the
same rounds, which is how to tell whether a change made things better or worse.

### On a node of 16 vCPUs

Dedicated, and with nothing else running: \`uptime\` should tell a load of about 0 before the start. The first two cores
that the process may use are taken, the first for the proxy and the second for load and mock. Hand it two that
are not threads of one physical core (\`lscpu -e\` tells; often 0 and 8 are), and not the one that serves the network
card's or the disk's interrupts (\`/proc/interrupts\`):

\`\`\`
cpupower frequency-set -g performance            # where the machine lets you; else the clock moves with the load
taskset -c 2,4 npm run bench --prefix native-bench -- --only json,sse,open-loop,pace,trace,tls,policies,memory
taskset -c 0-15 npm run bench --prefix native-bench -- --only workers,ready,limits
\`\`\`

workers pins nothing: leave it all 16, of which wrk needs one or two. What to look at:

- json, sse: the ratio to nginx. It should be near the one above; microseconds follow the clock.
- open-loop: "of its core used at saturation". Below about 95 % the load was the limit and not the proxy, and the rates are
  shares of less than the proxy can take.
- open-loop, pace: the direct run's own p99. Above a few hundred µs the machine is not quiet, and what a proxy adds to
  p99 is then the difference of two noises.
- workers: requests per second up to the number of cores, and the CPU per request staying level meanwhile.
- the spread behind each median: a run in which it is wider than the distance to the bound says nothing.
`;
}

/** Prints docs/conformance.md from what the scenario `conformance` has kept. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type {
  Grid,
  GridCell,
  GridRow,
  GridTotals,
  ProxyName,
} from '../test/chaos/conformance-grid.js';

const FILE = fileURLToPath(new URL('../../docs/endurance/conformance-grid.json', import.meta.url));

const NAMES: Readonly<Record<ProxyName, string>> = {
  weir: 'Weir',
  nginx: 'nginx',
  haproxy: 'HAProxy',
};
const ORDER: readonly ProxyName[] = ['weir', 'nginx', 'haproxy'];

const TITLES: Readonly<Record<GridRow['suite'], string>> = {
  smuggling: 'Where one message ends',
  compliance: 'What is plainly valid, or not',
  malformed: 'Broken and too large',
  h1spec: 'Beginnings, and plain faults again',
};

const MARKS: Readonly<Record<GridCell['verdict'], string>> = {
  pass: '✓',
  lenient: '~',
  fail: '✗',
};

function escapeCell(text: string): string {
  // What was smuggled is shown as it came.
  return text
    .replaceAll('|', '\\|')
    .replaceAll('<', '&lt;')
    .replaceAll('\r', '')
    .replaceAll('\n', ' ');
}

function renderRow(cells: readonly string[]): string {
  return `| ${cells.map(escapeCell).join(' | ')} |`;
}

function renderTotals({ versions, totals }: Grid): string {
  const rows: readonly (readonly [string, (of: GridTotals) => number])[] = [
    ['smuggled', ({ smuggled, orphans }) => smuggled + orphans],
    ['hung', ({ hung }) => hung],
    ['not answered, closed by a timer', ({ late }) => late],
    ['crashed', ({ crashed }) => crashed],
    ['✓ as asked (score)', ({ pass }) => pass],
    ['~ lenient', ({ lenient }) => lenient],
    ['✗ against the RFC', ({ fail }) => fail],
  ];
  return [
    renderRow(['', ...ORDER.map((name) => `${NAMES[name]} (${versions[name]})`)]),
    '| --- | --- | --- | --- |',
    ...rows.map(([what, count]) =>
      renderRow([what, ...ORDER.map((name) => String(count(totals[name])))]),
    ),
  ].join('\n');
}

function renderSuite(grid: Grid, suite: GridRow['suite']): string {
  const rows = grid.rows.filter((row) => row.suite === suite);
  const lines = rows.map((row) =>
    renderRow([
      `\`${row.id}\`${row.isScored ? '' : ' (not scored)'}`,
      `${row.asks} (${row.section})`,
      ...ORDER.map((name) => `${MARKS[row.cells[name].verdict]} ${row.cells[name].what}`),
    ]),
  );
  return `## ${TITLES[suite]}

| case | what the RFC asks | Weir | nginx | HAProxy |
| --- | --- | --- | --- | --- |
${lines.join('\n')}
`;
}

function renderGrid(grid: Grid): string {
  const suites = [...new Set(grid.rows.map(({ suite }) => suite))];
  return `${renderTotals(grid)}

${suites.map((suite) => renderSuite(grid, suite)).join('\n')}`;
}

export function renderConformance(): string {
  const grid = existsSync(FILE)
    ? renderGrid(JSON.parse(readFileSync(FILE, 'utf8')) as Grid)
    : '_Not measured yet._\n';
  return `# HTTP/1.1, beside nginx and HAProxy

<!-- Printed from docs/endurance/conformance-grid.json, which \`npm run endure:node24 -- --only conformance --write-docs\`
writes, by \`npm run docs\`. -->

Every request of these tables is sent raw, on a connection of its own, with a harmless one behind it, through Weir, nginx
and HAProxy in front of the same echo. The echo’s parser is Node’s, which shares nothing with any of the three; what it
got is compared with what was sent. All three are judged by the same rules (\`test/helpers/http11-rules.ts\`). Of the
first three tables the cases’ names are those of [Http11Probe](https://github.com/MDA2AV/Http11Probe), of the last the
situations are those of [h1spec](https://github.com/uNetworking/h1spec); bytes, rules and verdicts are Weir’s own. The
heads of aws/http-desync-guardian run beside them, against Weir alone, in \`test/wire/desync.test.ts\`.

✓ is what the RFC asks. ~ is allowed but lenient, a refusal with another status, or no answer at all until a timer closed
the connection. ✗ is against the RFC. “served 200”
says that the upstream got the request, “closed” behind a comma that the connection ended after the answer, “closed”
alone that there was no answer. “smuggled” counts requests that the upstream got and nobody sent, “hung” connections that
were neither answered nor closed within 20 s. nginx and HAProxy are set up plainly as reverse proxies
(\`test/helpers/rival-proxies.ts\`), with 10 s for a slow client; both have settings that make them stricter.

The table shows what ships, Node 24 on Debian 13 (\`npm run endure:node24 -- --only conformance --write-docs\`). The file of
uWebSockets.js for Node 20 leaves 27 malformed heads without an answer until its timer closes the connection: with it Weir
has a score of 134, below nginx, and P-34 does not hold; nothing is smuggled there either. \`npm test -- test/chaos/conformance\`
prints the counts for the Node that it runs on.

What Weir does not do as asked is uWebSockets.js’s parser, into which JavaScript does not see; the list with a reason for
each stands in \`test/chaos/conformance.test.ts\`. Nothing of it reaches a provider: what Weir forwards it frames anew,
and a connection whose request came in chunks ends after the answer.

${grid}`;
}

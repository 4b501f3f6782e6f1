/**
 * Prints docs/errors.md and docs/bounds.md from the tables in src/core, so that they can't disagree
 * with the code. `npm run docs` writes them; with `--check` it only says whether they are up to date.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BOUND_TABLE, type Bound } from '../src/core/bounds.js';
import { ERRORS, type ErrorRow } from '../src/core/errors.js';

/** docs/ of the repository, seen from `.test-build/docs/generate.js`. */
const FOLDER = fileURLToPath(new URL('../../docs/', import.meta.url));

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|');
}

function renderTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => '---'), ...rows];
  return lines.map((cells) => `| ${cells.map(escapeCell).join(' | ')} |`).join('\n');
}

function yes(flag: boolean): string {
  return flag ? 'yes' : '';
}

export function renderErrors(): string {
  const rows = Object.entries<ErrorRow>(ERRORS).map(([code, row]) => [
    `\`${code}\``,
    String(row.status),
    row.meaning,
    yes(row.isRetryable),
    yes(row.isBilled),
    yes(row.closes),
    `\`${row.openaiType}\``,
    `\`${row.anthropicType}\``,
  ]);
  return `# Errors that Weir answers itself

<!-- Printed from src/core/errors.ts by \`npm run docs\`. Change it there. -->

A provider's own errors pass through unchanged. These come from Weir, in the shape of the caller's API:
\`error.code\` holds the code, \`error.type\` is one that the API's SDKs know. Log lines name the same
code under \`ended.reason\`. "Again" says whether the same call may succeed when it is repeated,
"billed" whether the provider may have charged for it, "closes" whether the connection ends.

${renderTable(
  ['code', 'status', 'meaning', 'again', 'billed', 'closes', 'type, OpenAI', 'type, Anthropic'],
  rows,
)}
`;
}

function renderValue({ value, unit }: Bound): string {
  if (unit === 'count') return String(value);
  if (unit === 'ms') return value >= 1000 ? `${value / 1000} s` : `${value} ms`;
  const [size, name] = value >= 1024 * 1024 ? [value / (1024 * 1024), 'MB'] : [value / 1024, 'KB'];
  return `${size} ${name}`;
}

export function renderBounds(): string {
  const rows = Object.entries<Bound>(BOUND_TABLE).map(([name, bound]) => [
    `\`${name}\``,
    renderValue(bound),
    bound.reason,
  ]);
  return `# Bounds

<!-- Printed from src/core/bounds.ts by \`npm run docs\`. Change it there. -->

Nothing in Weir grows without end. These bounds on memory, length and time are not in the
configuration; those that are stand in configuration.md. 1 KB is 1024 bytes.

${renderTable(['bound', 'value', 'why'], rows)}
`;
}

export const PAGES: readonly { readonly name: string; readonly render: () => string }[] = [
  { name: 'errors.md', render: renderErrors },
  { name: 'bounds.md', render: renderBounds },
];

/** Names of the committed pages that the tables no longer agree with. */
export function findStalePages(): readonly string[] {
  return PAGES.filter(({ name, render }) => {
    const path = FOLDER + name;
    return !existsSync(path) || readFileSync(path, 'utf8') !== render();
  }).map(({ name }) => name);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes('--check')) {
    const stale = findStalePages();
    if (stale.length > 0) {
      process.stderr.write(`out of date, run \`npm run docs\`: docs/${stale.join(', docs/')}\n`);
      process.exitCode = 1;
    }
  } else {
    for (const { name, render } of PAGES) writeFileSync(FOLDER + name, render());
  }
}

/**
 * Prints docs/errors.md, docs/bounds.md and docs/failure-classes.md from the tables in src, so that they can't disagree
 * with the code, and docs/endurance.md from what the long runs have measured. `npm run docs` writes them; with `--check` it only says whether they are up to date.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BOUND_TABLE, type Bound } from '../src/core/bounds.js';
import { ERRORS, type ErrorRow } from '../src/core/errors.js';
import {
  CLASSES_BY_CODE,
  CLASSES_BY_STATUS,
  CLASSES_OF_CALLER,
  FAILURE_CLASSES,
  type FailureRow,
} from '../src/upstream/failure-classes.js';
import { renderConformance } from './conformance.js';
import { renderEndurance } from './endurance.js';
import { findPromises, judgePromises, readTestTexts, renderPromises } from './promises.js';

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

/** Where a class comes from: statuses of answers, and codes of Weir's own errors. */
function renderSigns(name: string): string {
  const statuses = [...CLASSES_BY_STATUS].filter(([, of]) => of === name).map(([at]) => String(at));
  const codes = [...CLASSES_BY_CODE].filter(([, of]) => of === name).map(([code]) => `\`${code}\``);
  const callers = [...CLASSES_OF_CALLER]
    .filter(([, of]) => of === name)
    .map(([own]) => renderSigns(own));
  const others: Readonly<Record<string, string>> = {
    dns: '`upstream_refused`, `ENOTFOUND` and the like',
    tls: '`upstream_refused`, `CERT_HAS_EXPIRED` and the like',
    bad_request: 'other 400s',
    server_error: 'other 500s',
    context_length: 'body',
    content_filter: 'body',
  };
  const other = name in others ? [others[name] as string] : [];
  return [...statuses, ...codes, ...other, ...callers].join(', ');
}

export function renderFailureClasses(): string {
  const rows = Object.entries<FailureRow>(FAILURE_CLASSES).map(([name, row]) => [
    `\`${name}\``,
    renderSigns(name),
    row.again,
    row.harms,
    row.fallback,
    yes(row.isBilled),
    yes(row.needsBody),
    row.meaning,
  ]);
  return `# How targets fail

<!-- Printed from src/upstream/failure-classes.ts by \`npm run docs\`. Change it there. -->

Every failed attempt is of one of these classes; access log and metrics name it. [failures.md](failures.md) tells what
Weir makes of them. "From" are the statuses of a provider's answer and the codes of [Weir's own errors](errors.md) that
it comes from. "Again" says where another attempt among the same model's targets is safe: on the \`same\` target or
another, only on an \`other\`, or \`never\`. "Harms" is what the target's record takes: a failure (\`health\`), a note that
it is throttled (\`throttle\`), or \`nothing\`. "Fallback" is the chain of other models that follows: \`any\` is
\`fallbacks\`, \`context\` is \`context_fallbacks\`, \`content\` is \`content_fallbacks\`. "Billed" says whether the provider may
have charged for the attempt, "body" whether the body is read because it may say that the class is another one.

An error within a stream is of the class that its type or code stands for (\`STREAM_ERROR_CODES\` in
\`src/upstream/error-phrases.ts\`), whatever its status was.

Whatever stands here, nothing is tried again once the caller has been sent a byte of the answer.

${renderTable(
  ['class', 'from', 'again', 'harms', 'fallback', 'billed', 'body', 'what it is, and why'],
  rows,
)}
`;
}

export const PAGES: readonly { readonly name: string; readonly render: () => string }[] = [
  { name: 'errors.md', render: renderErrors },
  { name: 'bounds.md', render: renderBounds },
  { name: 'failure-classes.md', render: renderFailureClasses },
  { name: 'endurance.md', render: renderEndurance },
  { name: 'conformance.md', render: renderConformance },
  { name: 'promises.md', render: renderPromises },
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
    for (const complaint of judgePromises(findPromises(readTestTexts()))) {
      process.stderr.write(`${complaint}\n`);
      process.exitCode = 1;
    }
  } else {
    for (const { name, render } of PAGES) writeFileSync(FOLDER + name, render());
  }
}

/** `weir usage`: prints, converts and sums the records of a spool. It reads files only; a running Weir is not asked. */
import { existsSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { loadConfig } from '../config/load.js';
import { wallClockMs } from '../core/clock.js';
import { OperatorError } from '../core/errors.js';
import { nameValues, USAGE_FIELDS, type UsageRecord } from './fields.js';
import { type Format, printCsv, printJson, printTable } from './print.js';
import { isSelected, readGroupings, readTime, type Selection } from './selection.js';
import { listSegments, readSpool, type SegmentFile } from './spool.js';
import { SUM_FIELDS, UsageSums } from './sums.js';

export const USAGE_COMMAND_HELP = `Usage records, from the files that Weir writes.

  weir usage [--config FILE | --dir DIR | FILE …] [options]

  --config FILE    the configuration that names the directory; weir.yaml if left out
  --dir DIR        the directory itself
  --from TIME      exchanges that began then or later: 2026-11-23, 2026-11-23T10:00Z, or 24h for so long ago
  --to TIME        exchanges that began before
  --consumer NAME  --model NAME  --provider NAME
                   of these alone
  --by LIST        sums instead of records: consumer, user, model, entry, provider, target_model, day, hour,
                   dialect, path, status, ended_by, ended_reason; several with commas
  --sum            one sum over all
  --format FORMAT  ndjson or csv, and for sums table; ndjson if left out, for sums table
`;

const OPTIONS = {
  config: { type: 'string', short: 'c' },
  dir: { type: 'string' },
  from: { type: 'string' },
  to: { type: 'string' },
  consumer: { type: 'string' },
  model: { type: 'string' },
  provider: { type: 'string' },
  by: { type: 'string' },
  sum: { type: 'boolean' },
  format: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

type Values = ReturnType<typeof parse>['values'];
/** Resolves when more may be written. */
type Write = (text: string) => Promise<void>;

/** Resolves to the exit code: 1 where something could not be read; all the rest is printed all the same. */
export async function runUsage(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args);
  const write = createWrite();
  if (values.help === true) {
    await write(USAGE_COMMAND_HELP);
    return 0;
  }
  const selection = readSelection(values);
  const groupings = values.by === undefined ? null : readGroupings(values.by);
  const by = groupings ?? (values.sum === true ? [] : null);
  const format = readFormat(values.format, by !== null);
  const files = await findFiles(values, positionals);
  let exitCode = 0;
  const onProblem = ({ file, reason }: { file: string; reason: string }): void => {
    exitCode = 1;
    process.stderr.write(`weir: ${file}: ${reason}\n`);
  };
  const records = selectRecords(files, selection, onProblem);
  if (by === null) {
    await printRecords(records, format, write);
  } else {
    const sums = new UsageSums(by);
    for await (const record of records) {
      sums.add(record);
    }
    const columns = [...by, ...SUM_FIELDS];
    const rows = sums.rows();
    if (format === 'table') {
      await write(printTable(columns, rows));
    } else if (format === 'csv') {
      await write(
        printCsv(columns) + rows.map((row) => printCsv(columns.map((name) => row[name]))).join(''),
      );
    } else {
      await write(rows.map(printJson).join(''));
    }
  }
  return exitCode;
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new OperatorError(
      `${error instanceof Error ? error.message : String(error)}\n\n${USAGE_COMMAND_HELP}`,
    );
  }
}

function readSelection(values: Values): Selection {
  const wallMs = wallClockMs();
  const { from, to, consumer = null, model = null, provider = null } = values;
  return {
    fromMs: from === undefined ? Number.NEGATIVE_INFINITY : readTime('--from', from, wallMs),
    toMs: to === undefined ? Number.POSITIVE_INFINITY : readTime('--to', to, wallMs),
    consumer,
    model,
    provider,
  };
}

function readFormat(text: string | undefined, isSum: boolean): Format {
  if (text === undefined) {
    return isSum ? 'table' : 'ndjson';
  }
  if (text === 'ndjson' || text === 'csv' || (text === 'table' && isSum)) {
    return text;
  }
  throw new OperatorError(
    `--format: expected ndjson or csv${isSum ? ' or table' : ''}, got "${text}"`,
  );
}

async function findFiles(values: Values, paths: readonly string[]): Promise<SegmentFile[]> {
  if (paths.length > 0) {
    const files = paths.map((path) => {
      if (!existsSync(path)) {
        throw new OperatorError(`${path}: no such file`);
      }
      return { name: path, path, writer: '', createdMs: 0, bytes: statSync(path).size };
    });
    // In the order of writing, which their names have: batches that stand there twice are told by it.
    return files.sort((a, b) => (basename(a.path) < basename(b.path) ? -1 : 1));
  }
  const dir = values.dir ?? findDir(values.config ?? 'weir.yaml');
  if (!existsSync(dir)) {
    throw new OperatorError(`${dir}: no such directory`);
  }
  return listSegments(dir);
}

function findDir(file: string): string {
  const { usage } = loadConfig(file, process.env);
  if (usage === null) {
    throw new OperatorError(
      `${file}: usage records are not configured; name their place with --dir`,
    );
  }
  return usage.dir;
}

async function* selectRecords(
  files: readonly SegmentFile[],
  selection: Selection,
  onProblem: (problem: { file: string; reason: string }) => void,
): AsyncGenerator<UsageRecord> {
  for await (const { fields, records } of readSpool(files, onProblem)) {
    for (const values of records) {
      const record = nameValues(fields, values);
      if (isSelected(record, selection)) {
        yield record;
      }
    }
  }
}

async function printRecords(
  records: AsyncIterable<UsageRecord>,
  format: Format,
  write: Write,
): Promise<void> {
  if (format === 'csv') {
    await write(printCsv(USAGE_FIELDS));
  }
  let text = '';
  for await (const record of records) {
    text +=
      format === 'csv' ? printCsv(USAGE_FIELDS.map((name) => record[name])) : printJson(record);
    if (text.length >= WRITE_CHARS) {
      await write(text);
      text = '';
    }
  }
  await write(text);
}

const WRITE_CHARS = 65_536;

/** Waits for a reader that is slow; one that has seen enough (`head`) ends the command. */
function createWrite(): Write {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? 0 : 1);
  });
  return (text) =>
    new Promise((resolve) => {
      if (process.stdout.write(text)) {
        resolve();
      } else {
        process.stdout.once('drain', resolve);
      }
    });
}

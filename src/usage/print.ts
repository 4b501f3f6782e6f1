/** The forms in which `weir usage` prints records and sums: NDJSON, CSV, and a table to be read. */

export type Format = 'ndjson' | 'csv' | 'table';
export type Row = Readonly<Record<string, string | number | boolean | null>>;

/** What a client wrote may hold what steers a terminal; JSON escapes most of it by itself. */
const CONTROL = /[\p{Cc}\u2028\u2029]/gu;
const BEYOND_JSON = /[\u007f-\u009f\u2028\u2029]/g;

export function printJson(row: Row): string {
  const escapeUnit = (char: string): string =>
    `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return `${JSON.stringify(row).replace(BEYOND_JSON, escapeUnit)}\n`;
}

/** By RFC 4180; control characters, line ends included, are replaced. */
export function printCsv(
  values: readonly (string | number | boolean | null | undefined)[],
): string {
  return `${values.map(quoteCell).join(',')}\r\n`;
}

function quoteCell(value: string | number | boolean | null | undefined): string {
  const text = clean(value);
  return /[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Columns of numbers are set to the right. */
export function printTable(columns: readonly string[], rows: readonly Row[]): string {
  const cells = rows.map((row) => columns.map((column) => clean(row[column])));
  const widths = columns.map((column, i) =>
    Math.max(column.length, ...cells.map((row) => row[i]?.length ?? 0)),
  );
  const isNumber = columns.map((_, i) => cells.every((row) => /^-?[\d.]*$/.test(row[i] ?? '')));
  return [columns, ...cells]
    .map((row) =>
      row
        .map((cell, i) =>
          isNumber[i] ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}

function clean(value: string | number | boolean | null | undefined): string {
  return value === null || value === undefined ? '' : String(value).replace(CONTROL, '\ufffd');
}

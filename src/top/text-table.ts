/** Tables for a terminal: as wide as there is room, sorted, with the least important columns left out where it is narrow. */

export type Tone = 'plain' | 'good' | 'warn' | 'bad' | 'faint';

export interface TextCell {
  readonly text: string;
  /** What the column is sorted by; the text where left out. */
  readonly order?: number;
  readonly tone?: Tone;
}

export interface TextColumn {
  readonly name: string;
  readonly isText?: boolean;
  /** Where there is no room the highest number is left out first; 0 never is. */
  readonly rank: number;
}

export interface TableLook {
  /** Characters of a line. */
  readonly width: number;
  readonly rowsMax: number;
  readonly sortedBy: number;
  readonly isDescending: boolean;
  readonly hasColor: boolean;
}

const GAP = '  ';
const TEXT_WIDTH_MIN = 8;
const ELLIPSIS = '…';
const CODES: Readonly<Record<Tone | 'bold', string>> = {
  plain: '',
  good: '\x1b[32m',
  warn: '\x1b[33m',
  bad: '\x1b[31m',
  faint: '\x1b[2m',
  bold: '\x1b[1m',
};
const RESET = '\x1b[0m';

/** Lines, the head first; no line is longer than the width. */
export function drawTable(
  columns: readonly TextColumn[],
  rows: readonly (readonly TextCell[])[],
  look: TableLook,
): string[] {
  const sorted = sortRows(rows, look).slice(0, Math.max(0, look.rowsMax));
  const widths = columns.map(({ name }, at) =>
    Math.max(measure(name), ...sorted.map((row) => measure(row[at]?.text ?? ''))),
  );
  const shown = chooseColumns(columns, widths, look.width);
  const fitted = fitWidths(columns, widths, shown, look.width);
  const drawLine = (pick: (at: number) => TextCell): string =>
    shown
      .map((at) => {
        const { text, tone = 'plain' } = pick(at);
        const padded = pad(text, fitted[at] ?? 0, columns[at]?.isText === true);
        return paint(padded, tone, look.hasColor);
      })
      .join(GAP);
  const head = drawLine((at) => {
    const mark = at === look.sortedBy ? (look.isDescending ? '↓' : '↑') : '';
    return { text: `${columns[at]?.name ?? ''}${mark}` };
  });
  return [
    paint(head, 'bold', look.hasColor),
    ...sorted.map((row) => drawLine((at) => row[at] ?? { text: '' })),
  ];
}

/** What a column means must not be lost with the colour, so this is for emphasis alone. */
export function paint(text: string, tone: Tone | 'bold', hasColor: boolean): string {
  return hasColor && CODES[tone] !== '' ? `${CODES[tone]}${text}${RESET}` : text;
}

/** Cuts a line of plain text. */
export function clip(text: string, width: number): string {
  const characters = [...text];
  return characters.length <= width
    ? text
    : characters.slice(0, Math.max(0, width - 1)).join('') + ELLIPSIS;
}

function sortRows(
  rows: readonly (readonly TextCell[])[],
  { sortedBy, isDescending }: TableLook,
): (readonly TextCell[])[] {
  const direction = isDescending ? -1 : 1;
  return [...rows].sort((a, b) => direction * compareCells(a[sortedBy], b[sortedBy]));
}

function compareCells(a: TextCell | undefined, b: TextCell | undefined): number {
  if (a?.order !== undefined && b?.order !== undefined) return a.order - b.order;
  return (a?.text ?? '').localeCompare(b?.text ?? '');
}

function chooseColumns(
  columns: readonly TextColumn[],
  widths: readonly number[],
  width: number,
): number[] {
  let shown = columns.map((_, at) => at);
  const needs = (): number =>
    shown.reduce(
      (sum, at) => {
        const full = (widths[at] ?? 0) + MARK;
        return sum + (columns[at]?.isText === true ? Math.min(full, TEXT_WIDTH_MIN) : full);
      },
      GAP.length * (shown.length - 1),
    );
  while (needs() > width && shown.length > 1) {
    const least = Math.max(...shown.map((at) => columns[at]?.rank ?? 0));
    if (least === 0) break;
    shown = shown.filter((at) => columns[at]?.rank !== least);
  }
  return shown;
}

/** For the arrow of the column that is sorted by. */
const MARK = 1;

/** Texts share what is left when all numbers have their room. */
function fitWidths(
  columns: readonly TextColumn[],
  widths: readonly number[],
  shown: readonly number[],
  width: number,
): number[] {
  const fitted = widths.map((one) => one + MARK);
  const total = (): number =>
    shown.reduce((sum, at) => sum + (fitted[at] ?? 0), GAP.length * (shown.length - 1));
  const texts = shown.filter((at) => columns[at]?.isText === true);
  while (total() > width) {
    const widest = texts.reduce(
      (best, at) => ((fitted[at] ?? 0) > (fitted[best] ?? 0) ? at : best),
      texts[0] ?? shown[0] ?? 0,
    );
    if ((fitted[widest] ?? 0) <= 1) break;
    fitted[widest] = (fitted[widest] ?? 0) - 1;
  }
  return fitted;
}

function pad(text: string, width: number, isText: boolean): string {
  const cut = clip(text, width);
  const room = ' '.repeat(Math.max(0, width - measure(cut)));
  return isText ? cut + room : room + cut;
}

/** In characters; those that a terminal shows in double width count as one. */
function measure(text: string): number {
  return [...text].length;
}

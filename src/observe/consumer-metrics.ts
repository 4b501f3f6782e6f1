/** The consumers' part of the exposition. How many have series of their own is bounded by the configuration. */
import { type Family, type Labels, startLine, writeLine } from './exposition.js';
import { STATUS_CLASSES } from './status-classes.js';
import { CONSUMER_USES, NO_CONSUMER, OTHER_CONSUMERS } from './tally-layout.js';
import type { TallyReader } from './tally-reader.js';

/** Of exchanges that no consumer made, or none that is known. */
const NONE = '(none)';
/** Of all consumers beyond the bound; a consumer of this name is among them. */
export const OTHER = 'other';

const USE_OFFSET = STATUS_CLASSES.length;
const TOKEN_TYPES = CONSUMER_USES.filter((use) => use !== 'nanoDollars');
/** Shown from the start even at 0, because a rate can't be taken over a series that was not there yet. */
const SHOWN_AT_ZERO: readonly string[] = ['2xx', 'input', 'output', 'cost'];
const NANO = 1e9;

interface Column {
  /** From a consumer's first slot. */
  readonly offset: number;
  readonly labels: Labels;
  readonly isShownAtZero: boolean;
  readonly unit: number;
}

const REQUESTS: readonly Column[] = STATUS_CLASSES.map((status, offset) => ({
  offset,
  labels: { status },
  isShownAtZero: SHOWN_AT_ZERO.includes(status),
  unit: 1,
}));
const TOKENS: readonly Column[] = TOKEN_TYPES.map((type) => ({
  offset: USE_OFFSET + CONSUMER_USES.indexOf(type),
  labels: { type },
  isShownAtZero: SHOWN_AT_ZERO.includes(type),
  unit: 1,
}));
const COST: readonly Column[] = [
  {
    offset: USE_OFFSET + CONSUMER_USES.indexOf('nanoDollars'),
    labels: {},
    isShownAtZero: true,
    unit: NANO,
  },
];

/** One consumer's lines. */
interface Row {
  readonly starts: readonly string[];
  /** The sum of all values when it was written last; they only grow. */
  total: number;
  text: string;
}

function writeRow(row: Row, columns: readonly Column[], tally: TallyReader, at: number): string {
  const first = tally.layout.consumerSlot(at);
  let total = 0;
  for (const { offset } of columns) total += tally.read(first + offset);
  // Most consumers did nothing from one scrape to the next.
  if (total === row.total) return row.text;
  row.total = total;
  const isNamed = at !== NO_CONSUMER && at !== OTHER_CONSUMERS;
  const lines = columns.map(({ offset, isShownAtZero, unit }, place) => {
    const value = tally.read(first + offset);
    const isShown = value > 0 || (isShownAtZero && isNamed);
    return isShown ? writeLine(row.starts[place] ?? '', value / unit) : '';
  });
  row.text = lines.join('');
  return row.text;
}

/** @param readNames of consumers that have a place, by place from FIRST_CONSUMER on; places are never given anew. */
export function createConsumerFamilies(
  readTally: () => TallyReader,
  readNames: () => readonly string[],
): Family[] {
  const create = (name: string, help: string, columns: readonly Column[]): Family => {
    const rows: Row[] = [];
    return {
      name,
      type: 'counter',
      help,
      write: function* write() {
        const tally = readTally();
        const names = [NONE, OTHER, ...readNames()];
        for (let at = rows.length; at < names.length; at += 1) {
          const starts = columns.map(({ labels }) =>
            startLine(name, { consumer: names[at] ?? '', ...labels }),
          );
          rows.push({ starts, total: -1, text: '' });
        }
        for (const [at, row] of rows.entries()) {
          yield writeRow(row, columns, tally, at);
        }
      },
    };
  };
  return [
    create(
      'weir_consumer_requests_total',
      'Exchanges of each consumer, by class of the status that it was answered.',
      REQUESTS,
    ),
    create(
      'weir_consumer_tokens_total',
      'Tokens of each consumer as settled; cached_input is part of input, reasoning part of output.',
      TOKENS,
    ),
    create(
      'weir_consumer_cost_dollars_total',
      'US dollars of each consumer as settled, by the price list.',
      COST,
    ),
  ];
}

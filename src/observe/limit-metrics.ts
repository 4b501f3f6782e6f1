/** The limits' part of the exposition. */
import { type Family, startLine, writeLine } from './exposition.js';

/** A bucket in units of its kind; costs in US dollars. */
export interface LimitSample {
  readonly consumer: string;
  readonly limit: string;
  readonly capacity: number;
  readonly level: number;
  readonly held: number;
  readonly settled: number;
  readonly refunded: number;
  readonly refused: number;
}

type Figure = Exclude<keyof LimitSample, 'consumer' | 'limit'>;

/** Name, type and meaning of each figure of a bucket. */
export const LIMIT_METRICS: readonly (readonly [
  name: string,
  type: 'gauge' | 'counter',
  figure: Figure,
  help: string,
])[] = [
  ['weir_limit_capacity', 'gauge', 'capacity', 'What the bucket of a limit holds when it is full.'],
  ['weir_limit_level', 'gauge', 'level', 'What can be taken from the bucket now.'],
  ['weir_limit_reserved', 'gauge', 'held', 'Taken for exchanges that are under way.'],
  ['weir_limit_settled_total', 'counter', 'settled', 'Used, as settled.'],
  ['weir_limit_refunded_total', 'counter', 'refunded', 'Reserved and given back.'],
  ['weir_limit_refused_total', 'counter', 'refused', 'Requests that the limit refused.'],
];

interface Row {
  readonly consumer: string;
  readonly limit: string;
  readonly start: string;
}

/** @param read in an order that stays as it is but for reloads, so that the beginnings of lines can be kept. */
export function createLimitFamilies(read: () => readonly LimitSample[]): Family[] {
  return LIMIT_METRICS.map(([name, type, figure, help]): Family => {
    const rows: Row[] = [];
    const startOf = (at: number, { consumer, limit }: LimitSample): string => {
      const known = rows[at];
      if (known?.consumer === consumer && known.limit === limit) return known.start;
      const start = startLine(name, { consumer, limit });
      rows[at] = { consumer, limit, start };
      return start;
    };
    return {
      name,
      type,
      help,
      write: function* write() {
        const samples = read();
        rows.length = Math.min(rows.length, samples.length);
        for (const [at, sample] of samples.entries()) {
          yield writeLine(startOf(at, sample), sample[figure]);
        }
      },
    };
  });
}

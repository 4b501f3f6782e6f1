/** The limits' part of the exposition. */

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

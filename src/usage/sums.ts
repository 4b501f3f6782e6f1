/** Sums of usage records, by whatever is asked for. Money is summed in whole nano-dollars, so exactly. */
import type { UsageField, UsageRecord } from './fields.js';
import { type Grouping, nameGroup } from './selection.js';

const TOKEN_FIELDS = [
  'input_tokens',
  'cached_input_tokens',
  'cache_write_tokens',
  'output_tokens',
  'reasoning_tokens',
  'audio_input_tokens',
  'audio_output_tokens',
] as const satisfies readonly UsageField[];

/** A row: the names of its group, then these. */
export const SUM_FIELDS = [
  'exchanges',
  'complete',
  'estimated',
  'unpriced',
  ...TOKEN_FIELDS,
  'cost_dollars',
] as const;

export type SumRow = Readonly<Record<string, string | number>>;

interface Sum {
  readonly names: readonly string[];
  exchanges: number;
  complete: number;
  estimated: number;
  unpriced: number;
  readonly tokens: number[];
  nanoDollars: bigint;
}

export class UsageSums {
  readonly #by: readonly Grouping[];
  readonly #sums = new Map<string, Sum>();

  constructor(by: readonly Grouping[]) {
    this.#by = by;
  }

  add(record: UsageRecord): void {
    const names = this.#by.map((by) => nameGroup(record, by));
    const sum = this.#sumOf(names);
    sum.exchanges += 1;
    sum.complete += Number(record.ended_reason === 'complete');
    sum.estimated += Number(record.estimated === true);
    const hasUsage = typeof record.input_tokens === 'number';
    const cost = record.cost_nano_dollars;
    if (typeof cost === 'number') {
      sum.nanoDollars += BigInt(Math.trunc(cost));
    } else {
      sum.unpriced += Number(hasUsage);
    }
    TOKEN_FIELDS.forEach((field, i) => {
      const tokens = record[field];
      sum.tokens[i] = (sum.tokens[i] ?? 0) + (typeof tokens === 'number' ? tokens : 0);
    });
  }

  /** In the order of their names. */
  rows(): SumRow[] {
    const sums = [...this.#sums.values()].sort((a, b) => compareNames(a.names, b.names));
    return sums.map((sum) => ({
      ...Object.fromEntries(this.#by.map((by, i) => [by, sum.names[i] ?? ''])),
      exchanges: sum.exchanges,
      complete: sum.complete,
      estimated: sum.estimated,
      unpriced: sum.unpriced,
      ...Object.fromEntries(TOKEN_FIELDS.map((field, i) => [field, sum.tokens[i] ?? 0])),
      cost_dollars: printDollars(sum.nanoDollars),
    }));
  }

  #sumOf(names: readonly string[]): Sum {
    const key = JSON.stringify(names);
    const known = this.#sums.get(key);
    if (known !== undefined) {
      return known;
    }
    const sum: Sum = {
      names,
      exchanges: 0,
      complete: 0,
      estimated: 0,
      unpriced: 0,
      tokens: [],
      nanoDollars: 0n,
    };
    this.#sums.set(key, sum);
    return sum;
  }
}

function compareNames(a: readonly string[], b: readonly string[]): number {
  for (let i = 0; i < a.length; i += 1) {
    const [one = '', other = ''] = [a[i], b[i]];
    if (one !== other) {
      return one < other ? -1 : 1;
    }
  }
  return 0;
}

const NANO = 1_000_000_000n;

/** All nine places, as text, because a float does not hold them. */
function printDollars(nanoDollars: bigint): string {
  return `${nanoDollars / NANO}.${String(nanoDollars % NANO).padStart(9, '0')}`;
}

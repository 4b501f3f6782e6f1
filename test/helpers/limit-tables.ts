/** Small limit tables for tests: limits, consumers, a ledger for each worker. */
import type {
  ConcurrencyLimit,
  ConsumerConfig,
  LimitConfig,
  MeteredLimit,
} from '../../src/config/model.js';
import { Ledger } from '../../src/limits/ledger.js';
import { type PlanOptions, planTable, type TablePlan } from '../../src/limits/plan.js';
import type { Need, Usage } from '../../src/limits/reservation.js';
import { createTableBuffer, LimitTable } from '../../src/limits/table.js';

/** When the tables of tests begin; not zero, so that a forgotten subtraction shows. */
export const EPOCH_MS = 5_000_000;

export function meter(
  kind: MeteredLimit['kind'],
  amount: number,
  perMs: number,
  more: Partial<MeteredLimit> = {},
): MeteredLimit {
  return { kind, amount, perMs, burst: amount, models: null, enforce: 'request', ...more };
}

export function together(amount: number): ConcurrencyLimit {
  return { kind: 'concurrency', amount, models: null };
}

export function consumer(name: string, limits: readonly LimitConfig[]): ConsumerConfig {
  return { name, keyDigests: [], tier: null, priority: 'normal', limits };
}

export function need(requests: number, tokens: number, costNanoDollars = 0): Need {
  return { requests, inputTokens: tokens, outputTokens: 0, costNanoDollars };
}

export function usage(tokens: number, costNanoDollars = 0): Usage {
  return { inputTokens: tokens, outputTokens: 0, costNanoDollars };
}

export interface OpenTable {
  readonly plan: TablePlan;
  readonly buffer: SharedArrayBuffer;
  readonly primary: LimitTable;
  readonly ledgers: readonly Ledger[];
}

/** @param lists the limits of each consumer; they are called c0, c1, … */
export function openTable(
  lists: readonly (readonly LimitConfig[])[],
  options: Partial<PlanOptions> = {},
): OpenTable {
  const workers = options.workers ?? 1;
  const consumers = lists.map((limits, index) => consumer(`c${index}`, limits));
  const plan = planTable(consumers, { ...options, workers });
  const buffer = createTableBuffer(plan, EPOCH_MS);
  return {
    plan,
    buffer,
    primary: new LimitTable(buffer, plan, -1),
    ledgers: Array.from(
      { length: workers },
      (_, index) => new Ledger(new LimitTable(buffer, plan, index)),
    ),
  };
}

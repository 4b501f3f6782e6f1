/** Tables of targets for tests: a few providers, models over them, a clock that a test moves. */
import type { BreakerConfig, ProviderConfig } from '../../src/config/model.js';
import { type HealthPlan, planHealth } from '../../src/health/plan.js';
import { createHealthBuffer, HealthTable } from '../../src/health/table.js';
import { createRoutesConfig } from './observe-config.js';

export const EPOCH_MS = 5_000_000;

export const RULES: BreakerConfig = {
  failures: 3,
  ratePercent: 50,
  requestsMin: 10,
  windowMs: 10_000,
  ejectMs: 1000,
  ejectMsMax: 8000,
  shareMaxPercent: 50,
};

export interface HealthOptions {
  /** Model → the providers of its targets. */
  readonly models?: Readonly<Record<string, readonly string[]>>;
  readonly rules?: Partial<BreakerConfig> | null;
  readonly workers?: number;
  readonly dialects?: Readonly<Record<string, ProviderConfig['dialect']>>;
  readonly random?: () => number;
}

export interface OpenHealth {
  readonly buffer: SharedArrayBuffer;
  readonly plan: HealthPlan;
  /** One for each worker, and last the primary's. */
  readonly tables: readonly HealthTable[];
}

export function createHealthConfig(options: HealthOptions) {
  const { models = { m: ['a', 'b'] }, rules = {}, workers = 2 } = options;
  const config = createRoutesConfig(models);
  const breaker = rules === null ? null : { ...RULES, ...rules };
  return {
    ...config,
    workers,
    providers: config.providers.map((provider) => ({
      ...provider,
      breaker,
      dialect: options.dialects?.[provider.name] ?? provider.dialect,
    })),
  };
}

export function openHealth(options: HealthOptions = {}): OpenHealth {
  const plan = planHealth(createHealthConfig(options));
  const buffer = createHealthBuffer(plan, EPOCH_MS);
  const random = options.random ?? (() => 0);
  const tables = Array.from(
    { length: plan.columns },
    (_, column) => new HealthTable(buffer, plan, column, random),
  );
  return { buffer, plan, tables };
}

export function failTimes(table: HealthTable, index: number, times: number, nowMs: number): void {
  for (let count = 0; count < times; count += 1) table.noteFailure(index, nowMs);
}

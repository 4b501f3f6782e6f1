/** Which targets there are, by their numbers, and which of them are never ejected all at once. */
import { type BreakerConfig, type WeirConfig, WILDCARD } from '../config/model.js';
import { countEjectable } from './breaker.js';

/** One row of the table. */
export interface HealthTarget {
  /** The entry in the configuration, `*` included. */
  readonly model: string;
  readonly provider: string;
  /** The name that the provider knows; null: the caller's is passed on. */
  readonly providerModel: string | null;
  /** null: it is never ejected. */
  readonly rules: BreakerConfig | null;
  /** Position in HealthPlan.groups. */
  readonly group: number;
  /** How many of the group may be ejected when this one is the last of them. */
  readonly ejectableMax: number;
  /** Rows of the same provider and its same model, this one included: a rate limit is one limit for them all. */
  readonly throttledTogether: readonly number[];
}

export interface HealthPlan {
  /** By `Target.index`: models in the configuration's order, then targets in theirs. */
  readonly targets: readonly HealthTarget[];
  /** The targets that stand in for each other. */
  readonly groups: readonly (readonly number[])[];
  /** Threads that write: the workers, and last the primary. */
  readonly columns: number;
}

export function planHealth(
  config: Pick<WeirConfig, 'models' | 'providers' | 'workers'>,
): HealthPlan {
  const providers = new Map(config.providers.map((provider) => [provider.name, provider]));
  const groups: number[][] = [];
  const bare: Omit<HealthTarget, 'ejectableMax' | 'throttledTogether'>[] = [];
  const together = new Map<string, number[]>();
  const limits: (readonly number[])[] = [];
  for (const model of config.models) {
    const groupOf = new Map<string, number>();
    for (const { provider, model: providerModel } of model.targets) {
      const config = providers.get(provider);
      // What nobody reads goes to providers of the caller's dialect only (route/models.ts).
      const key = model.name === WILDCARD ? (config?.dialect ?? '') : '';
      const group = groupOf.get(key) ?? groups.push([]) - 1;
      groupOf.set(key, group);
      groups[group]?.push(bare.length);
      // Where the caller's name is passed on, it is the provider's model as well.
      const limited = JSON.stringify([provider, providerModel ?? model.name]);
      const rows = together.get(limited) ?? [];
      rows.push(bare.length);
      together.set(limited, rows);
      limits.push(rows);
      const rules = config?.breaker ?? null;
      bare.push({ model: model.name, provider, providerModel, rules, group });
    }
  }
  const targets = bare.map((target, index): HealthTarget => {
    const size = groups[target.group]?.length ?? 0;
    const ejectableMax = countEjectable(target.rules?.shareMaxPercent ?? 0, size);
    return { ...target, ejectableMax, throttledTogether: limits[index] ?? [index] };
  });
  return { targets, groups, columns: config.workers + 1 };
}

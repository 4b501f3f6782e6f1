/** Chooses a target of a model for each attempt: which may be used now, and among these by the model's policy. */
import { Candidates } from './balance/candidates.js';
import { type HealthView, PriorityGroups } from './balance/groups.js';
import { ConsistentHash } from './balance/hash.js';
import { createReadKey } from './balance/hash-key.js';
import { LeastBusy } from './balance/least-busy.js';
import { LeastLatency } from './balance/least-latency.js';
import { LowestCost, type TargetPrices } from './balance/lowest-cost.js';
import type { BalancePolicy, BalanceRequest, Random } from './balance/policy.js';
import { RoundRobin } from './balance/round-robin.js';
import { Weighted } from './balance/weighted.js';
import type { ModelEntry, Target } from './models.js';
import type { LoadView } from './target-load.js';

export interface BalancerParts {
  readonly health: HealthView;
  readonly load: LoadView;
  readonly prices: TargetPrices;
  /** Tests bring one that can be repeated. */
  readonly random?: Random;
}

interface Balancer {
  readonly groups: PriorityGroups;
  readonly policy: BalancePolicy;
}

/** Of one worker. */
export class Balancers {
  /** By `ModelEntry.number`; null where there is nothing to choose. */
  readonly #balancers: readonly (Balancer | null)[];
  readonly #health: HealthView;
  /** For all choices, one after the other. */
  readonly #candidates: Candidates;

  /** @param entries of the model table, all of them. */
  constructor(entries: readonly ModelEntry[], parts: BalancerParts) {
    const random = parts.random ?? Math.random;
    this.#health = parts.health;
    this.#balancers = entries.map((entry) =>
      entry.targets.length === 1
        ? null
        : {
            groups: new PriorityGroups(entry, parts.health, random),
            policy: createPolicy(entry, parts, random),
          },
    );
    this.#candidates = new Candidates(
      entries.reduce((most, { targets }) => Math.max(most, targets.length), 0),
    );
  }

  /**
   * Where none may be used and none of the entry was tried, the least bad is chosen all the same; whoever has somewhere
   * else to go asks hasUsable() before.
   *
   * @param tried `Target.index` of the targets that this exchange has been at; others than the entry's don't matter.
   * @param nowMs shared milliseconds (core/clock.ts).
   * @returns null where none is left: each was tried, or may not be used. Never where none was tried.
   */
  choose(
    entry: ModelEntry,
    request: BalanceRequest,
    tried: readonly number[],
    nowMs: number,
  ): Target | null {
    const { targets } = entry;
    if (targets.length === 1) {
      const only = targets[0]!;
      return tried.length > 0 && tried.includes(only.index) ? null : only;
    }
    const balancer = this.#balancers[entry.number]!;
    if (!balancer.groups.gather(this.#candidates, tried, nowMs)) {
      return null;
    }
    return this.#pick(entry, balancer, request, nowMs);
  }

  /**
   * For who was at all that choose() has for it: one that is ejected. Its breaker may be behind the times, and there is
   * nobody else to ask.
   *
   * @returns null where each was tried, or is drained. Parameters as above.
   */
  chooseEjected(
    entry: ModelEntry,
    request: BalanceRequest,
    tried: readonly number[],
    nowMs: number,
  ): Target | null {
    const balancer = this.#balancers[entry.number]!;
    if (balancer === null) return null;
    if (!balancer.groups.gatherEjected(this.#candidates, tried, nowMs)) return null;
    return this.#pick(entry, balancer, request, nowMs);
  }

  /** Among the candidates that have been gathered. */
  #pick(entry: ModelEntry, { policy }: Balancer, request: BalanceRequest, nowMs: number): Target {
    const candidates = this.#candidates;
    const place = candidates.count === 1 ? 0 : policy.pick(candidates, request, nowMs);
    return entry.targets[candidates.positions[place]!]!;
  }

  /** Whether choose() would find a target that may be used; asked before it, by whoever has fallbacks. */
  hasUsable({ targets }: ModelEntry, tried: readonly number[], nowMs: number): boolean {
    for (let at = 0; at < targets.length; at += 1) {
      const { index } = targets[at]!;
      if (
        !tried.includes(index) &&
        this.#health.isUsable(index, nowMs) &&
        this.#health.weightFactor(index, nowMs) > 0
      ) {
        return true;
      }
    }
    return false;
  }
}

function createPolicy(entry: ModelEntry, parts: BalancerParts, random: Random): BalancePolicy {
  const { load, prices } = parts;
  switch (entry.balance) {
    case 'weighted':
      return new Weighted(entry, random);
    case 'round-robin':
      return new RoundRobin();
    case 'least-busy':
      return new LeastBusy(entry, load, random);
    case 'least-latency':
      return new LeastLatency(entry, load, random);
    case 'lowest-cost':
      return new LowestCost(entry, prices);
    case 'hash':
      return new ConsistentHash(entry, load, random, createReadKey(entry.hashBy ?? 'consumer'));
  }
}

/** What the attempts of one worker share. */
import type { TargetHealth } from '../core/target-state.js';
import type { Exchange, Phase } from '../exchange.js';
import type { ModelEntry, ModelTable, Target } from '../route/models.js';
import type { AttemptPlans } from './attempt-plan.js';
import type { AttemptReports } from './attempt-reports.js';
import type { UpstreamObserver } from './call.js';
import type { TokenWatch } from './call-timeouts.js';
import type { Forwarder } from './forward.js';
import type { RetryBudget } from './retry-budget.js';

/** Chooses among the targets of an entry. */
export interface TargetChooser {
  /**
   * @param tried `Target.index` of those that are not to be chosen.
   * @param nowMs shared (core/clock.ts).
   * @returns null: none is left that may be asked; never where none was tried.
   */
  choose(
    entry: ModelEntry,
    exchange: Exchange,
    tried: readonly number[],
    nowMs: number,
  ): Target | null;
  /** One that is ejected, as the last thing to try. null: each was tried, or is drained. */
  chooseEjected(
    entry: ModelEntry,
    exchange: Exchange,
    tried: readonly number[],
    nowMs: number,
  ): Target | null;
  /** One is in service and not among those. */
  hasUsable(entry: ModelEntry, tried: readonly number[], nowMs: number): boolean;
}

/** What the relay is given to hold on to: a call, or who makes calls in its place. */
export interface RelayCall {
  readonly phase: Phase;
  readonly endedIn: Phase;
  pause(): void;
  resume(): void;
  cancel(): void;
}

/** The relay, as attempts know it. */
export interface RelaySide extends UpstreamObserver {
  /** What answers the exchange from now on. */
  begin(call: RelayCall): void;
}

export interface AttemptParts {
  readonly forwarder: Forwarder;
  readonly models: ModelTable;
  readonly balancers: TargetChooser;
  readonly health: TargetHealth;
  readonly plans: AttemptPlans;
  readonly budget: RetryBudget;
  readonly reports: AttemptReports;
  /** For streams; null: a head counts as an answer. */
  readonly createWatch: (() => TokenWatch) | null;
}

/** What of an exchange hangs on its target is worked out anew. */
export function turnToTarget(exchange: Exchange, target: Target, forwarder: Forwarder): void {
  if (exchange.target === target) {
    return;
  }
  exchange.target = target;
  exchange.price = undefined;
  if (exchange.estimate !== null) {
    const modelKey = target.model ?? exchange.model ?? '';
    exchange.estimate = { ...exchange.estimate, modelKey };
  }
  if (!fitsEdit(exchange, target, forwarder)) {
    exchange.usageEdit = null;
  }
}

/** Where Weir would ask for usage, the target's provider may be asked. */
export function fitsEdit(exchange: Exchange, target: Target, forwarder: Forwarder): boolean {
  return exchange.usageEdit === null || forwarder.configOf(target.provider).asksUsage;
}

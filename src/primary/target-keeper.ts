/**
 * The primary's side of the targets' health: makes the table, logs what changes in it, and shows and changes it for
 * operators. What it does not do is decide: workers and checks do, each by itself.
 */
import type { WeirConfig } from '../config/model.js';
import { BOUNDS } from '../core/bounds.js';
import { nowMs, toSharedMs } from '../core/clock.js';
import { CLOSED, HALF_OPEN, isTrialDue, OPEN, REASON, type Reason } from '../health/breaker.js';
import { carryOver, matchTargets } from '../health/carry-over.js';
import { type HealthPlan, planHealth } from '../health/plan.js';
import { createHealthBuffer, HealthTable } from '../health/table.js';
import type { Logger } from '../observe/logger.js';
import type { TargetSample } from '../observe/target-metrics.js';
import { describeTarget, type TargetView } from './target-view.js';

/** In the order of the metric's values. */
export const STATE_NAMES = ['closed', 'half-open', 'open', 'drained'] as const;
export type StateName = (typeof STATE_NAMES)[number];
const DRAINED = 3;
/** A step takes a fraction of a microsecond: that so many looks in a row fall between two is no chance. */
const MEND_LOOKS = 5;

const REASON_TEXTS: Readonly<Record<Reason, string>> = {
  [REASON.none]: 'it has not failed yet',
  [REASON.failures]: 'failures in a row',
  [REASON.rate]: 'too large a share of its requests failed',
  [REASON.checkFailed]: 'health checks failed',
  [REASON.trialFailed]: 'its trial failed',
  [REASON.trialWell]: 'its trial went well',
  [REASON.checkWell]: 'a health check went well',
  [REASON.throttled]: 'it answered its trial, though it throttles',
};

/** Which targets an operator means: all of a provider's, or those of one model. */
export interface TargetChoice {
  readonly model: string | null;
  readonly provider: string;
}

export interface DrainResult {
  readonly changed: number;
  /** Targets that were so already. */
  readonly unchanged: number;
  /** Models of which no target takes requests any more, or did before. */
  readonly unserved: readonly string[];
}

type TargetConfigs = Pick<WeirConfig, 'models' | 'providers' | 'workers'>;

/** The targets of a configuration that is not in force yet. */
export interface PlannedTargets {
  readonly config: TargetConfigs;
  readonly plan: HealthPlan;
  readonly buffer: SharedArrayBuffer;
}

export class TargetKeeper {
  buffer: SharedArrayBuffer;
  plan: HealthPlan;
  table: HealthTable;
  #config: TargetConfigs;
  readonly #logger: Logger;
  readonly #now: () => number;
  /** By target: what was logged last. */
  #seen: number[];
  /** By group: at how many looks in a row its count was too high. */
  #wrongLooks: number[];
  #timer: NodeJS.Timeout | null = null;

  /** @param now shared milliseconds. */
  constructor(config: TargetConfigs, logger: Logger, now: () => number = sharedNowMs) {
    this.#config = config;
    this.plan = planHealth(config);
    this.buffer = createHealthBuffer(this.plan, now());
    this.table = new HealthTable(this.buffer, this.plan, config.workers);
    this.#logger = logger;
    this.#now = now;
    this.#seen = this.plan.targets.map(() => 0);
    this.#wrongLooks = this.plan.groups.map(() => 0);
  }

  prepare(config: TargetConfigs): PlannedTargets {
    const plan = planHealth(config);
    return { config, plan, buffer: createHealthBuffer(plan, this.table.epochMs) };
  }

  /** Just before the workers turn to it: what is known of a target goes with it. */
  adopt({ config, plan, buffer }: PlannedTargets): void {
    this.look();
    const continued = matchTargets(this.plan, this.#config, plan, config);
    carryOver(this, { plan, buffer }, continued);
    const seen = plan.targets.map(() => 0);
    for (const { from, to } of continued) seen[to] = this.#seen[from] ?? 0;
    this.#config = config;
    this.plan = plan;
    this.buffer = buffer;
    this.table = new HealthTable(buffer, plan, config.workers);
    this.#seen = seen;
    this.#wrongLooks = plan.groups.map(() => 0);
  }

  startLooking(): void {
    this.#timer = setInterval(() => this.look(), BOUNDS.targetLookMs).unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Logs every target whose state is another than at the last look. */
  look(): void {
    const atMs = this.#now();
    this.plan.targets.forEach((target, index) => {
      const state = this.readState(index, atMs);
      const before = this.#seen[index] ?? 0;
      if (state === before) return;
      this.#seen[index] = state;
      const from = STATE_NAMES[before];
      const to = STATE_NAMES[state];
      const { model, provider, providerModel } = target;
      const why = this.#explain(index, before, state);
      const line = { model, provider, provider_model: providerModel, from, to, why };
      if (state === OPEN) {
        const ejected_ms = this.view(index, atMs).ejected_ms;
        this.#logger.warn({ ...line, ejected_ms }, 'target ejected');
      } else this.#logger.info(line, 'target changed');
    });
    this.#mendCounts();
  }

  /** As the metric counts: an ejected target whose time is over is half-open, though nobody has tried it yet. */
  readState(index: number, atMs: number): number {
    const { state, isDrained, momentMs } = this.table.peek(index);
    if (isDrained) return DRAINED;
    const isOver = state === OPEN && isTrialDue(state, momentMs, atMs - this.table.epochMs);
    return isOver ? HALF_OPEN : state;
  }

  view(index: number, atMs: number): TargetView {
    return describeTarget(this.table, index, atMs, (reason) => REASON_TEXTS[reason]);
  }

  /** @returns `max` targets of the chosen ones from `skip` on, and how many there are. */
  list(
    model: string | null,
    provider: string | null,
    skip: number,
    max: number,
  ): { readonly targets: readonly TargetView[]; readonly total: number } {
    const atMs = this.#now();
    const chosen = this.#choose(model, provider);
    const targets = chosen.slice(skip, skip + max).map((index) => this.view(index, atMs));
    return { targets, total: chosen.length };
  }

  has(model: string | null, provider: string | null): boolean {
    return this.#choose(model, provider).length > 0;
  }

  get models(): string[] {
    return [...new Set(this.plan.targets.map((target) => target.model))];
  }

  get providers(): string[] {
    return [...new Set(this.plan.targets.map((target) => target.provider))];
  }

  setDrained({ model, provider }: TargetChoice, isDrained: boolean): DrainResult {
    const chosen = this.#choose(model, provider);
    const changed = chosen.filter((index) => this.table.setDrained(index, isDrained)).length;
    this.look();
    return { changed, unchanged: chosen.length - changed, unserved: this.#findUnserved() };
  }

  readSamples(): TargetSample[] {
    const atMs = this.#now();
    return this.plan.targets.map(({ model, provider }, index) => ({
      model,
      provider,
      state: this.readState(index, atMs),
      ejections: this.table.ejectionsTotal(index),
    }));
  }

  #choose(model: string | null, provider: string | null): number[] {
    return this.plan.targets.flatMap((target, index) => {
      const isMeant =
        (model === null || target.model === model) &&
        (provider === null || target.provider === provider);
      return isMeant ? index : [];
    });
  }

  #findUnserved(): string[] {
    const served = new Set<string>();
    this.plan.targets.forEach(({ model }, index) => {
      if (!this.table.peek(index).isDrained) served.add(model);
    });
    return this.models.filter((model) => !served.has(model));
  }

  #explain(index: number, before: number, state: number): string {
    if (state === DRAINED) return 'an operator drained it';
    if (before === DRAINED) return 'an operator restored it';
    const { reason } = this.table.peek(index);
    return state === HALF_OPEN ? 'the time of its ejection is over' : REASON_TEXTS[reason];
  }

  /** A count that is too high once belongs to a thread between its two steps; again and again, to one that died there. */
  #mendCounts(): void {
    const { places } = this.table;
    this.plan.groups.forEach((members, group) => {
      const counted = places.count(group);
      const actual = members.filter((index) => this.table.peek(index).state !== CLOSED).length;
      const looks = counted > actual ? (this.#wrongLooks[group] ?? 0) + 1 : 0;
      this.#wrongLooks[group] = looks % MEND_LOOKS;
      if (looks === MEND_LOOKS) places.mend(group, counted, actual);
    });
  }
}

function sharedNowMs(): number {
  return toSharedMs(nowMs());
}

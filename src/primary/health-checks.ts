/**
 * Active checks: asks each provider that is configured so, again and again, whether it is well, once for all workers.
 * What comes of it goes into the table of targets, where workers see it at once.
 */
import type { HealthCheckConfig, ProviderConfig } from '../config/model.js';
import { BOUNDS } from '../core/bounds.js';
import type { HealthTable } from '../health/table.js';
import type { Logger } from '../observe/logger.js';

export interface CheckResult {
  readonly outcome: 'well' | 'failed' | 'throttled' | 'unclear';
  /** For the log. */
  readonly detail: string;
  /** How long the provider wants to be left alone; -1: it did not say. */
  readonly retryAfterMs: number;
}

/** What asks one provider; upstream/probe.ts. */
export interface CheckProber {
  /** Never rejects. */
  probe(): Promise<CheckResult>;
  close(): void;
}

export interface HealthChecksOptions {
  readonly providers: readonly ProviderConfig[];
  readonly openProber: (provider: ProviderConfig, check: HealthCheckConfig) => CheckProber;
  readonly table: HealthTable;
  readonly logger: Logger;
  /** Shared milliseconds. */
  readonly now: () => number;
  /** From 0 to below 1. */
  readonly random?: () => number;
}

/** Checks come up to a tenth earlier or later, so that those of many gateways do not fall together. */
const JITTER = 0.1;
/** A timer of Node's that is told to wait for longer does not wait at all. */
const TIMER_MS_MAX = 2 ** 31 - 1;

interface Checked {
  readonly name: string;
  readonly check: HealthCheckConfig;
  readonly prober: CheckProber;
  targets: readonly number[];
  /** Failed checks in a row that make the provider count as failed. */
  readonly failuresMax: number;
  failuresInRow: number;
  last: CheckResult['outcome'] | null;
  timer: NodeJS.Timeout | null;
  isClosed: boolean;
}

export class HealthChecks {
  readonly #options: HealthChecksOptions;
  #checked: readonly Checked[];
  #table: HealthTable;
  readonly #waiting: Checked[] = [];
  #running = 0;
  #isStopped = false;

  constructor(options: HealthChecksOptions) {
    this.#options = options;
    this.#table = options.table;
    this.#checked = options.providers.flatMap((provider) => this.#open(provider) ?? []);
  }

  /** The first checks are spread over a whole period. */
  start(): void {
    for (const checked of this.#checked) {
      this.#schedule(checked, checked.check.everyMs * this.#random());
    }
  }

  stop(): void {
    this.#isStopped = true;
    this.#waiting.length = 0;
    for (const checked of this.#checked) close(checked);
  }

  /**
   * Turns to a changed configuration. Checks of providers that stay as they are go on in their rhythm.
   * @param changed names of providers that are other than before, or were not there.
   */
  adopt(
    providers: readonly ProviderConfig[],
    changed: ReadonlySet<string>,
    table: HealthTable,
  ): void {
    const before = new Map(this.#checked.map((checked) => [checked.name, checked]));
    this.#table = table;
    this.#checked = providers.flatMap((provider) => {
      const known = changed.has(provider.name) ? undefined : before.get(provider.name);
      if (known === undefined) {
        const opened = this.#open(provider);
        if (opened !== null) this.#schedule(opened, opened.check.everyMs * this.#random());
        return opened ?? [];
      }
      before.delete(provider.name);
      known.targets = findTargets(table, provider.name);
      return known;
    });
    for (const gone of before.values()) close(gone);
  }

  #open(provider: ProviderConfig): Checked | null {
    const { name, health, breaker } = provider;
    if (health === null) return null;
    return {
      name,
      check: health,
      prober: this.#options.openProber(provider, health),
      targets: findTargets(this.#table, name),
      failuresMax: breaker?.failures ?? Number.POSITIVE_INFINITY,
      failuresInRow: 0,
      last: null,
      timer: null,
      isClosed: false,
    };
  }

  #random(): number {
    return (this.#options.random ?? Math.random)();
  }

  #schedule(checked: Checked, delayMs: number): void {
    checked.timer = setTimeout(
      () => {
        if (this.#running < BOUNDS.healthChecksMax) void this.#run(checked);
        else this.#waiting.push(checked);
      },
      Math.min(delayMs, TIMER_MS_MAX),
    ).unref();
  }

  async #run(checked: Checked): Promise<void> {
    this.#running += 1;
    const result = await checked.prober.probe();
    this.#running -= 1;
    if (this.#isStopped) return;
    if (!checked.isClosed) {
      this.#take(checked, result);
      const usualMs = checked.check.everyMs * (1 - JITTER + 2 * JITTER * this.#random());
      // What a provider asks of callers holds for its checks too.
      this.#schedule(checked, Math.max(usualMs, result.retryAfterMs));
    }
    let next = this.#waiting.shift();
    while (next?.isClosed === true) next = this.#waiting.shift();
    if (next !== undefined) void this.#run(next);
  }

  #take(checked: Checked, { outcome, detail, retryAfterMs }: CheckResult): void {
    const { logger } = this.#options;
    const table = this.#table;
    const nowMs = this.#options.now();
    const { check, targets } = checked;
    if (outcome !== checked.last) {
      const fields = { provider: checked.name, outcome, detail };
      if (outcome !== 'well') logger.warn(fields, 'a health check did not go well');
      else if (checked.last !== null) logger.info(fields, 'health checks go well again');
      checked.last = outcome;
    }
    checked.failuresInRow = outcome === 'failed' ? checked.failuresInRow + 1 : 0;
    if (outcome === 'well') {
      for (const index of targets) table.noteCheckWell(index, nowMs, check.model !== null);
    } else if (outcome === 'throttled') {
      const untilMs = retryAfterMs < 0 ? 0 : nowMs + retryAfterMs;
      for (const index of targets) table.noteThrottled(index, nowMs, untilMs);
    } else if (checked.failuresInRow >= checked.failuresMax) {
      // Callers need not try what the next check will.
      const holdMs = Math.max(check.everyMs * (1 + JITTER), retryAfterMs) + check.timeoutMs;
      for (const index of targets) table.noteCheckFailed(index, nowMs, holdMs);
    }
  }
}

function close(checked: Checked): void {
  checked.isClosed = true;
  if (checked.timer !== null) clearTimeout(checked.timer);
  checked.prober.close();
}

function findTargets(table: HealthTable, provider: string): number[] {
  return table.plan.targets.flatMap((target, index) => (target.provider === provider ? index : []));
}

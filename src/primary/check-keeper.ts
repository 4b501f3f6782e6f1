/** Health checks, from the first configuration that asks for any on. */
import type { ProviderConfig } from '../config/model.js';
import { readTlsFiles } from '../config/pem-files.js';
import { nowMs, toSharedMs } from '../core/clock.js';
import type { HealthTable } from '../health/table.js';
import type { Logger } from '../observe/logger.js';
import { HealthChecks } from './health-checks.js';

export class CheckKeeper {
  readonly #logger: Logger;
  #checks: Promise<HealthChecks> | null = null;
  #isStopped = false;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** @param changed names of providers that are new or other. */
  async adopt(
    providers: readonly ProviderConfig[],
    changed: ReadonlySet<string>,
    table: HealthTable,
  ): Promise<void> {
    if (this.#checks === null && providers.every(({ health }) => health === null)) return;
    this.#checks ??= this.#open(table);
    const checks = await this.#checks;
    if (!this.#isStopped) checks.adopt(providers, changed, table);
  }

  stop(): void {
    this.#isStopped = true;
    void this.#checks?.then((checks) => checks.stop());
  }

  /** What talks to providers is loaded only where the primary has to. */
  async #open(table: HealthTable): Promise<HealthChecks> {
    const { Prober } = await import('../upstream/probe.js');
    return new HealthChecks({
      providers: [],
      openProber: (provider, check) => new Prober(provider, check, readTlsFiles(provider)),
      table,
      logger: this.#logger,
      now: () => toSharedMs(nowMs()),
    });
  }
}

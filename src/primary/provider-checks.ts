/** Begins the active checks of providers. What talks to providers is loaded only where the primary has to. */
import type { ProviderConfig } from '../config/model.js';
import { readTlsFiles } from '../config/pem-files.js';
import { nowMs, toSharedMs } from '../core/clock.js';
import type { HealthTable } from '../health/table.js';
import type { Logger } from '../observe/logger.js';
import { HealthChecks } from './health-checks.js';

/** @returns null where none is configured. */
export async function startProviderChecks(
  providers: readonly ProviderConfig[],
  table: HealthTable,
  logger: Logger,
): Promise<HealthChecks | null> {
  if (providers.every(({ health }) => health === null)) return null;
  const { Prober } = await import('../upstream/probe.js');
  const checks = new HealthChecks({
    providers,
    openProber: (provider, check) => new Prober(provider, check, readTlsFiles(provider)),
    table,
    logger,
    now: () => toSharedMs(nowMs()),
  });
  checks.start();
  return checks;
}

/** What of a configuration all workers share: prices, files, and the memory that they count, limit and judge in. */
import { loadPriceCatalog, type PriceCatalog } from '../admit/price-catalog.js';
import type { WeirConfig } from '../config/model.js';
import { readTlsFiles } from '../config/pem-files.js';
import { wallClockMs } from '../core/clock.js';
import type { UsageKeeper } from '../usage/keeper.js';
import type { GenerationStart } from '../worker/messages.js';
import type { LimitKeeper } from './limit-keeper.js';
import type { PlannedGeneration } from './reload.js';
import type { TargetKeeper } from './target-keeper.js';
import type { TargetPlaces } from './target-places.js';

/** What the primary keeps from one configuration to the next. */
export interface Kept {
  readonly limits: LimitKeeper;
  readonly targets: TargetKeeper;
  readonly places: TargetPlaces;
  readonly counters: SharedArrayBuffer;
  readonly targetLoad: SharedArrayBuffer;
  /** null: no usage records are written. */
  readonly usage: UsageKeeper | null;
}

/** Of the configuration that the kept things were made for. */
export async function startFirst(config: WeirConfig, kept: Kept): Promise<GenerationStart> {
  const { limits, targets, places, counters, targetLoad } = kept;
  return {
    number: 1,
    config,
    prices: await loadPrices(config),
    tls: config.providers.map(readTlsFiles),
    counters,
    targetLoad,
    places: places.place(config),
    health: targets.buffer,
    ...limits.memory,
  };
}

/**
 * Of one that is to follow. Nothing of what is in force changes before it is adopted.
 * @param onAdopt called with the names of providers that are new or other.
 * @throws OperatorError where there is no room for it, or a file can't be read.
 */
export async function planNext(
  config: WeirConfig,
  number: number,
  { limits, targets, places, counters, targetLoad }: Kept,
  onAdopt: (changed: ReadonlySet<string>) => void,
): Promise<PlannedGeneration> {
  const prices = await loadPrices(config);
  const tls = config.providers.map(readTlsFiles);
  const counted = places.place(config);
  const plannedTargets = targets.prepare(config);
  // The last, because what it takes has to be given back.
  const plannedLimits = limits.prepare(config);
  const { limits: rows, limitPlaces, callerLimits } = plannedLimits;
  const start: GenerationStart = {
    number,
    config,
    prices,
    tls,
    counters,
    targetLoad,
    places: counted,
    health: plannedTargets.buffer,
    limits: rows,
    limitPlaces,
    callerLimits,
  };
  return {
    start,
    discard: () => limits.discard(plannedLimits),
    adopt: (changed) => {
      limits.adopt(plannedLimits, number);
      targets.adopt(plannedTargets);
      onAdopt(changed);
    },
  };
}

/** Where nobody's use is counted, and no target chosen by its price, the list need not be read. */
async function loadPrices(config: WeirConfig): Promise<PriceCatalog> {
  const isAskedFor =
    config.consumers !== null ||
    config.usage !== null ||
    config.models.some(({ balance }) => balance === 'lowest-cost');
  return isAskedFor ? loadPriceCatalog(config, wallClockMs()) : {};
}

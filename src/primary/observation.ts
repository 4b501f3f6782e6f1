/** What operators see of a server: the admin port with health, metrics and the API, made of the primary's parts. */
import type { WeirConfig } from '../config/model.js';
import { readCounters } from '../observe/counters.js';
import type { HistogramStore } from '../observe/histograms.js';
import type { LogSink } from '../observe/log-sink.js';
import { createMetrics, type MetricsSource } from '../observe/metrics.js';
import { type AdminServer, createAdminServer, type Readiness } from './admin.js';
import type { Kept } from './generation-plan.js';
import { createLimitsApi } from './limits-api.js';
import type { ReloadResult } from './reload.js';
import { createReloadApi } from './reload-api.js';
import { createTargetsApi } from './targets-api.js';
import type { WorkerSet } from './worker-set.js';

export interface ObservedParts {
  readonly config: WeirConfig;
  readonly version: string;
  readonly kept: Kept;
  readonly workers: WorkerSet;
  readonly histograms: HistogramStore;
  readonly sink: LogSink;
  readonly isReady: () => Readiness;
  readonly readReloads: MetricsSource['readReloads'];
  readonly reload: (cause: string) => Promise<ReloadResult>;
}

export function createObservation(parts: ObservedParts): AdminServer {
  const { config, histograms, workers } = parts;
  const { limits, targets, places, counters } = parts.kept;
  const metrics = createMetrics({
    readLayout: () => places.layout,
    readCounters: () => readCounters(places.layout, counters, config.workers),
    readHistograms: () => histograms.merge(),
    readLimits: () => limits.readSamples(),
    readLimitTableFull: () => limits.tableFullCount,
    readTargets: () => targets.readSamples(),
    readReloads: parts.readReloads,
    readLogLinesLost: () => parts.sink.linesLost,
    build: {
      version: parts.version,
      node: process.versions.node,
      uws: process.versions.modules,
    },
  });
  return createAdminServer({
    address: config.admin,
    isReady: parts.isReady,
    renderMetrics: async () => {
      await workers.collectHistograms((index, snapshots) => {
        for (const snapshot of snapshots) {
          histograms.takeIn(index, snapshot);
        }
      });
      return metrics.render();
    },
    api: [
      ...createLimitsApi(limits),
      ...createTargetsApi(targets),
      ...createReloadApi(parts.reload),
    ],
  });
}

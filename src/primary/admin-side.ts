/** All that operators see and ask: metrics, latencies, the exchanges to look into, the dashboard, and the port for them. */
import type { WeirConfig } from '../config/model.js';
import { readColumn, readCounters } from '../observe/counters.js';
import type { Trail } from '../observe/exchange-trail.js';
import { HistogramStore } from '../observe/histogram-store.js';
import type { Logger } from '../observe/logger.js';
import { createMetrics, type Metrics } from '../observe/metrics.js';
import type { OverloadSample } from '../observe/overload-metrics.js';
import type { ReloadSample } from '../observe/reload-metrics.js';
import { type AdminServer, createAdminServer, type Readiness } from './admin.js';
import { createDashboard, type Dashboard } from './dashboard.js';
import { createExchangesApi, ExchangeLog } from './exchange-log.js';
import type { Kept } from './generation-plan.js';
import { createLimitsApi } from './limits-api.js';
import type { ReloadResult } from './reload.js';
import { createReloadApi } from './reload-api.js';
import { createTargetsApi } from './targets-api.js';
import { TraceKeeper } from './trace-keeper.js';
import type { WorkerSet } from './worker-set.js';

export interface AdminSideHost {
  /** The one in force: a reload brings another. */
  readonly readConfig: () => WeirConfig;
  readonly version: string;
  readonly logger: Logger;
  readonly kept: Kept;
  readonly workers: WorkerSet;
  readonly isReady: () => Readiness;
  readonly readOverload: () => OverloadSample;
  readonly readReloads: () => ReloadSample;
  readonly readLogLinesLost: () => number;
  readonly reload: (cause: string) => Promise<ReloadResult>;
}

export class AdminSide {
  readonly server: AdminServer;
  readonly traces: TraceKeeper;
  readonly #host: AdminSideHost;
  readonly #histograms = new HistogramStore();
  readonly #exchanges = new ExchangeLog();
  readonly #metrics: Metrics;
  readonly #dashboard: Dashboard;

  constructor(host: AdminSideHost) {
    this.#host = host;
    this.traces = new TraceKeeper(host.version, host.logger);
    this.traces.adopt(host.readConfig(), 1);
    this.#metrics = this.#createMetrics();
    this.#dashboard = this.#createDashboard();
    const { limits, targets } = host.kept;
    const collect = (): Promise<void> => this.#collect();
    this.server = createAdminServer({
      address: host.readConfig().admin,
      token: host.readConfig().admin.token,
      isReady: host.isReady,
      renderMetrics: () => this.#metrics.render(),
      api: [
        ...createLimitsApi(limits),
        ...createTargetsApi(targets),
        ...createReloadApi(host.reload),
        ...this.#dashboard.api,
        createExchangesApi(this.#exchanges, collect),
      ],
      streams: this.#dashboard.streams,
      files: this.#dashboard.files,
    });
  }

  start(): void {
    this.#dashboard.start();
  }

  async close(): Promise<void> {
    this.#dashboard.stop();
    await Promise.all([this.server.close(), this.traces.close()]);
  }

  /** What a worker remembers of exchanges that failed or were slow. */
  onTrail(trail: Trail): void {
    this.#exchanges.take(trail);
  }

  /** A worker's thread has ended; what it measured stays, and one that takes its place adds to it. */
  retireWorker(index: number): void {
    this.#histograms.retire(index);
  }

  #collect(): Promise<void> {
    return this.#host.workers.collectHistograms((index, snapshots) => {
      for (const snapshot of snapshots) {
        this.#histograms.takeIn(index, snapshot);
      }
    });
  }

  #createMetrics(): Metrics {
    const { version, kept, readOverload, readReloads, readLogLinesLost, readConfig } = this.#host;
    const { limits, targets, places, counters, tallies, usage } = kept;
    return createMetrics({
      readLayout: () => places.layout,
      readCounters: () => readCounters(places.layout, counters, readConfig().workers),
      tally: tallies.reader,
      readConsumerNames: () => tallies.names,
      readLimits: () => limits.readSamples(),
      readLimitTableFull: () => limits.tableFullCount,
      readTargets: () => targets.readSamples(),
      readOverload,
      readReloads,
      readTraces: () => this.traces.readSample(),
      readUsage: () => usage?.readSample() ?? null,
      readLogLinesLost,
      build: { version, node: process.versions.node, uws: process.versions.modules },
    });
  }

  #createDashboard(): Dashboard {
    const { version, kept, readConfig } = this.#host;
    const { limits, targets, places, counters } = kept;
    return createDashboard({
      readSources: () => ({
        layout: places.layout,
        readCounters: () => readCounters(places.layout, counters, readConfig().workers),
        readColumn: (worker) => readColumn(places.layout, counters, worker),
        workers: readConfig().workers,
        limits,
        targets,
        readMemory: () => process.memoryUsage.rss(),
      }),
      readAbout: () => ({
        version,
        node: process.versions.node,
        consumerCount: readConfig().consumers?.length ?? 0,
      }),
      collect: () => this.#collect(),
      readHistograms: () => this.#histograms.merge(),
    });
  }
}

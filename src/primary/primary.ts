/**
 * The primary thread: brings the server up in order, watches it, and takes it down in order. Ready means that every
 * worker listens.
 */
import { randomBytes } from 'node:crypto';
import { TokenCounter } from '../admit/exact-count.js';
import { loadPriceCatalog, type PriceCatalog } from '../admit/price-catalog.js';
import { formatAddress } from '../config/address.js';
import type { ListenAddress, WeirConfig } from '../config/model.js';
import { checkTlsFiles, readTlsFiles } from '../config/pem-files.js';
import { BOUNDS } from '../core/bounds.js';
import { nowMs, toSharedMs, wallClockMs } from '../core/clock.js';
import { createCounterBuffer, createCounterLayout, readCounters } from '../observe/counters.js';
import { HistogramStore } from '../observe/histograms.js';
import { createLogMemory } from '../observe/log-batch.js';
import { LogSink } from '../observe/log-sink.js';
import { createLogger, type Logger } from '../observe/logger.js';
import { createMetrics } from '../observe/metrics.js';
import { listSecrets } from '../observe/recorder.js';
import { createRedact } from '../observe/redact.js';
import { countTargets } from '../route/models.js';
import { createTargetLoadBuffer, reclaimTargetLoad } from '../route/target-load.js';
import type { WorkerStart } from '../worker/messages.js';
import { type AcceptMode, Acceptor, chooseAcceptMode } from './acceptor.js';
import { type AdminServer, createAdminServer, type Readiness } from './admin.js';
import { widenInlining } from './compiler.js';
import { checkCertificate, probeAddress } from './endpoint.js';
import { HealthChecks } from './health-checks.js';
import { LimitKeeper } from './limit-keeper.js';
import { createLimitsApi } from './limits-api.js';
import { ResourceWatch } from './resource-watch.js';
import { TargetKeeper } from './target-keeper.js';
import { createTargetsApi } from './targets-api.js';
import { WorkerSet } from './worker-set.js';

export interface PrimaryOptions {
  readonly config: WeirConfig;
  readonly version: string;
  /** Called with the exit code when everything has ended. */
  readonly onEnded: (exitCode: number) => void;
}

export class Primary {
  readonly #config: WeirConfig;
  readonly #options: PrimaryOptions;
  readonly #sink = new LogSink();
  readonly #workers: WorkerSet;
  readonly #admin: AdminServer;
  readonly logger: Logger;
  readonly #histograms = new HistogramStore();
  readonly #layout;
  readonly #counters: SharedArrayBuffer;
  readonly #limits: LimitKeeper;
  readonly #targets: TargetKeeper;
  readonly #resources: ResourceWatch;
  #checks: HealthChecks | null = null;
  readonly #targetLoad: SharedArrayBuffer;
  readonly #tokenCounter = new TokenCounter();
  #acceptor: Acceptor | null = null;
  #readiness: Readiness = { ready: false, reason: 'starting' };
  #exitCode = 0;
  #isDraining = false;

  constructor(options: PrimaryOptions) {
    const { config } = options;
    this.#options = options;
    this.#config = config;
    this.logger = createLogger(config.log.level, this.#sink, createRedact(listSecrets(config)));
    this.#layout = createCounterLayout(config);
    this.#counters = createCounterBuffer(this.#layout, config.workers);
    this.#limits = new LimitKeeper(config, this.logger);
    this.#targets = new TargetKeeper(config, this.logger);
    this.#resources = new ResourceWatch(config, this.logger);
    this.#targetLoad = createTargetLoadBuffer(countTargets(config), config.workers);
    this.#workers = new WorkerSet({
      onLog: (lines, lineCount, onTaken) => this.#sink.writeBatch(lines, lineCount, onTaken),
      onFault: (index, message, stack) => this.#onFault(index, message, stack),
      onCountTokens: (body, model) => this.#tokenCounter.count(body, model),
      onEnded: (index) => {
        this.#limits.reclaim(index);
        this.#resources.reclaim(index);
        reclaimTargetLoad(this.#targetLoad, countTargets(config), index);
      },
      onLost: (index, exitCode) =>
        this.#onFault(index, `the thread ended with code ${exitCode}`, ''),
    });
    const metrics = createMetrics({
      layout: this.#layout,
      readCounters: () => readCounters(this.#layout, this.#counters, config.workers),
      readHistograms: () => this.#histograms.merge(),
      readLimits: () => this.#limits.readSamples(),
      readLimitTableFull: () => this.#limits.tableFullCount,
      readOverload: () => this.#resources.readSample(),
      readTargets: () => this.#targets.readSamples(),
      readLogLinesLost: () => this.#sink.linesLost,
      build: {
        version: options.version,
        node: process.versions.node,
        uws: process.versions.modules,
      },
    });
    this.#admin = createAdminServer({
      address: config.admin,
      isReady: () => this.#readiness,
      renderMetrics: async () => {
        await this.#workers.collectHistograms((index, snapshots) => {
          for (const snapshot of snapshots) {
            this.#histograms.takeIn(index, snapshot);
          }
        });
        return metrics.render();
      },
      api: [...createLimitsApi(this.#limits), ...createTargetsApi(this.#targets)],
    });
  }

  /** @throws OperatorError for whatever the operator can put right. */
  async start(): Promise<void> {
    const { config } = this.#options;
    const startedMs = nowMs();
    checkCertificate(config.listen.tls);
    for (const provider of config.providers) {
      checkTlsFiles(provider);
    }
    const mode = chooseAcceptMode(config);
    const port = await probeAddress(config.listen);
    const admin = await this.#admin.listen();
    try {
      await this.#limits.restore();
      widenInlining();
      await this.#startWorkers(mode, port, await this.#loadPrices());
      await this.#startChecks();
    } catch (error) {
      await this.#abandon();
      throw error;
    }
    this.#limits.startSaving();
    this.#targets.startLooking();
    this.#resources.start(port, (addresses) => this.#workers.tellCrowded(addresses));
    this.#warmTokenCounter();
    this.#readiness = { ready: true, reason: '' };
    for (const warning of config.warnings) {
      this.logger.warn(warning);
    }
    this.#logReady(mode, { host: config.listen.host, port }, admin, nowMs() - startedMs);
  }

  /** Lets what runs end, bounded by `drain_timeout`, then ends everything. Asked a second time it cuts at once. */
  async drain(reason: string): Promise<void> {
    if (this.#isDraining) {
      this.logger.warn({ reason }, 'asked again, not waiting any longer');
      await this.#workers.drain(0);
      return;
    }
    this.#isDraining = true;
    this.#readiness = { ready: false, reason: 'draining' };
    const { drainTimeoutMs } = this.#config;
    this.logger.info({ reason, timeout_ms: drainTimeoutMs }, 'draining');
    const watchdog = this.#startWatchdog(drainTimeoutMs + BOUNDS.watchdogMs);
    this.#checks?.stop();
    this.#acceptor?.stop();
    const cut = await this.#workers.drain(drainTimeoutMs);
    this.#acceptor?.close();
    await this.#tokenCounter.close();
    this.#targets.stop();
    this.#resources.stop();
    await this.#limits.stop();
    await this.#admin.close();
    if (cut > 0) {
      this.logger.warn({ cut }, 'exchanges were cut because drain_timeout was over');
    }
    this.logger.info('ended');
    await this.#sink.drain();
    clearTimeout(watchdog);
    this.#options.onEnded(this.#exitCode);
  }

  /** Takes back a start that failed, so that nothing is left running. */
  async #abandon(): Promise<void> {
    const watchdog = this.#startWatchdog(BOUNDS.watchdogMs);
    this.#acceptor?.stop();
    await this.#workers.drain(0);
    this.#acceptor?.close();
    await this.#admin.close();
    clearTimeout(watchdog);
  }

  #startWatchdog(ms: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.logger.fatal('the workers did not end in time; killing the process');
      this.#sink.flushSync();
      process.kill(process.pid, 'SIGKILL');
    }, ms).unref();
  }

  /** The first count would be too late otherwise. The model is one that most prompts are for. */
  #warmTokenCounter(): void {
    const limits = (this.#config.consumers ?? []).flatMap((consumer) => consumer.limits);
    if (limits.some(({ kind }) => kind !== 'requests' && kind !== 'concurrency')) {
      void this.#tokenCounter.warm(this.#config.models[0]?.name ?? '');
    }
  }

  /** Where nobody's use is counted, and no target chosen by its price, the list need not be read. */
  async #loadPrices(): Promise<PriceCatalog> {
    const isAskedFor =
      this.#config.consumers !== null ||
      this.#config.models.some(({ balance }) => balance === 'lowest-cost');
    return isAskedFor ? loadPriceCatalog(this.#config, wallClockMs()) : {};
  }

  /** What talks to providers is loaded only where the primary has to. */
  async #startChecks(): Promise<void> {
    const { providers } = this.#config;
    if (providers.every(({ health }) => health === null)) return;
    const { Prober } = await import('../upstream/probe.js');
    this.#checks = new HealthChecks({
      providers,
      openProber: (provider, check) => new Prober(provider, check, readTlsFiles(provider)),
      table: this.#targets.table,
      logger: this.logger,
      now: () => toSharedMs(nowMs()),
    });
    this.#checks.start();
  }

  async #startWorkers(mode: AcceptMode, port: number, prices: PriceCatalog): Promise<void> {
    const { config } = this.#options;
    const idPrefix = randomBytes(5).toString('hex');
    const startedWallMs = wallClockMs();
    const starts = Array.from(
      { length: config.workers },
      (_, index): WorkerStart => ({
        config,
        index,
        idPrefix,
        startedWallMs,
        counters: this.#counters,
        readings: this.#resources.buffer,
        limits: this.#limits.buffer,
        health: this.#targets.buffer,
        targetLoad: this.#targetLoad,
        log: createLogMemory(),
        prices,
        port: mode === 'acceptor' ? null : port,
      }),
    );
    const listening = await this.#workers.start(starts);
    if (mode === 'acceptor') {
      this.#acceptor = new Acceptor();
      for (const { descriptor } of listening) {
        this.#acceptor.addWorker(descriptor);
      }
      this.#acceptor.listen(config.listen.host, port);
    }
  }

  #logReady(mode: AcceptMode, listen: ListenAddress, admin: ListenAddress, startMs: number): void {
    const { config } = this.#options;
    this.logger.info(
      {
        listen: formatAddress(listen),
        admin: formatAddress(admin),
        tls: config.listen.tls !== null,
        workers: config.workers,
        accept: mode,
        providers: config.providers.map(({ name }) => name),
        models: config.models.length,
        consumers: config.consumers?.length ?? 0,
        config: config.file,
        version: this.#options.version,
        node: process.versions.node,
        pid: process.pid,
        start_ms: Math.round(startMs),
      },
      'ready',
    );
  }

  /** A defect leaves a worker in a state that nobody knows: what runs may end, then a supervisor starts anew. */
  #onFault(index: number, message: string, stack: string): void {
    this.logger.fatal({ worker: index, stack }, `worker ${index}: ${message}`);
    this.#exitCode = 1;
    if (!this.#isDraining && this.#readiness.ready) {
      void this.drain('a worker failed');
    }
  }
}

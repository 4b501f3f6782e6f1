/**
 * The primary thread: brings the server up in order, watches it, and takes it down in order. Ready means that every
 * worker listens.
 */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { TokenCounter } from '../admit/exact-count.js';
import type { WeirConfig } from '../config/model.js';
import { checkTlsFiles } from '../config/pem-files.js';
import { BOUNDS } from '../core/bounds.js';
import { nowMs, wallClockMs } from '../core/clock.js';
import { resetGauges } from '../observe/counters.js';
import { createLogMemory } from '../observe/log-batch.js';
import { LogSink } from '../observe/log-sink.js';
import { createLogger, type Logger } from '../observe/logger.js';
import { NO_RELOADS } from '../observe/reload-metrics.js';
import { reclaimTargetLoad } from '../route/target-load.js';
import { openUsageKeeper } from '../usage/keeper.js';
import { Gate } from '../worker/gate.js';
import type { WorkerStart } from '../worker/messages.js';
import { type AcceptMode, Acceptor, chooseAcceptMode } from './acceptor.js';
import type { Readiness } from './admin.js';
import { AdminSide } from './admin-side.js';
import { type CertificateKeeper, openCertificate } from './certificate-keeper.js';
import { CheckKeeper } from './check-keeper.js';
import { WatchKeeper } from './config-watch.js';
import { findPort } from './endpoint.js';
import { createKept, type Kept, planNext, startFirst } from './generation-plan.js';
import { Generations } from './generations.js';
import { HandOver } from './hand-over.js';
import { LimitKeeper } from './limit-keeper.js';
import { LivingSecrets } from './living-secrets.js';
import { countMissing } from './readiness.js';
import { sayReady } from './ready-line.js';
import { Reloader, type ReloadResult } from './reload.js';
import { logReload } from './reload-log.js';
import { ResourceWatch } from './resource-watch.js';
import type { SupervisorLink } from './supervisor-link.js';
import { TargetKeeper } from './target-keeper.js';
import { Watchdog } from './watchdog.js';
import { WorkerCare } from './worker-care.js';
import { type ListeningWorker, WorkerSet } from './worker-set.js';

export interface PrimaryOptions {
  readonly config: WeirConfig;
  /** Reads the configuration anew. @throws OperatorError with a line for each problem. */
  readonly loadConfig: () => WeirConfig;
  readonly version: string;
  /** null: this process has no supervisor. */
  readonly link: SupervisorLink | null;
  /** Called with the exit code when everything has ended. `isStuck`: but for a log line that nobody takes. */
  readonly onEnded: (exitCode: number, isStuck: boolean) => void;
}

export class Primary {
  /** The one in force. */
  #config: WeirConfig;
  readonly #options: PrimaryOptions;
  readonly #sink = new LogSink();
  readonly #workers: WorkerSet;
  readonly #adminSide: AdminSide;
  readonly logger: Logger;
  readonly #watchdog: Watchdog;
  readonly #secrets = new LivingSecrets();
  readonly #limits: LimitKeeper;
  readonly #targets: TargetKeeper;
  readonly #resources: ResourceWatch;
  /** null: the public port serves no TLS, or nothing runs yet. */
  #certificate: CertificateKeeper | null = null;
  /** What lasts from one configuration to the next. */
  readonly #kept: Kept;
  #reloader: Reloader | null = null;
  readonly #watch: WatchKeeper;
  readonly #checks: CheckKeeper;
  readonly #tokenCounter = new TokenCounter();
  readonly #care: WorkerCare;
  #acceptor: Acceptor | null = null;
  /** What the next worker of that index is started with; the one place that knows. */
  #createStart: ((index: number) => WorkerStart) | null = null;
  #readiness: Readiness = { ready: false, reason: 'starting' };
  #exitCode = 0;
  #isDraining = false;
  #isHandingOver = false;
  readonly #gateMemory = Gate.createMemory();
  readonly #gate = new Gate(this.#gateMemory);
  /** null: there is no supervisor, so nobody to hand over to or to take over from. */
  readonly handOver: HandOver | null;

  constructor(options: PrimaryOptions) {
    const { config } = options;
    this.#options = options;
    this.#config = config;
    this.#secrets.add(1, config);
    this.logger = createLogger(config.log.level, this.#sink, this.#secrets.redact);
    this.#watchdog = new Watchdog(this.logger, this.#sink);
    this.#limits = new LimitKeeper(config, this.logger);
    this.#targets = new TargetKeeper(config, this.logger);
    this.#resources = new ResourceWatch(config, this.logger);
    this.#checks = new CheckKeeper(this.logger);
    this.#watch = new WatchKeeper(this.logger, () => void this.reload('the file has changed'));
    const limits = this.#limits;
    const usage = openUsageKeeper(config.usage, options.version, this.logger);
    this.#kept = createKept(config, { limits, targets: this.#targets, usage });
    const { places, counters, targetLoad } = this.#kept;
    this.#workers = new WorkerSet({
      onLog: (lines, lineCount, onTaken) => this.#sink.writeBatch(lines, lineCount, onTaken),
      onTrail: (trail) => this.#adminSide.onTrail(trail),
      onTraces: (message, onTaken) => this.#adminSide.traces.take(message, onTaken),
      onFault: (index, message, stack, isContained) =>
        this.#onFault(index, message, stack, isContained),
      onReserve: async (ask) => (await this.handOver?.reserve(ask)) ?? null,
      onSettled: (changes) => this.handOver?.settle(changes),
      onCountTokens: (body, model) => this.#tokenCounter.count(body, model),
      onWarning: (worker, message) => this.logger.warn({ worker }, message),
      onCertificateRefused: (index, problem) => this.#certificate?.onRefused(index, problem),
      onEnded: (index) => {
        this.#limits.reclaim(index);
        this.#resources.reclaim(index);
        reclaimTargetLoad(targetLoad, places.targetsMax, index);
        resetGauges(places.layout, counters, index);
        this.#adminSide.retireWorker(index);
        this.#reloader?.onWorkerEnded(index);
      },
      onGeneration: (index, report) => this.#reloader?.onReport(index, report),
      onLost: (index, exitCode) =>
        this.#onFault(index, `the thread ended with code ${exitCode}`, '', false),
    });
    this.#care = new WorkerCare({
      logger: this.logger,
      takeOff: (index) => this.#acceptor?.removeWorker(index),
      retire: (index) => this.#workers.retire(index),
      start: (index) => this.#startWorker(index),
      putOn: (index, { descriptor }) => this.#acceptor?.addWorker(index, descriptor),
      giveUp: (reason) => this.#fail(reason),
      abandon: (reason) => void this.#die(reason),
    });
    const { link } = options;
    const giving = { limits, workers: this.#workers, gate: this.#gate, logger: this.logger };
    this.handOver = link === null ? null : new HandOver({ link, ...giving });
    this.#adminSide = new AdminSide({
      readConfig: () => this.#config,
      version: options.version,
      logger: this.logger,
      kept: this.#kept,
      workers: this.#workers,
      isReady: () => countMissing(this.#readiness, this.#care.missing, this.#config.workers),
      readOverload: () => this.#resources.readSample(),
      readReloads: () => this.#reloader?.readSample() ?? NO_RELOADS,
      readLogLinesLost: () => this.#sink.linesLost,
      reload: (cause) => this.reload(cause),
    });
  }

  /** @throws OperatorError for whatever the operator can put right. */
  async start(): Promise<void> {
    const { config, link } = this.#options;
    const startedMs = nowMs();
    this.#certificate = openCertificate(config.listen.tls, this.logger, this.#workers);
    for (const provider of config.providers) checkTlsFiles(provider);
    const mode = chooseAcceptMode(config);
    const port = await findPort(config.listen, link?.inheritance ?? null);
    const admin = await (link?.listenAdmin(config.admin) ?? this.#adminSide.server.listen());
    try {
      const isSuccessor = link?.inheritance.isSuccessor === true;
      if (!isSuccessor) {
        await this.#limits.restore();
        this.#gate.open();
      }
      await this.#startWorkers(mode, port);
      await this.#checks.adopt(config.providers, new Set(), this.#targets.table);
      if (isSuccessor) {
        await this.handOver?.take();
        this.#gate.open();
      }
    } catch (error) {
      await this.#abandon();
      throw error;
    }
    this.#limits.startSaving();
    this.#kept.usage?.start();
    this.#targets.startLooking();
    this.#resources.start(port, (addresses) => this.#workers.tellCrowded(addresses));
    this.#certificate?.start();
    this.#adminSide.start();
    void this.#tokenCounter.warmFor(config);
    this.#watch.follow(config);
    this.#readiness = { ready: true, reason: '' };
    const { host, port: asked } = config.listen;
    link?.send({ kind: 'ready', listen: { host, port: asked, boundPort: port } });
    this.#logWarnings();
    sayReady(this.logger, {
      config,
      version: this.#options.version,
      mode,
      listen: { host, port },
      admin,
      startMs: nowMs() - startedMs,
      isSupervised: link !== null,
    });
  }

  /** Reads the configuration anew and turns to it; what is wrong with it is in the result and in the log. */
  reload(cause: string): Promise<ReloadResult> {
    if (this.#reloader !== null) return this.#reloader.request(cause);
    const problems = [this.#readiness.reason];
    return Promise.resolve({ outcome: 'busy', generation: 0, problems });
  }

  /** Lets what runs end, bounded by `drain_timeout`, then ends everything. Asked a second time it cuts at once. */
  async drain(reason: string): Promise<void> {
    const { drainTimeoutMs } = this.#config;
    if (this.#isHandingOver) {
      this.#isHandingOver = false;
      this.logger.info({ reason, timeout_ms: drainTimeoutMs }, 'draining');
      await this.#workers.drain(drainTimeoutMs);
      return;
    }
    if (this.#isDraining) {
      this.logger.warn({ reason }, 'asked again, not waiting any longer');
      await this.#workers.drain(0);
      return;
    }
    this.#isDraining = true;
    this.logger.info({ reason, timeout_ms: drainTimeoutMs }, 'draining');
    const watchdog = this.#watchdog.start(drainTimeoutMs + BOUNDS.watchdogMs);
    this.#stopAccepting('draining');
    const cut = await this.#workers.drain(drainTimeoutMs);
    const isClean = await this.#end(cut);
    clearTimeout(watchdog);
    this.#options.onEnded(this.#exitCode, !isClean);
  }

  /** Another server takes over: it gets the buckets, and what runs may end, bounded by `upgrade_drain_timeout`. */
  async giveOver(): Promise<void> {
    const { handOver } = this;
    if (handOver === null || this.#isDraining) return;
    this.#isDraining = true;
    this.#isHandingOver = true;
    const { upgradeDrainTimeoutMs } = this.#config;
    this.logger.info({ timeout_ms: upgradeDrainTimeoutMs }, 'handing over to another server');
    const watchdog = this.#watchdog.start(upgradeDrainTimeoutMs + BOUNDS.watchdogMs);
    this.#stopAccepting('another server has taken over');
    await handOver.give();
    const cut = await this.#workers.drain(upgradeDrainTimeoutMs, BOUNDS.upgradeLingerMs);
    handOver.finish();
    const isClean = await this.#end(cut);
    clearTimeout(watchdog);
    this.#options.onEnded(this.#exitCode, !isClean);
  }

  #stopAccepting(reason: string): void {
    this.#readiness = { ready: false, reason };
    this.#watch.stop();
    this.#certificate?.stop();
    this.#checks.stop();
    this.#care.stop();
    this.#acceptor?.stop();
  }

  /** All workers have ended, and `cut` exchanges with them. @returns false where it can't end by itself. */
  async #end(cut: number): Promise<boolean> {
    this.#acceptor?.close();
    await this.#tokenCounter.close();
    this.#targets.stop();
    this.#resources.stop();
    await Promise.all([this.#limits.stop(), this.#kept.usage?.stop()]);
    await this.#adminSide.close();
    if (cut > 0) {
      this.logger.warn({ cut }, 'exchanges were cut because the time for draining was over');
    }
    this.logger.info('ended');
    return this.#sink.finish();
  }

  /** One that the supervisor accepted on the admin port. */
  takeAdminConnection(socket: Socket): void {
    this.#adminSide.server.take(socket);
  }

  /** Takes back a start that failed, so that nothing is left running. */
  async #abandon(): Promise<void> {
    const watchdog = this.#watchdog.start(BOUNDS.watchdogMs);
    this.#gate.open();
    this.#acceptor?.stop();
    await this.#workers.drain(0);
    this.#acceptor?.close();
    await this.#adminSide.close();
    clearTimeout(watchdog);
  }

  async #startWorkers(mode: AcceptMode, port: number): Promise<void> {
    const { config, link } = this.#options;
    const first = await startFirst(config, this.#kept);
    const indexes = Array.from({ length: config.workers }, (_, index) => index);
    const generations = new Generations(first, indexes, (oldest) => {
      this.#limits.retire(oldest);
      this.#secrets.retire(oldest);
    });
    this.#reloader = this.#createReloader(generations);
    const startedWallMs = wallClockMs();
    this.#createStart = (index) => ({
      index,
      // A worker that takes another's place counts its exchanges from the beginning, so its ids begin otherwise.
      idPrefix: randomBytes(5).toString('hex'),
      startedWallMs,
      readings: this.#resources.buffer,
      log: createLogMemory(),
      usage: this.#kept.usage?.openRing(index) ?? null,
      port: mode === 'acceptor' ? null : port,
      gate: this.#gateMemory,
      isHeld: link?.inheritance.isSuccessor === true,
      inForce: generations.inForce,
      generation: generations.current,
    });
    const listening = await Promise.all(indexes.map((index) => this.#startWorker(index)));
    if (mode === 'acceptor') {
      const acceptor = new Acceptor();
      this.#acceptor = acceptor;
      listening.forEach(({ descriptor }, index) => {
        acceptor.addWorker(index, descriptor);
      });
      acceptor.listen(config.listen.host, port);
    }
  }

  #createReloader(generations: Generations): Reloader {
    const workers = this.#workers;
    return new Reloader({
      generations,
      load: () => {
        this.#certificate?.demand();
        return this.#options.loadConfig();
      },
      refuse: () => (this.#readiness.ready ? null : `the server is ${this.#readiness.reason}`),
      plan: (config, number) =>
        planNext(config, number, this.#kept, (changed) => this.#adopt(config, number, changed)),
      livingWorkers: () => workers.living,
      prepare: (start) => workers.prepare(start),
      discard: (number) => workers.tellAll({ kind: 'discard', number }),
      turn: () => workers.tellAll({ kind: 'turn' }),
      onOutcome: (cause, result, tookMs) => logReload(this.logger, cause, result, tookMs),
    });
  }

  /** What of the primary follows from the configuration, and is not in what is kept. */
  #adopt(config: WeirConfig, number: number, changed: ReadonlySet<string>): void {
    this.#config = config;
    this.#secrets.add(number, config);
    this.logger.level = config.log.level;
    this.#resources.adopt(config);
    this.#adminSide.traces.adopt(config, number);
    this.#logWarnings();
    void this.#tokenCounter.warmFor(config);
    this.#watch.follow(config);
    void this.#checks.adopt(config.providers, changed, this.#targets.table);
  }

  #logWarnings(): void {
    for (const warning of this.#config.warnings) this.logger.warn(warning);
  }

  #startWorker(index: number): Promise<ListeningWorker> {
    if (this.#createStart === null) throw new Error('workers are started with the server');
    return this.#workers.start(this.#createStart(index));
  }

  #onFault(index: number, message: string, stack: string, isContained: boolean): void {
    this.logger.error({ worker: index, stack }, `worker ${index}: ${message}`);
    if (!isContained && this.#readiness.ready) {
      this.#care.onFailed(index);
    }
  }

  /** What runs may end; then a supervisor starts anew. */
  #fail(reason: string): void {
    this.logger.fatal(reason);
    this.#exitCode = 1;
    if (!this.#isDraining) {
      void this.drain(reason);
    }
  }

  /** Whoever does not answer any more can't be waited for: what the limits know is saved, and the process ends as it is. */
  async #die(reason: string): Promise<void> {
    this.logger.fatal(reason);
    const watchdog = this.#watchdog.start(BOUNDS.watchdogMs);
    await Promise.all([this.#limits.stop(), this.#kept.usage?.stop()]);
    clearTimeout(watchdog);
    this.#sink.flushSync();
    process.kill(process.pid, 'SIGKILL');
  }
}

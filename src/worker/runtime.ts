/** Builds what one worker runs exchanges with, from the configuration, and is the relays' host. */
import { Admission } from '../admit/admission.js';
import { Estimator } from '../admit/estimate.js';
import { TokenCountClient } from '../admit/exact-count-client.js';
import { dropLimitLines } from '../admit/limit-lines.js';
import { createPriceList, type PriceList } from '../admit/prices.js';
import { createKeyTable } from '../authenticate/keys.js';
import { readTlsFiles } from '../config/pem-files.js';
import { BOUNDS } from '../core/bounds.js';
import { wallClockMs } from '../core/clock.js';
import { Deadlines } from '../core/deadlines.js';
import type { GatewayError } from '../core/errors.js';
import { DIALECTS, mayNameModel } from '../dialects/registry.js';
import type { Exchange } from '../exchange.js';
import { planHealth } from '../health/plan.js';
import { HealthTable } from '../health/table.js';
import { BodyInspector } from '../inspect/body.js';
import { ByteBudget } from '../inspect/budget.js';
import { encodeJsonString } from '../inspect/json-token.js';
import { Ledger } from '../limits/ledger.js';
import { planLimits } from '../limits/plan.js';
import { LimitTable } from '../limits/table.js';
import { createAccessLine } from '../observe/access-line.js';
import { attemptSlot, CounterColumn, createCounterLayout } from '../observe/counters.js';
import { WorkerHistograms } from '../observe/histograms.js';
import { LogBatch } from '../observe/log-batch.js';
import { listSecrets, Recorder } from '../observe/recorder.js';
import { createRedact } from '../observe/redact.js';
import { ConnectionGate } from '../overload/connection-gate.js';
import { Gate } from '../overload/gate.js';
import { limitToMemory } from '../overload/memory-share.js';
import { Readings } from '../overload/readings.js';
import type { Stages } from '../pipeline.js';
import { FirstTokenWatch } from '../relay/first-token.js';
import { Balancers } from '../route/balancers.js';
import { ModelList } from '../route/model-list.js';
import { countTargets, ModelTable, type Target } from '../route/models.js';
import { SharedTargetLoad } from '../route/target-load.js';
import type { AttemptOutcome } from '../upstream/attempt-outcomes.js';
import type { AttemptParts } from '../upstream/attempt-parts.js';
import { AttemptPlans } from '../upstream/attempt-plan.js';
import { AttemptReports } from '../upstream/attempt-reports.js';
import { Forwarder } from '../upstream/forward.js';
import { KeptBodies } from '../upstream/kept-bodies.js';
import { Provider, type ProviderEvents, shareOfWorker } from '../upstream/provider.js';
import { formatStatus } from '../upstream/response-head.js';
import { RetryBudget } from '../upstream/retry-budget.js';
import type { ToPrimary, WorkerStart } from './messages.js';

const BASE_36 = '0123456789abcdefghijklmnopqrstuvwxyz';

export class WorkerRuntime implements Stages {
  readonly keys: Stages['keys'];
  readonly bodies: BodyInspector;
  readonly modelList: ModelList;
  readonly admission: Admission;
  readonly attempts: AttemptParts;
  readonly tokenCounts: TokenCountClient;
  readonly histograms = new WorkerHistograms();
  readonly log: LogBatch;
  readonly deadlines = new Deadlines();
  isClosing = false;
  readonly gate: Gate;
  readonly connectionGate: ConnectionGate;
  readonly #recorder: Recorder;
  readonly #providers: readonly Provider[];
  readonly #send: (message: ToPrimary) => void;
  readonly #countConnections: (delta: number) => void;
  readonly #idPrefix: string;
  #connections = 0;
  #isDraining = false;
  #lastId = 0;
  /** An id without its last digit: V8 takes long to write a whole number in base 36. */
  #idStem = '';

  constructor(start: WorkerStart, send: (message: ToPrimary) => void) {
    const { config } = start;
    const { deadlines } = this;
    const layout = createCounterLayout(config);
    const column = new CounterColumn(layout, start.counters, start.index);
    this.#send = send;
    this.#idPrefix = `${start.idPrefix}${start.index.toString(36).padStart(2, '0')}`;
    this.#countConnections = (delta) => {
      this.#connections += delta;
      this.connectionGate.setOpen(this.#connections);
      column.add(layout.fixed.connectionsOpen, delta);
      column.add(layout.fixed.connectionsTotal, Math.max(delta, 0));
    };
    this.log = new LogBatch({
      memory: start.log,
      send: (batch) => send({ kind: 'log', ...batch }),
      countDropped: () => column.add(layout.fixed.logLinesDropped, 1),
    });
    const writeLine = config.log.access
      ? createAccessLine(this.log, createRedact(listSecrets(config)))
      : null;
    this.#recorder = new Recorder(layout, column, this.histograms, writeLine);
    const readings = new Readings(start.readings);
    const limited = { ...config, index: start.index, readings };
    this.connectionGate = new ConnectionGate(limited);
    this.gate = new Gate({
      ...limited,
      priorities: (config.consumers ?? []).map(({ priority }) => priority),
      countInFlight: () => this.#recorder.inFlight,
    });
    const limitBytes = (bytesMax: number): number =>
      limitToMemory(bytesMax, readings.readProcess().memoryLimitBytes, config.workers);
    this.keys = createKeyTable(config.consumers);
    let inspectedBytes = 0;
    let keptBytes = 0;
    this.bodies = new BodyInspector(
      (heldBytes) => {
        inspectedBytes = heldBytes;
        column.set(layout.fixed.bodyBytesHeld, inspectedBytes + keptBytes);
      },
      mayNameModel,
      {
        collectedBytesMax: limitBytes(BOUNDS.bodyCollectTotalBytesMax),
        uploadingBytesMax: limitBytes(BOUNDS.streamedUploadsTotalBytesMax),
      },
    );
    const keptBodies = new ByteBudget(limitBytes(BOUNDS.keptBodiesTotalBytesMax), (heldBytes) => {
      keptBytes = heldBytes;
      column.set(layout.fixed.bodyBytesHeld, inspectedBytes + keptBytes);
    });
    const models = new ModelTable(config);
    this.modelList = new ModelList(models, start.startedWallMs);
    this.tokenCounts = new TokenCountClient(
      (request) => send({ kind: 'count-tokens', ...request }),
      deadlines,
    );
    const prices = createPriceList(config, start.prices);
    this.admission = this.#createAdmission(start, prices);
    const { workers } = config;
    const health = new HealthTable(start.health, planHealth(config), start.index);
    const load = new SharedTargetLoad(start.targetLoad, countTargets(config), workers, start.index);
    this.#providers = config.providers.map((provider) => {
      const slots = layout.providers.get(provider.name);
      const events: ProviderEvents = {
        onConnections: (delta) => column.add(slots?.connectionsOpen ?? 0, delta),
        onQueue: (delta) => column.add(slots?.queueLength ?? 0, delta),
        onQueueRefused: () => column.add(slots?.queueRejected ?? 0, 1),
      };
      const share = shareOfWorker(provider, config.workers);
      const tls = readTlsFiles(provider);
      return new Provider(provider, share, deadlines, events, { tls });
    });
    const createWatch = (): FirstTokenWatch => new FirstTokenWatch();
    const countAttempt = (target: Target, outcome: AttemptOutcome): void => {
      const route = layout.routes[target.index];
      if (route !== undefined) {
        column.add(attemptSlot(route, outcome), 1);
      }
    };
    this.attempts = {
      forwarder: new Forwarder(
        this.#providers,
        DIALECTS,
        { encodeJsonString },
        deadlines,
        createWatch,
      ),
      models,
      balancers: new Balancers(models.entries, { health, load, prices }),
      health,
      plans: new AttemptPlans(config, models.entries, deadlines),
      budget: new RetryBudget(config.retry.budgetPercent),
      bodies: new KeptBodies(keptBodies),
      reports: new AttemptReports(health, load, countAttempt),
      createWatch,
    };
  }

  #createAdmission({ config, index, limits }: WorkerStart, prices: PriceList): Admission {
    const plan = planLimits(config);
    return new Admission(
      {
        consumers: config.consumers,
        callers: config.callers,
        ledger: new Ledger(new LimitTable(limits, plan, index)),
        prices,
        estimator: new Estimator(),
        countTokens: (body, model) => this.tokenCounts.count(body, model),
      },
      plan.longestList,
    );
  }

  get inFlight(): number {
    return this.#recorder.inFlight;
  }

  /** The worker wants its connections to end: it drains, or what they hold is needed. */
  get isDraining(): boolean {
    return this.#isDraining || this.gate.closesConnections;
  }

  beginDraining(): void {
    this.#isDraining = true;
  }

  get connections(): number {
    return this.#connections;
  }

  onConnections(delta: number): void {
    this.#countConnections(delta);
  }

  /** Unique among all workers and starts: `<start><worker>-<number>`. */
  createId(): string {
    this.#lastId += 1;
    const digit = this.#lastId % 36;
    if (digit === 0 || this.#lastId === 1) {
      this.#idStem = `${this.#idPrefix}-${this.#lastId.toString(36).slice(0, -1)}`;
    }
    return this.#idStem + BASE_36[digit];
  }

  onBegun(): void {
    this.#recorder.begin();
  }

  onEnded(exchange: Exchange, endedMs: number): void {
    this.admission.settle(exchange, endedMs);
    this.#recorder.end(exchange, endedMs);
  }

  isExhausted(exchange: Exchange): boolean {
    return this.admission.isExhausted(exchange);
  }

  formatLimits(exchange: Exchange): Uint8Array | null {
    return this.admission.formatLimits(exchange);
  }

  dropLimitLines(lines: string): string {
    return dropLimitLines(lines);
  }

  formatStreamLength(exchange: Exchange): string {
    const model = exchange.model ?? '';
    return DIALECTS[exchange.dialect].formatStreamLength(model, exchange.id, wallClockMs());
  }

  formatError(exchange: Exchange, error: GatewayError): string {
    return DIALECTS[exchange.dialect].formatError(error, exchange.id);
  }

  formatStreamError(exchange: Exchange, error: GatewayError): string {
    return DIALECTS[exchange.dialect].formatStreamError(error, exchange.id);
  }

  formatStatus(status: number): string {
    return formatStatus(status);
  }

  onFault(where: Exchange | null, thrown: unknown): void {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    const message = where === null ? error.message : `${error.message} (exchange ${where.id})`;
    this.#send({ kind: 'fault', message, stack: error.stack ?? '' });
  }

  /** One snapshot after another, with a turn of the loop in between, so that none holds it up. */
  sendHistograms(request: number): void {
    const snapshots: Uint8Array[] = [];
    const next = (): void => {
      if (this.histograms.hasChanges) {
        snapshots.push(this.histograms.takeSnapshot());
        setImmediate(next);
      } else {
        this.#send({ kind: 'histograms', request, snapshots });
      }
    };
    next();
  }

  closeProviders(): void {
    this.tokenCounts.close();
    for (const provider of this.#providers) {
      provider.close();
    }
  }
}

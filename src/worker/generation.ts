/**
 * What one worker runs exchanges with, built from one configuration. A reload builds the next beside it; exchanges keep
 * the one that they began with, so it ends with the last of them. What outlives it is its worker's (runtime.ts).
 */
import { asksForAddress, ClientAddresses } from '../accept/caller-address.js';
import { Admission } from '../admit/admission.js';
import type { LimitDeputy } from '../admit/deputy.js';
import type { Estimator } from '../admit/estimate.js';
import type { TokenCountClient } from '../admit/exact-count-client.js';
import { dropLimitLines } from '../admit/limit-lines.js';
import { createPriceList, type PriceList } from '../admit/prices.js';
import { DebugGuard } from '../authenticate/debug-guard.js';
import { createKeyTable } from '../authenticate/keys.js';
import type { WeirConfig } from '../config/model.js';
import { wallClockMs } from '../core/clock.js';
import type { Deadlines } from '../core/deadlines.js';
import type { GatewayError } from '../core/errors.js';
import type { TurnRow } from '../core/turn-row.js';
import { DIALECTS } from '../dialects/registry.js';
import type { Exchange } from '../exchange.js';
import { planHealth } from '../health/plan.js';
import { HealthTable } from '../health/table.js';
import type { BodyInspector } from '../inspect/body.js';
import { encodeJsonString } from '../inspect/json-token.js';
import { Ledger } from '../limits/ledger.js';
import { planCallers, planConsumers } from '../limits/plan.js';
import { LimitTable } from '../limits/table.js';
import { createAccessLine, type LineDestination } from '../observe/access-line.js';
import { AccessSampler } from '../observe/access-sampler.js';
import { attemptSlot, type CounterColumn, createCounterLayout } from '../observe/counters.js';
import type { ExchangeTrail } from '../observe/exchange-trail.js';
import type { WorkerHistograms } from '../observe/histograms.js';
import type { RecordBatch, RecordWriter } from '../observe/record-batch.js';
import { listSecrets, Recorder } from '../observe/recorder.js';
import { createRedact } from '../observe/redact.js';
import { Tally } from '../observe/tally.js';
import { TallyLayout, viewTally } from '../observe/tally-layout.js';
import { type TraceDestination, Tracer } from '../observe/tracer.js';
import type { ExchangeGate } from '../overload/exchange-gate.js';
import type { Stages } from '../pipeline.js';
import { FirstTokenWatch } from '../relay/first-token.js';
import { Balancers } from '../route/balancers.js';
import { ModelList } from '../route/model-list.js';
import { ModelTable, type Target } from '../route/models.js';
import { SharedTargetLoad } from '../route/target-load.js';
import type { AttemptOutcome } from '../upstream/attempt-outcomes.js';
import type { AttemptParts } from '../upstream/attempt-parts.js';
import { AttemptPlans } from '../upstream/attempt-plan.js';
import { AttemptReports } from '../upstream/attempt-reports.js';
import { endAttempts } from '../upstream/direct-attempt.js';
import { Forwarder } from '../upstream/forward.js';
import { type Provider, shareOfWorker } from '../upstream/provider.js';
import { formatStatus } from '../upstream/response-head.js';
import { RetryBudget } from '../upstream/retry-budget.js';
import type { UsageRingWriter } from '../usage/ring.js';
import { UsageRecords } from '../usage/worker-records.js';
import type { GenerationStart } from './messages.js';
import type { ProviderPool } from './provider-pool.js';

/** What generations have of their worker, and share. */
export interface GenerationHost {
  readonly index: number;
  readonly startedWallMs: number;
  readonly deadlines: Deadlines;
  readonly log: LineDestination;
  readonly traces: TraceDestination;
  readonly usage: UsageRingWriter | null;
  readonly records: RecordBatch;
  readonly histograms: WorkerHistograms;
  readonly trail: ExchangeTrail;
  readonly column: CounterColumn;
  readonly bodies: BodyInspector;
  readonly row: TurnRow;
  readonly estimator: Estimator;
  readonly tokenCounts: TokenCountClient;
  readonly providers: ProviderPool;
  readonly gate: ExchangeGate;
  /** Exchanges that run, of all generations. */
  running: number;
  readonly isDraining: boolean;
  readonly isClosing: boolean;
  readonly closingReason: string;
  readonly deputy: LimitDeputy | null;
  createId(): string;
  onFault(where: Exchange | null, thrown: unknown): void;
  /** The last exchange of a generation has ended; there may be more, unless it is not in force any longer. */
  onQuiet(generation: Generation): void;
}

export class Generation implements Stages, RecordWriter {
  readonly number: number;
  readonly config: WeirConfig;
  readonly gate: ExchangeGate;
  /** Knows which addresses are trusted proxies'. */
  readonly proxies: ClientAddresses;
  /** The same, for who a request is from; null where nobody asks. */
  readonly addresses: ClientAddresses | null;
  readonly keys: Stages['keys'];
  readonly bodies: BodyInspector;
  readonly row: TurnRow;
  readonly deadlines: Deadlines;
  readonly modelList: ModelList;
  readonly admission: Admission;
  readonly attempts: AttemptParts;
  readonly #host: GenerationHost;
  readonly #recorder: Recorder;
  /** null: nothing is traced. */
  readonly #tracer: Tracer | null;
  readonly #debugGuard: DebugGuard;
  /** null: none are written. */
  readonly #usage: UsageRecords | null;
  /** Exchanges have a line, or a usage record. */
  readonly #isWritten: boolean;
  readonly #providers: readonly Provider[];

  constructor(start: GenerationStart, host: GenerationHost) {
    const { config } = start;
    const { column, deadlines } = host;
    const layout = createCounterLayout(config, start.places);
    this.#host = host;
    this.number = start.number;
    this.config = config;
    this.gate = host.gate;
    this.proxies = new ClientAddresses(config.trustedProxies);
    this.addresses = asksForAddress(config) ? this.proxies : null;
    this.bodies = host.bodies;
    this.row = host.row;
    this.deadlines = deadlines;
    const redact = createRedact(listSecrets(config));
    this.#usage = host.usage === null ? null : new UsageRecords(host.usage, redact);
    const writeLine = config.log.access
      ? createAccessLine(host.log, redact, config.log.client)
      : null;
    const tally = openTally(start, host.index);
    const { sample } = config.log;
    const sampler = sample < 1 ? new AccessSampler(sample) : null;
    const { histograms, trail } = host;
    this.#recorder = new Recorder(layout, column, histograms, writeLine, trail, tally, sampler);
    this.#isWritten = this.#recorder.hasLines || this.#usage !== null;
    this.keys = createKeyTable(config.consumers);
    const { traces } = config;
    this.#tracer = traces === null ? null : new Tracer(traces, start.number, host.traces, redact);
    this.#debugGuard = new DebugGuard([config.admin.token, config.debugToken]);
    const models = new ModelTable(config);
    this.modelList = new ModelList(models, host.startedWallMs);
    const prices = createPriceList(config, start.prices);
    this.admission = createAdmission(start, prices, host);
    const { workers } = config;
    const health = new HealthTable(start.health, planHealth(config), host.index);
    const { targets, targetsMax } = start.places;
    const load = new SharedTargetLoad(start.targetLoad, targetsMax, workers, host.index, targets);
    const countAttempt = (target: Target, outcome: AttemptOutcome): void => {
      const route = layout.routes[target.index];
      if (route !== undefined) {
        column.add(attemptSlot(route, outcome), 1);
      }
    };
    const createWatch = (): FirstTokenWatch => new FirstTokenWatch();
    this.#providers = config.providers.map((provider, at) => {
      const slots = layout.providers.get(provider.name);
      const share = shareOfWorker(provider, workers);
      return host.providers.take(
        { config: provider, share, tls: start.tls[at] ?? null },
        {
          onConnections: (delta) => column.add(slots?.connectionsOpen ?? 0, delta),
          onQueue: (delta) => column.add(slots?.queueLength ?? 0, delta),
          onQueueRefused: () => column.add(slots?.queueRejected ?? 0, 1),
          onWaited: (ms) => {
            tally.countConnection(slots?.index ?? 0, 'queue', ms);
            host.histograms.recordQueue(slots?.index ?? 0, ms * 1000);
          },
          onConnected: (ms) => {
            tally.countConnection(slots?.index ?? 0, 'connect', ms);
            host.histograms.recordConnect(slots?.index ?? 0, ms * 1000);
          },
          onReplay: () => column.add(slots?.staleReplays ?? 0, 1),
        },
      );
    });
    const patches = { encodeJsonString };
    this.attempts = {
      forwarder: new Forwarder(this.#providers, DIALECTS, patches, deadlines, createWatch),
      models,
      balancers: new Balancers(models.entries, { health, load, prices }),
      health,
      plans: new AttemptPlans(config, models.entries, deadlines),
      budget: new RetryBudget(config.retry.budgetPercent, () =>
        column.add(layout.fixed.retriesRefused, 1),
      ),
      reports: new AttemptReports(health.plan.targets.length, health, load, countAttempt),
      createWatch,
    };
  }

  get inFlight(): number {
    return this.#recorder.inFlight;
  }

  get workerInFlight(): number {
    return this.#host.running;
  }

  get isDraining(): boolean {
    return this.#host.isDraining;
  }

  get isClosing(): boolean {
    return this.#host.isClosing;
  }

  get closingReason(): string {
    return this.#host.closingReason;
  }

  createId(): string {
    return this.#host.createId();
  }

  onBegun(exchange: Exchange): void {
    this.#host.running += 1;
    this.#recorder.begin();
    this.#tracer?.begin(exchange);
    const { debug } = exchange.head;
    if (debug !== null) exchange.isDebugged = this.#debugGuard.isTrusted(debug);
  }

  onEnded(exchange: Exchange, endedMs: number): void {
    this.admission.settle(exchange, endedMs);
    endAttempts(this.attempts, exchange, endedMs);
    this.#host.running -= 1;
    this.#recorder.end(exchange, endedMs);
    const { trace } = exchange;
    if (trace !== null) this.#tracer?.end(exchange, trace, endedMs);
    if (this.#isWritten) this.#host.records.add(this, exchange, endedMs, this.#host.running);
    if (this.#recorder.inFlight === 0) {
      this.#host.onQuiet(this);
    }
  }

  writeLine(exchange: Exchange, endedMs: number): void {
    this.#recorder.writeLine(exchange, endedMs);
  }

  writeUsage(exchange: Exchange, endedMs: number): void {
    this.#usage?.write(exchange, endedMs);
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
    this.#host.onFault(where, thrown);
  }

  /** Once. Nothing of it runs any more: closes connections that no other generation uses. */
  end(): void {
    for (const provider of this.#providers) {
      this.#host.providers.giveBack(provider);
    }
  }
}

function openTally({ tally }: GenerationStart, worker: number): Tally {
  const layout = new TallyLayout(tally.sizes);
  return new Tally(layout, viewTally(layout, tally.memory, worker), tally.consumers);
}

function createAdmission(
  { config, limits, limitPlaces, callerLimits }: GenerationStart,
  prices: PriceList,
  host: GenerationHost,
): Admission {
  const { index, estimator, tokenCounts } = host;
  const plan = planConsumers(config, { places: limitPlaces });
  const callerPlan = planCallers(config);
  return new Admission(
    {
      consumers: config.consumers,
      callers: config.callers,
      ledger: new Ledger(new LimitTable(limits, plan, index)),
      callerLedger:
        callerPlan === null || callerLimits === null
          ? null
          : new Ledger(new LimitTable(callerLimits, callerPlan, index)),
      prices,
      estimator,
      recordsUsage: config.usage !== null,
      recordsUsers: config.usage?.namesUsers === true,
      countTokens: (body, model) => tokenCounts.count(body, model),
      findDeputy: () => host.deputy,
    },
    Math.max(plan.longestList, callerPlan?.longestList ?? 0),
  );
}

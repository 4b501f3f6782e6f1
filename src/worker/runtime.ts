/**
 * What lives as long as a worker's thread: its log, its timeouts, its histograms, its connections to providers. What
 * follows from the configuration is a generation's; exchanges begin with the one that is in force.
 */
import { Estimator } from '../admit/estimate.js';
import { TokenCountClient } from '../admit/exact-count-client.js';
import { BOUNDS } from '../core/bounds.js';
import { Deadlines } from '../core/deadlines.js';
import { encodeJson } from '../core/json-wire.js';
import { TurnRow } from '../core/turn-row.js';
import { mayNameModel } from '../dialects/registry.js';
import type { Exchange } from '../exchange.js';
import { BodyInspector } from '../inspect/body.js';
import { ByteBudget } from '../inspect/budget.js';
import { KeptBodies } from '../inspect/kept-bodies.js';
import { CounterColumn, createCounterLayout } from '../observe/counters.js';
import { ExchangeTrail } from '../observe/exchange-trail.js';
import { WorkerHistograms } from '../observe/histograms.js';
import { LogBatch } from '../observe/log-batch.js';
import { RecordBatch } from '../observe/record-batch.js';
import { TraceBatch } from '../observe/trace-batch.js';
import { ConnectionGate } from '../overload/connection-gate.js';
import { ExchangeGate } from '../overload/exchange-gate.js';
import { limitToMemory } from '../overload/memory-share.js';
import { Readings } from '../overload/readings.js';
import { UsageRingWriter } from '../usage/ring.js';
import type { DeputyClient } from './deputy-client.js';
import { Generation, type GenerationHost } from './generation.js';
import type { ClosingReason, GenerationStart, ToPrimary, WorkerStart } from './messages.js';
import { ProviderPool } from './provider-pool.js';

const BASE_36 = '0123456789abcdefghijklmnopqrstuvwxyz';

export class WorkerRuntime implements GenerationHost {
  readonly index: number;
  readonly startedWallMs: number;
  readonly bodies: BodyInspector;
  readonly row = new TurnRow((thrown) => this.onFault(null, thrown));
  readonly tokenCounts: TokenCountClient;
  readonly estimator = new Estimator();
  readonly histograms = new WorkerHistograms();
  readonly trail = new ExchangeTrail();
  readonly column: CounterColumn;
  readonly log: LogBatch;
  readonly traces: TraceBatch;
  /** Of usage records; null: none are written. */
  readonly usage: UsageRingWriter | null;
  /** What is still to be written of exchanges that are over. */
  readonly records = new RecordBatch((exchange, thrown) => this.onFault(exchange, thrown));
  readonly deadlines = new Deadlines();
  readonly gate: ExchangeGate;
  readonly connectionGate: ConnectionGate;
  readonly providers = new ProviderPool(this.deadlines);
  /** Exchanges that run, of all generations. */
  running = 0;
  isClosing = false;
  closingReason: ClosingReason = 'draining';
  /** Who keeps the limits once another server has taken over. */
  deputy: DeputyClient | null = null;
  readonly #send: (message: ToPrimary) => void;
  readonly #countConnections: (delta: number) => void;
  readonly #idPrefix: string;
  readonly #inForce: Int32Array;
  #current: Generation;
  /** Built, and not in force yet. */
  #next: Generation | null = null;
  /** Not in force any more; exchanges of theirs still run. */
  readonly #old = new Set<Generation>();
  #connections = 0;
  #isDraining = false;
  #lastId = 0;
  /** An id without its last digit: V8 takes long to write a whole number in base 36. */
  #idStem = '';

  constructor(start: WorkerStart, send: (message: ToPrimary) => void) {
    const { config, counters, places } = start.generation;
    const layout = createCounterLayout(config, places);
    const column = new CounterColumn(layout, counters, start.index);
    this.index = start.index;
    this.startedWallMs = start.startedWallMs;
    this.column = column;
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
    const readings = new Readings(start.readings);
    const { index } = start;
    this.connectionGate = new ConnectionGate({ index, readings, config });
    this.gate = new ExchangeGate({ index, readings, config, countInFlight: () => this.running });
    const limitBytes = (bytesMax: number): number =>
      limitToMemory(bytesMax, readings.readProcess().memoryLimitBytes, config.workers);
    this.traces = new TraceBatch({
      send: (records, lost) => {
        send({ kind: 'traces', count: records.length, lost, records: encodeJson(records) });
      },
    });
    this.usage = start.usage === null ? null : new UsageRingWriter(start.usage);
    let inspectedBytes = 0;
    let keptBytes = 0;
    const keptBudget = new ByteBudget(limitBytes(BOUNDS.keptBodiesTotalBytesMax), (heldBytes) => {
      keptBytes = heldBytes;
      column.set(layout.fixed.bodyBytesHeld, inspectedBytes + keptBytes);
    });
    this.bodies = new BodyInspector(
      (heldBytes) => {
        inspectedBytes = heldBytes;
        column.set(layout.fixed.bodyBytesHeld, inspectedBytes + keptBytes);
      },
      mayNameModel,
      new KeptBodies(keptBudget),
      {
        collectedBytesMax: limitBytes(BOUNDS.bodyCollectTotalBytesMax),
        uploadingBytesMax: limitBytes(BOUNDS.streamedUploadsTotalBytesMax),
      },
    );
    this.tokenCounts = new TokenCountClient(
      (request) => send({ kind: 'count-tokens', ...request }),
      this.deadlines,
    );
    this.#inForce = new Int32Array(start.inForce);
    this.#current = new Generation(start.generation, this);
  }

  /** What an exchange that begins now runs with. */
  get current(): Generation {
    if (Atomics.load(this.#inForce, 0) !== this.#current.number) {
      this.turn();
    }
    return this.#current;
  }

  /** Builds what a changed configuration asks for, beside what is in force. */
  prepare(start: GenerationStart): void {
    const { number } = start;
    try {
      this.discard(this.#next?.number ?? 0);
      this.#next = new Generation(start, this);
      this.#send({ kind: 'prepared', number });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#send({ kind: 'unprepared', number, reason });
    }
  }

  discard(number: number): void {
    if (this.#next?.number === number) {
      this.#next.end();
      this.#next = null;
    }
  }

  /** To what is in force. Exchanges that run keep what they have. */
  turn(): void {
    const next = this.#next;
    if (next === null || next.number !== Atomics.load(this.#inForce, 0)) {
      return;
    }
    const before = this.#current;
    this.#next = null;
    this.#current = next;
    this.gate.adopt(next.config);
    this.connectionGate.adopt(next.config);
    this.#old.add(before);
    this.onQuiet(before);
  }

  get inFlight(): number {
    let sum = this.#current.inFlight;
    for (const { inFlight } of this.#old) {
      sum += inFlight;
    }
    return sum;
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

  onQuiet(generation: Generation): void {
    if (generation !== this.#current) {
      // The exchange that was the last is still being ended further up.
      setImmediate(() => this.#retire(generation));
    }
  }

  #retire(generation: Generation): void {
    if (generation.inFlight === 0 && this.#old.delete(generation)) {
      generation.end();
      this.#send({ kind: 'retired', number: generation.number });
    }
  }

  onFault(where: Exchange | null, thrown: unknown): void {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    const message = where === null ? error.message : `${error.message} (exchange ${where.id})`;
    this.#send({ kind: 'fault', message, stack: error.stack ?? '', isContained: where !== null });
  }

  /** One snapshot after another, with a turn of the loop in between, so that none holds it up. */
  sendHistograms(request: number): void {
    const snapshots: Uint8Array[] = [];
    const next = (): void => {
      if (this.histograms.hasChanges) {
        snapshots.push(this.histograms.takeSnapshot());
        setImmediate(next);
      } else {
        this.#send({ kind: 'histograms', request, snapshots, trail: this.trail.take() });
      }
    };
    next();
  }

  closeProviders(): void {
    this.tokenCounts.close();
    this.providers.close();
  }
}

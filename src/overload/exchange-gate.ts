/**
 * Decides in one worker whether new work is taken in: by how late its event loop is, by what memory, heap and
 * descriptors have left, and by the priority of whoever asks. Costs an exchange one comparison of two whole numbers as
 * long as there is room; nothing here ends what runs.
 *
 * The watch sleeps while nothing runs: the first exchange then is a question, which wakes it.
 */
import { getHeapStatistics } from 'node:v8';
import type { ConsumerConfig, Priority, WeirConfig } from '../config/model.js';
import { BOUNDS } from '../core/bounds.js';
import { nowMs } from '../core/clock.js';
import type { GatewayError } from '../core/errors.js';
import { collectGarbage } from './garbage.js';
import { LagLimit, NO_LIMIT } from './lag-limit.js';
import { type LoopReading, LoopWatch, type LoopWatcher } from './loop-watch.js';
import { Pressure, type PressureLevel } from './pressure.js';
import { PRIORITIES, REFUSAL_REASONS, type Readings, type RefusalReason } from './readings.js';
import { Refusals } from './refusals.js';

/** As much of a configuration as decides it. */
export type GateConfig = Pick<WeirConfig, 'clients' | 'overload' | 'workers'> & {
  readonly consumers: readonly Pick<ConsumerConfig, 'priority'>[] | null;
};

export interface ExchangeGateOptions {
  readonly config: GateConfig;
  /** This worker, from 0. */
  readonly index: number;
  readonly readings: Readings;
  /** Exchanges that run now. */
  readonly countInFlight: () => number;
}

/**
 * Of the limit of a worker whose loop is late, how much each priority may use. What the lower ones can't use is always
 * there for the higher ones, who are hence refused only when they are too many by themselves.
 */
const SHARES: Readonly<Record<Priority, number>> = { high: 1, normal: 0.85, low: 0.7 };
/** A round that has taken so many times what it may takes in no more of theirs. */
const ROUNDS_MAX: Readonly<Record<Priority, number>> = { high: 3, normal: 2, low: 1.5 };
const NORMAL = PRIORITIES.indexOf('normal');
/** Below every number of exchanges, so that each one is asked about. */
const ASK_ALL = -1;

export class ExchangeGate implements LoopWatcher {
  readonly #options: ExchangeGateOptions;
  readonly #watch = new LoopWatch(this);
  #isWatching = false;
  #lag = new LagLimit(0);
  #heap = new Pressure(0);
  #memory = new Pressure(0);
  #descriptors = new Pressure(0);
  #refusals = new Refusals(RETRY_AFTER_MS);
  /** Places in PRIORITIES, by the place of the consumer in the configuration. */
  #priorityOf = new Uint8Array(0);
  #exchangesMax = NO_LIMIT;
  /** By priority. */
  readonly #caps: number[] = [NO_LIMIT, NO_LIMIT, NO_LIMIT];
  /** With more exchanges than this in flight one must ask. */
  #askAbove = ASK_ALL;
  #level: PressureLevel = 0;
  #lagMs = 0;
  #inFlightMax = 0;
  #wasBinding = false;
  #lookedMs = Number.NEGATIVE_INFINITY;
  #collectedMs = Number.NEGATIVE_INFINITY;
  #emptyTicks = 0;

  constructor(options: ExchangeGateOptions) {
    this.#options = options;
    this.adopt(options.config);
  }

  /** A reload has brought another configuration. What was seen so far is forgotten; it takes 200 ms to be seen again. */
  adopt({ overload, clients, workers, consumers }: GateConfig): void {
    this.#watch.stop();
    this.#isWatching = overload !== null;
    this.#lag = new LagLimit(overload?.loopLagMs ?? 0);
    this.#heap = new Pressure(overload?.heapPercent ?? 0);
    this.#memory = new Pressure(overload?.memoryPercent ?? 0);
    this.#descriptors = new Pressure(overload?.descriptorsPercent ?? 0);
    this.#level = 0;
    this.#refusals = new Refusals(overload?.retryAfterMs ?? RETRY_AFTER_MS);
    this.#priorityOf = Uint8Array.from(consumers ?? [], ({ priority }) =>
      PRIORITIES.indexOf(priority),
    );
    const { exchangesMax } = clients;
    this.#exchangesMax = exchangesMax === null ? NO_LIMIT : Math.ceil(exchangesMax / workers);
    this.#sleep();
  }

  /** Connections are closed after their answer, because what they hold is needed. */
  get closesConnections(): boolean {
    return this.#level >= CLOSING_LEVEL;
  }

  /**
   * Whether one more exchange may run.
   *
   * @param inFlight exchanges that run, this one among them.
   * @param consumerIndex place in the configuration; -1: nobody known.
   * @returns `overloaded`, or null where it may. Not thrown: that alone would cost as much as the rest of a refusal.
   */
  check(inFlight: number, consumerIndex: number): GatewayError | null {
    return inFlight > this.#askAbove ? this.#ask(inFlight, consumerIndex) : null;
  }

  /** @internal */
  onTick(): void {
    const inFlight = this.#options.countInFlight();
    this.#inFlightMax = Math.max(this.#inFlightMax, inFlight);
    this.#emptyTicks = inFlight > 0 || this.#wasBinding ? 0 : this.#emptyTicks + 1;
    const now = nowMs();
    if (now - this.#lookedMs >= BOUNDS.pressureLookMs) {
      this.#look(now);
    }
    const isCalm = this.#level === 0 && this.#lag.limit === NO_LIMIT;
    if (this.#emptyTicks > EMPTY_TICKS_MAX && isCalm) {
      this.#sleep();
    }
  }

  /** @internal */
  onInterval({ ms, lagMs, workMs, busyShare }: LoopReading): void {
    this.#lagMs = lagMs;
    this.#lag.take({
      ms,
      lagMs: workMs,
      busyShare,
      inFlightMax: this.#inFlightMax,
      wasBinding: this.#wasBinding,
    });
    this.#inFlightMax = this.#options.countInFlight();
    this.#wasBinding = false;
    this.#setCaps();
  }

  #ask(inFlight: number, consumerIndex: number): GatewayError | null {
    if (this.#isWatching && !this.#watch.isRunning) {
      this.#wake();
    }
    const priority = consumerIndex < 0 ? NORMAL : (this.#priorityOf[consumerIndex] ?? NORMAL);
    const cap = this.#caps[priority] ?? NO_LIMIT;
    if (inFlight <= cap && !this.#isRoundOver(inFlight, priority)) {
      return null;
    }
    const reason = this.#explain(priority, inFlight);
    if (reason === 'lag') {
      this.#wasBinding = true;
      this.#inFlightMax = Math.max(this.#inFlightMax, inFlight - 1);
    }
    const place = REFUSAL_REASONS.indexOf(reason);
    this.#options.readings.countRefused(this.#options.index, place, priority);
    return this.#refusals.next(reason);
  }

  /**
   * Of a loop that is late already, a round can take seconds before the limit learns of it. Whoever comes late in one
   * would wait for all of it, and make it longer: he is refused, and the round ends soon.
   */
  #isRoundOver(inFlight: number, priority: number): boolean {
    if (this.#lag.limit === NO_LIMIT || inFlight <= BOUNDS.exchangesKeptMin) {
      return false;
    }
    const patience = ROUNDS_MAX[PRIORITIES[priority] as Priority];
    return this.#watch.roundMs(nowMs()) > patience * this.#lag.targetMs;
  }

  #explain(priority: number, inFlight: number): RefusalReason {
    if (isBlocked(priority, this.#level)) {
      if (this.#memory.level === this.#level) return 'memory';
      return this.#heap.level === this.#level ? 'heap' : 'descriptors';
    }
    return inFlight > this.#exchangesMax ? 'exchanges' : 'lag';
  }

  #wake(): void {
    this.#emptyTicks = 0;
    this.#inFlightMax = 0;
    this.#look(nowMs());
    this.#watch.start();
  }

  #sleep(): void {
    this.#watch.stop();
    this.#lagMs = 0;
    this.#publish();
    this.#setCaps();
    if (this.#isWatching) {
      this.#askAbove = ASK_ALL;
    }
  }

  /** Reads what the primary knows of the process, and how full this thread's heap is. */
  #look(now: number): void {
    this.#lookedMs = now;
    const heap = getHeapStatistics();
    this.#heap.read(heap.used_heap_size, heap.heap_size_limit);
    const known = this.#options.readings.readProcess();
    this.#memory.read(known.rssBytes, known.memoryLimitBytes);
    this.#descriptors.read(known.descriptors, known.descriptorsMax);
    const { level: heapLevel } = this.#heap;
    const { level: memoryLevel } = this.#memory;
    const { level: descriptorsLevel } = this.#descriptors;
    this.#level = Math.max(heapLevel, memoryLevel, descriptorsLevel) as PressureLevel;
    this.#setCaps();
    this.#publish();
    const isFull = heapLevel > 0 || memoryLevel > 0;
    if (isFull && now - this.#collectedMs >= BOUNDS.garbageCollectMs) {
      this.#collectedMs = now;
      collectGarbage();
    }
  }

  #publish(): void {
    const { readings, index } = this.#options;
    const limit = this.#lag.limit;
    readings.writeWorker(index, {
      level: this.#level,
      lagMs: this.#lagMs,
      limit: limit === NO_LIMIT ? 0 : limit,
      heapPercent: this.#heap.percent,
    });
  }

  #setCaps(): void {
    const limit = this.#lag.limit;
    let least = NO_LIMIT;
    for (let priority = 0; priority < PRIORITIES.length; priority += 1) {
      const share = SHARES[PRIORITIES[priority] as Priority];
      const late = limit === NO_LIMIT ? NO_LIMIT : Math.max(1, Math.floor(limit * share));
      const cap = isBlocked(priority, this.#level) ? 0 : Math.min(late, this.#exchangesMax);
      this.#caps[priority] = cap;
      least = Math.min(least, cap);
    }
    // While the loop is late each one asks, because of the round that is under way.
    this.#askAbove = limit === NO_LIMIT ? least : ASK_ALL;
  }
}

/** The last in the list first. */
function isBlocked(priority: number, level: PressureLevel): boolean {
  return priority + level >= PRIORITIES.length;
}

const CLOSING_LEVEL = 2;
/** One second without an exchange. */
const EMPTY_TICKS_MAX = 1000 / BOUNDS.lagProbeMs;
/** Where `overload` is off, of those that `clients.exchanges` refuses. */
const RETRY_AFTER_MS = 1000;

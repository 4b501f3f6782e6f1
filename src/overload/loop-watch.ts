/**
 * Measures how long the event loop takes for one round. Once a tick a probe goes round: from the end of one turn's
 * reads to the end of the next's, waiting for nothing in between. That is how long what comes in now has to wait at
 * most before anybody looks at it, and under load it is what grows first.
 *
 * How much of a round the thread itself has taken is told beside it: where a neighbour has the core, rounds are long as
 * well, but there is no more to do than before, and to refuse some of it would not bring the core back.
 *
 * Costs a timer and two immediates a tick: a few µs, or 150 where the tick alone wakes the thread up. Nothing for a request.
 */
import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import { BOUNDS } from '../core/bounds.js';
import { nowMs } from '../core/clock.js';
import { readThreadTime, shareOfCore, type ThreadTime } from './thread-time.js';

export interface LoopWatcher {
  /** Each BOUNDS.lagProbeMs, or later where the loop is late. */
  onTick(): void;
  /** Each BOUNDS.lagIntervalMs or a bit later. */
  onInterval(reading: LoopReading): void;
}

export interface LoopReading {
  /** From the reading before to this one: BOUNDS.lagIntervalMs, or one round where that takes longer. */
  readonly ms: number;
  /** How long a round took, on the mean. */
  readonly lagMs: number;
  /** What of it the thread itself has taken. */
  readonly workMs: number;
  /** Share of the time in which the loop did not wait for anything, 0 to 1. */
  readonly busyShare: number;
}

const NS_PER_MS = 1_000_000;

export class LoopWatch {
  readonly #watcher: LoopWatcher;
  #timer: NodeJS.Timeout | null = null;
  #intervalStartMs = 0;
  #used: EventLoopUtilization | null = null;
  #threadTime: ThreadTime | null = null;
  #roundStartMs = 0;
  #roundsMs = 0;
  #rounds = 0;

  constructor(watcher: LoopWatcher) {
    this.#watcher = watcher;
    // Opens what it reads from, so that the number of open files does not depend on whether there was a request yet.
    readThreadTime();
  }

  /** How long the round that is measured now has taken so far, by the clock; 0 where none is. */
  roundMs(now: number): number {
    return this.#roundStartMs === 0 ? 0 : now - this.#roundStartMs;
  }

  get isRunning(): boolean {
    return this.#timer !== null;
  }

  start(): void {
    if (this.#timer === null) {
      this.#intervalStartMs = nowMs();
      this.#used = performance.eventLoopUtilization();
      this.#threadTime = readThreadTime();
      this.#roundsMs = 0;
      this.#rounds = 0;
      this.#roundStartMs = 0;
      this.#timer = setInterval(() => this.#tick(), BOUNDS.lagProbeMs).unref();
    }
  }

  stop(): void {
    if (this.#timer !== null) {
      clearInterval(this.#timer);
      this.#timer = null;
    }
  }

  #tick(): void {
    this.#watcher.onTick();
    setImmediate(this.#beginRound);
  }

  readonly #beginRound = (): void => {
    this.#roundStartMs = nowMs();
    setImmediate(this.#endRound);
  };

  readonly #endRound = (): void => {
    const now = nowMs();
    this.#roundsMs += this.roundMs(now);
    this.#roundStartMs = 0;
    this.#rounds += 1;
    if (this.#timer !== null && now - this.#intervalStartMs >= BOUNDS.lagIntervalMs) {
      this.#finishInterval(now);
    }
  };

  #finishInterval(now: number): void {
    const used = performance.eventLoopUtilization();
    const sinceLast = performance.eventLoopUtilization(used, this.#used ?? undefined);
    const lagMs = this.#roundsMs / this.#rounds;
    const threadTime = readThreadTime();
    const activeNs = sinceLast.active * NS_PER_MS;
    const workMs = lagMs * shareOfCore(this.#threadTime, threadTime, activeNs);
    const ms = now - this.#intervalStartMs;
    this.#threadTime = threadTime;
    this.#used = used;
    this.#roundsMs = 0;
    this.#rounds = 0;
    this.#intervalStartMs = now;
    const busyShare = Math.min(1, Math.max(0, sinceLast.utilization));
    this.#watcher.onInterval({ ms, lagMs, workMs, busyShare });
  }
}

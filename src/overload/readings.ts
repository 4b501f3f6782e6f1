/**
 * What the primary knows of the process and each worker of itself, in one SharedArrayBuffer: the primary writes the first
 * line, each worker its own. One writer a line, so plain loads and stores will do; see observe/counters.ts.
 */
import type { PressureLevel } from './pressure.js';

/** Why something was refused. */
export const REFUSAL_REASONS = ['lag', 'heap', 'memory', 'descriptors', 'exchanges'] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

/** From the most important to the least. */
export const PRIORITIES = ['high', 'normal', 'low'] as const;

/** Why a connection was closed as soon as it was there. */
export const CLOSE_REASONS = ['connections', 'address', 'descriptors'] as const;
export type CloseReason = (typeof CLOSE_REASONS)[number];

const PROCESS = {
  rssBytes: 0,
  memoryLimitBytes: 1,
  descriptors: 2,
  descriptorsMax: 3,
  connections: 4,
} as const;
const WORKER = {
  level: 0,
  lagMs: 1,
  limit: 2,
  heapPercent: 3,
  connections: 4,
  refused: 5,
} as const;
const REFUSED_SLOTS = REFUSAL_REASONS.length * PRIORITIES.length;
const CLOSED_SLOT = WORKER.refused + REFUSED_SLOTS;
/** Whole cache lines, and one more, so that no two workers write to one wherever the buffer begins. */
const STRIDE = 40;

export interface ProcessReading {
  readonly rssBytes: number;
  /** 0 where nobody knows. */
  readonly memoryLimitBytes: number;
  readonly descriptors: number;
  readonly descriptorsMax: number;
  /** Connections from clients, when the descriptors were counted. */
  readonly connections: number;
}

export interface WorkerReading {
  readonly level: PressureLevel;
  readonly lagMs: number;
  /** Exchanges at a time; 0: not limited. */
  readonly limit: number;
  readonly heapPercent: number;
}

export function createReadingsBuffer(workers: number): SharedArrayBuffer {
  return new SharedArrayBuffer((workers + 1) * STRIDE * Float64Array.BYTES_PER_ELEMENT);
}

export class Readings {
  readonly #slots: Float64Array;

  constructor(buffer: SharedArrayBuffer) {
    this.#slots = new Float64Array(buffer);
  }

  writeProcess(reading: ProcessReading): void {
    for (const [name, slot] of Object.entries(PROCESS)) {
      this.#slots[slot] = reading[name as keyof typeof PROCESS];
    }
  }

  readProcess(): ProcessReading {
    const slots = this.#slots;
    return {
      rssBytes: slots[PROCESS.rssBytes] ?? 0,
      memoryLimitBytes: slots[PROCESS.memoryLimitBytes] ?? 0,
      descriptors: slots[PROCESS.descriptors] ?? 0,
      descriptorsMax: slots[PROCESS.descriptorsMax] ?? 0,
      connections: slots[PROCESS.connections] ?? 0,
    };
  }

  writeWorker(worker: number, reading: WorkerReading): void {
    const first = firstOf(worker);
    this.#slots[first + WORKER.level] = reading.level;
    this.#slots[first + WORKER.lagMs] = reading.lagMs;
    this.#slots[first + WORKER.limit] = reading.limit;
    this.#slots[first + WORKER.heapPercent] = reading.heapPercent;
  }

  readWorker(worker: number): WorkerReading {
    const slots = this.#slots;
    const first = firstOf(worker);
    return {
      level: (slots[first + WORKER.level] ?? 0) as PressureLevel,
      lagMs: slots[first + WORKER.lagMs] ?? 0,
      limit: slots[first + WORKER.limit] ?? 0,
      heapPercent: slots[first + WORKER.heapPercent] ?? 0,
    };
  }

  /** Connections from clients that a worker has now. */
  writeConnections(worker: number, connections: number): void {
    this.#slots[firstOf(worker) + WORKER.connections] = connections;
  }

  sumConnections(workers: number): number {
    let sum = 0;
    for (let worker = 0; worker < workers; worker += 1) {
      sum += this.#slots[firstOf(worker) + WORKER.connections] ?? 0;
    }
    return sum;
  }

  /** What a worker that has ended says of itself holds no more; what it has counted stays. */
  reclaim(worker: number): void {
    this.#slots.fill(0, firstOf(worker), firstOf(worker) + WORKER.refused);
  }

  /** By one; both are places in the lists above. */
  countRefused(worker: number, reason: number, priority: number): void {
    this.#slots[firstOf(worker) + WORKER.refused + reason * PRIORITIES.length + priority]! += 1;
  }

  countClosed(worker: number, reason: number): void {
    this.#slots[firstOf(worker) + CLOSED_SLOT + reason]! += 1;
  }

  readRefused(worker: number, reason: number, priority: number): number {
    return (
      this.#slots[firstOf(worker) + WORKER.refused + reason * PRIORITIES.length + priority] ?? 0
    );
  }

  readClosed(worker: number, reason: number): number {
    return this.#slots[firstOf(worker) + CLOSED_SLOT + reason] ?? 0;
  }
}

function firstOf(worker: number): number {
  return (worker + 1) * STRIDE;
}

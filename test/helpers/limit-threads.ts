/** Starts threads that hammer one limit table; see limit-hammer.ts. */
import { Worker } from 'node:worker_threads';
import type { LimitConfig } from '../../src/config/model.js';

export interface HammerOrder {
  readonly buffer: SharedArrayBuffer;
  readonly limits: readonly LimitConfig[];
  readonly workers: number;
  readonly index: number;
  readonly rounds: number;
  /** Reports once when it is under way, and goes on until it is ended. */
  readonly isEndless: boolean;
}

export interface HammerResult {
  reserved: number;
  settled: number;
  refused: number;
  /** Calls let through for consumers that are not configured. */
  dynamic: number;
}

export interface Hammer {
  readonly worker: Worker;
  readonly result: Promise<HammerResult>;
}

export function startHammer(order: HammerOrder): Hammer {
  const worker = new Worker(new URL('./limit-hammer.js', import.meta.url), { workerData: order });
  const result = new Promise<HammerResult>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  return { worker, result };
}

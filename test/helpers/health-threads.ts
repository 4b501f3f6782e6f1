/** Starts threads that share one health table; see health-thread.ts. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { HealthPlan } from '../../src/health/plan.js';

export interface HealthOrder {
  readonly buffer: SharedArrayBuffer;
  readonly plan: HealthPlan;
  readonly column: number;
}

interface Place {
  readonly index: number;
  readonly nowMs: number;
}

export type HealthCommand = Place &
  (
    | { readonly what: 'is-usable' | 'attempt' | 'success' }
    | { readonly what: 'fail' | 'storm'; readonly times: number }
  );

export class HealthThread {
  readonly worker: Worker;

  constructor(order: HealthOrder) {
    this.worker = new Worker(new URL('./health-thread.js', import.meta.url), { workerData: order });
  }

  /** Resolves when the thread has done it, with what came of it. */
  async tell(command: HealthCommand): Promise<unknown> {
    const answered = once(this.worker, 'message');
    this.worker.postMessage(command);
    const [answer] = (await answered) as [unknown];
    return answer;
  }

  async end(): Promise<void> {
    await this.worker.terminate();
  }
}

/**
 * Replaces workers that failed. An uncaught error leaves a thread in a state that nobody knows: its exchanges are cut
 * and settled, it ends by itself (no other way is safe: T-1, T-2 of the platform's pitfalls), what it held is given back,
 * and one with the same number takes its place, while the others serve. Where that is not to be had, the whole process
 * goes, and the supervisor starts another.
 */
import { BOUNDS } from '../core/bounds.js';
import { nowMs } from '../core/clock.js';
import type { Logger } from '../observe/logger.js';
import type { ListeningWorker } from './worker-set.js';

export interface WorkerCareParts {
  readonly logger: Logger;
  /** No more connections are handed to it; before it ends (T-1). */
  readonly takeOff: (index: number) => void;
  /** Resolves when the thread has ended, to false where it does not within the bound. */
  readonly retire: (index: number) => Promise<boolean>;
  /** @throws Error where the new one does not get to listen. */
  readonly start: (index: number) => Promise<ListeningWorker>;
  readonly putOn: (index: number, worker: ListeningWorker) => void;
  /** They keep failing: what runs may end, and then the process. */
  readonly giveUp: (reason: string) => void;
  /** A thread does not end: nothing in this process can be relied upon. */
  readonly abandon: (reason: string) => void;
}

export class WorkerCare {
  readonly #parts: WorkerCareParts;
  readonly #replacing = new Set<number>();
  /** When workers failed, of the last minute. */
  #failedMs: number[] = [];
  #isStopped = false;

  constructor(parts: WorkerCareParts) {
    this.#parts = parts;
  }

  /** Workers that do not serve at the moment. */
  get missing(): number {
    return this.#replacing.size;
  }

  /** From now on no worker is started: the server ends. */
  stop(): void {
    this.#isStopped = true;
  }

  /** A worker is not to be used any more. Told again while it is being replaced, it changes nothing. */
  onFailed(index: number): void {
    if (!this.#replacing.has(index)) {
      this.#replacing.add(index);
      void this.#replace(index);
    }
  }

  async #replace(index: number): Promise<void> {
    const { logger, takeOff, retire, start, putOn, giveUp, abandon } = this.#parts;
    takeOff(index);
    if (!(await retire(index))) {
      abandon(`worker ${index} does not end`);
      return;
    }
    for (;;) {
      const delayMs = this.#countFailure();
      if (this.#isStopped) return;
      if (delayMs === null) {
        giveUp('workers keep failing');
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      if (this.#isStopped) return;
      try {
        const worker = await start(index);
        putOn(index, worker);
        this.#replacing.delete(index);
        logger.info({ worker: index }, `worker ${index} was replaced`);
        return;
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        logger.error({ worker: index, reason }, `worker ${index} can’t be replaced yet`);
      }
    }
  }

  /** @returns how long to wait before the next start, or null where it is time to give up. */
  #countFailure(): number | null {
    const now = nowMs();
    this.#failedMs = this.#failedMs.filter((atMs) => now - atMs < BOUNDS.workerFailuresMs);
    this.#failedMs.push(now);
    const count = this.#failedMs.length;
    if (count > BOUNDS.workerFailuresMax) return null;
    return count === 1 ? 0 : BOUNDS.workerRestartDelayMs * 2 ** (count - 2);
  }
}

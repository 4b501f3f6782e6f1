/** All workers build what follows from a changed configuration, or none is to use it: waits for what each of them says. */
import { BOUNDS } from '../core/bounds.js';
import type { GenerationReport } from '../worker/messages.js';

export class Preparation {
  /** Resolves to null when all have built it, else to why not; never rejects. */
  readonly done: Promise<string | null>;
  readonly #number: number;
  readonly #waiting: Set<number>;
  readonly #timer: NodeJS.Timeout;
  #settle: (reason: string | null) => void = () => {};
  #isOver = false;

  constructor(number: number, workers: readonly number[], timeoutMs = BOUNDS.generationReadyMs) {
    this.#number = number;
    this.#waiting = new Set(workers);
    this.done = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.#timer = setTimeout(
      () => this.#end(`the workers took longer than ${timeoutMs} ms`),
      timeoutMs,
    );
  }

  onReport(worker: number, report: GenerationReport): void {
    if (report.number !== this.#number) return;
    if (report.kind === 'unprepared') this.#end(`worker ${worker}: ${report.reason}`);
    if (report.kind !== 'prepared') return;
    this.#waiting.delete(worker);
    if (this.#waiting.size === 0) this.#end(null);
  }

  /** What it had built is gone, and who comes in its place was not asked. */
  onWorkerEnded(worker: number): void {
    this.#end(`worker ${worker} ended meanwhile`);
  }

  #end(reason: string | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#settle(reason);
  }
}

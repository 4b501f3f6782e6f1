/** Watches the resident memory of a gateway while something runs. */
import type { Gateway } from './gateway.js';

export const MB = 1024 * 1024;

export interface MemorySample {
  readonly atMs: number;
  readonly bytes: number;
}

export class MemoryWatch {
  readonly samples: MemorySample[] = [];
  readonly #gateway: Gateway;
  readonly #timer: NodeJS.Timeout;

  private constructor(gateway: Gateway, everyMs: number) {
    this.#gateway = gateway;
    this.#sample();
    this.#timer = setInterval(() => this.#sample(), everyMs);
  }

  /** Ends with the work, also where that fails: a timer left behind would hold the test's process up. */
  static async during(
    gateway: Gateway,
    work: (watch: MemoryWatch) => Promise<void>,
    everyMs = 50,
  ): Promise<MemoryWatch> {
    const watch = new MemoryWatch(gateway, everyMs);
    try {
      await work(watch);
      watch.#sample();
    } finally {
      clearInterval(watch.#timer);
    }
    return watch;
  }

  /** The most since the start. */
  get peakBytes(): number {
    return Math.max(...this.samples.map(({ bytes }) => bytes));
  }

  /** How far it rose above what it was at the start. */
  get growthBytes(): number {
    return this.peakBytes - (this.samples[0]?.bytes ?? 0);
  }

  #sample(): void {
    this.samples.push({ atMs: performance.now(), bytes: this.#gateway.rssBytes() });
  }
}

export function formatMb(bytes: number): string {
  return `${(bytes / MB).toFixed(1)} MB`;
}

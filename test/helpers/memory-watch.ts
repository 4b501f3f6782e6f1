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

  constructor(gateway: Gateway, everyMs = 50) {
    this.#gateway = gateway;
    this.#sample();
    this.#timer = setInterval(() => this.#sample(), everyMs);
  }

  /** The most since the start. */
  get peakBytes(): number {
    return Math.max(...this.samples.map(({ bytes }) => bytes));
  }

  /** How far it rose above what it was at the start. */
  get growthBytes(): number {
    return this.peakBytes - (this.samples[0]?.bytes ?? 0);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#sample();
  }

  #sample(): void {
    this.samples.push({ atMs: performance.now(), bytes: this.#gateway.rssBytes() });
  }
}

export function formatMb(bytes: number): string {
  return `${(bytes / MB).toFixed(1)} MB`;
}

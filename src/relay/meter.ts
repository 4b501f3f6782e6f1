/** What is learned from an answer on its way through, and, where Weir had asked for usage, what is taken out of it. */
import type { Usage } from '../core/usage.js';
import { UsageFigures } from './json-usage.js';
import { UsageFilter } from './usage-filter.js';
import { UsageTap } from './usage-tap.js';
import { takeWholeUsage } from './whole-usage.js';

/** For an answer that comes whole: its figures are read out at once, so that one set does for all of them. */
const figures = new UsageFigures();

export class Meter {
  readonly #isEventStream: boolean;
  readonly #filter: UsageFilter | null;
  /** Of a JSON answer; -1 where it is not known, and of a stream. */
  readonly #wholeBytes: number;
  /** Most JSON answers come whole and tell all at their end; for them none is made. */
  #tap: UsageTap | null;
  #wholeUsage: Usage | null = null;
  #hasInput = false;
  #hasOutput = false;

  /**
   * @param contentLength the provider's; -1 if it gave none.
   * @param hidesUsage the client did not ask for the usage that the stream will hold.
   */
  constructor(isEventStream: boolean, contentLength: number, hidesUsage: boolean) {
    this.#isEventStream = isEventStream;
    this.#wholeBytes = isEventStream ? -1 : contentLength;
    this.#tap = isEventStream ? new UsageTap(true) : null;
    this.#filter = this.#tap !== null && hidesUsage ? new UsageFilter(this.#tap) : null;
  }

  /** The client gets fewer bytes than the provider sent. */
  get isFiltering(): boolean {
    return this.#filter !== null;
  }

  get usage(): Usage | null {
    return this.#tap === null ? this.#wholeUsage : this.#tap.usage;
  }

  get hasInput(): boolean {
    return this.#tap === null ? this.#hasInput : this.#tap.hasInput;
  }

  get hasOutput(): boolean {
    return this.#tap === null ? this.#hasOutput : this.#tap.hasOutput;
  }

  estimateDelivered(): number {
    return this.#tap?.estimateDelivered() ?? 0;
  }

  /** Adds to `kept` what the client is to get. */
  take(piece: Buffer, kept: Buffer[]): void {
    if (this.#filter !== null) {
      this.#filter.take(piece, kept);
      return;
    }
    if (piece.length !== this.#wholeBytes || !this.#takeWhole(piece)) {
      this.#tap ??= new UsageTap(this.#isEventStream);
      this.#tap.take(piece);
    }
    kept.push(piece);
  }

  #takeWhole(bytes: Buffer): boolean {
    figures.reset();
    if (!takeWholeUsage(bytes, figures)) return false;
    this.#wholeUsage = figures.toUsage();
    this.#hasInput = figures.hasInput;
    this.#hasOutput = figures.hasOutput;
    return true;
  }

  /** The answer is over, well or not. */
  finish(kept: Buffer[]): void {
    const held = this.#filter?.flush() ?? null;
    if (held !== null) {
      kept.push(held);
    }
  }

  /** Nobody will ask for an estimate any more. */
  release(): void {
    this.#tap?.release();
  }
}

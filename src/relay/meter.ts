/** What is learned from an answer on its way through, and, where Weir had asked for usage, what is taken out of it. */
import type { Usage } from '../core/usage.js';
import { UsageFilter } from './usage-filter.js';
import { UsageTap } from './usage-tap.js';

export class Meter {
  readonly #tap: UsageTap;
  readonly #filter: UsageFilter | null;
  /** Of a JSON answer; -1 where it is not known, and of a stream. */
  readonly #wholeBytes: number;

  /**
   * @param contentLength the provider's; -1 if it gave none.
   * @param hidesUsage the client did not ask for the usage that the stream will hold.
   */
  constructor(isEventStream: boolean, contentLength: number, hidesUsage: boolean) {
    this.#wholeBytes = isEventStream ? -1 : contentLength;
    this.#tap = new UsageTap(isEventStream);
    this.#filter = isEventStream && hidesUsage ? new UsageFilter(this.#tap) : null;
  }

  /** The client gets fewer bytes than the provider sent. */
  get isFiltering(): boolean {
    return this.#filter !== null;
  }

  get usage(): Usage | null {
    return this.#tap.usage;
  }

  get hasInput(): boolean {
    return this.#tap.hasInput;
  }

  get hasOutput(): boolean {
    return this.#tap.hasOutput;
  }

  estimateDelivered(): number {
    return this.#tap.estimateDelivered();
  }

  /** Adds to `kept` what the client is to get. */
  take(piece: Buffer, kept: Buffer[]): void {
    if (this.#filter === null) {
      if (piece.length === this.#wholeBytes) {
        this.#tap.takeWhole(piece);
      } else {
        this.#tap.take(piece);
      }
      kept.push(piece);
    } else {
      this.#filter.take(piece, kept);
    }
  }

  /** The answer is over, well or not. */
  finish(kept: Buffer[]): void {
    const held = this.#filter?.flush() ?? null;
    if (held !== null) {
      kept.push(held);
    }
  }
}

/**
 * A worker's end of the traces: records are gathered and sent to the primary in batches, which passes them on unread to
 * the exporter's thread. A worker never waits for them: while too many are under way further ones are dropped and counted.
 */
import { BOUNDS } from '../core/bounds.js';
import type { TraceRecord } from './trace-record.js';

export interface TraceBatchOptions {
  /** @param lost spans that were dropped since the last batch. */
  readonly send: (records: readonly TraceRecord[], lost: number) => void;
  readonly pendingMax?: number;
  readonly flushMs?: number;
}

export class TraceBatch {
  readonly #options: TraceBatchOptions;
  readonly #pendingMax: number;
  readonly #flushMs: number;
  #records: TraceRecord[] = [];
  /** Of the records, and of each batch that was sent and is not yet taken in, the oldest first. */
  #weight = 0;
  readonly #sent: number[] = [];
  #sentWeight = 0;
  #lost = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: TraceBatchOptions) {
    this.#options = options;
    this.#pendingMax = options.pendingMax ?? BOUNDS.tracePendingMax;
    this.#flushMs = options.flushMs ?? BOUNDS.traceFlushMs;
  }

  add(record: TraceRecord): void {
    const weight = weigh(record);
    if (this.#sentWeight + this.#weight + weight > this.#pendingMax) {
      this.#lost += countSpans(record);
    } else {
      this.#records.push(record);
      this.#weight += weight;
    }
    if (this.#records.length >= BOUNDS.traceBatchMax) this.flush();
    // It keeps the thread alive, so that what is written on the way out is not lost.
    else this.#timer ??= setTimeout(() => this.flush(), this.#flushMs);
  }

  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#records.length === 0 && this.#lost === 0) return;
    const [records, lost] = [this.#records, this.#lost];
    if (records.length > 0) {
      this.#sent.push(this.#weight);
      this.#sentWeight += this.#weight;
    }
    this.#records = [];
    this.#weight = 0;
    this.#lost = 0;
    this.#options.send(records, lost);
  }

  /** The exporter has taken in the oldest batch of records, or lost it. */
  acknowledge(): void {
    this.#sentWeight -= this.#sent.shift() ?? 0;
  }
}

const WEIGHT_BYTES = 1024;

/** In some KB: what a record takes without content, and what that takes. */
function weigh({ request, response }: TraceRecord): number {
  return 1 + Math.ceil(((request?.length ?? 0) + (response?.length ?? 0)) / WEIGHT_BYTES);
}

/** One of the exchange's own, and one for each attempt. */
export function countSpans({ attempts }: Pick<TraceRecord, 'attempts'>): number {
  return 1 + attempts.length;
}

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
  /** Sent, and not yet taken in by the exporter. */
  #underWay = 0;
  #lost = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: TraceBatchOptions) {
    this.#options = options;
    this.#pendingMax = options.pendingMax ?? BOUNDS.tracePendingMax;
    this.#flushMs = options.flushMs ?? BOUNDS.traceFlushMs;
  }

  add(record: TraceRecord): void {
    if (this.#underWay + this.#records.length >= this.#pendingMax) {
      this.#lost += countSpans(record);
    } else {
      this.#records.push(record);
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
    this.#records = [];
    this.#lost = 0;
    this.#underWay += records.length;
    this.#options.send(records, lost);
  }

  /** The exporter has taken in so many records, or lost them. */
  acknowledge(records: number): void {
    this.#underWay = Math.max(0, this.#underWay - records);
  }
}

/** One of the exchange's own, and one for each attempt. */
export function countSpans({ attempts }: Pick<TraceRecord, 'attempts'>): number {
  return 1 + attempts.length;
}

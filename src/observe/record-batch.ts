/**
 * Exchanges of one worker that are over, and of which something is still to be written: an access line, a usage record.
 * They are written some at a time. Between a request and the next one a loop runs through far more code and memory than
 * a core's caches hold, so that whatever is done once an exchange begins cold each time, and costs two to four times what
 * it costs in a row. Nobody waits for a line or a record, and so these are made in a row.
 */
import { BOUNDS } from '../core/bounds.js';
import type { Exchange } from '../exchange.js';

/** Of one generation; each exchange is written by that with which it began. */
export interface RecordWriter {
  /** @param endedMs when the exchange was over; of core/clock.ts. */
  writeLine(exchange: Exchange, endedMs: number): void;
  writeUsage(exchange: Exchange, endedMs: number): void;
}

interface Entry {
  writer: RecordWriter;
  exchange: Exchange;
  endedMs: number;
}

/** @param onFault told of an exchange that could not be written; the others are. */
export class RecordBatch {
  readonly #onFault: (exchange: Exchange, thrown: unknown) => void;
  readonly #entries: Entry[] = [];
  #timer: NodeJS.Timeout | null = null;

  constructor(onFault: (exchange: Exchange, thrown: unknown) => void) {
    this.#onFault = onFault;
  }

  /** An exchange that is over: nothing of it changes any more. */
  add(writer: RecordWriter, exchange: Exchange, endedMs: number): void {
    this.#entries.push({ writer, exchange, endedMs });
    if (this.#entries.length >= BOUNDS.recordBatchMax) {
      this.flush();
    }
    // Left running when the batch fills up before it, and it keeps the thread alive: see LogBatch.
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.flush();
    }, BOUNDS.recordBatchMs);
  }

  flush(): void {
    const entries = this.#entries;
    // One after the other of each kind, not of each exchange: so each way is gone in a row.
    for (let at = 0; at < entries.length; at += 1) {
      const { writer, exchange, endedMs } = entries[at]!;
      try {
        writer.writeLine(exchange, endedMs);
      } catch (thrown) {
        this.#onFault(exchange, thrown);
      }
    }
    for (let at = 0; at < entries.length; at += 1) {
      const { writer, exchange, endedMs } = entries[at]!;
      try {
        writer.writeUsage(exchange, endedMs);
      } catch (thrown) {
        this.#onFault(exchange, thrown);
      }
    }
    entries.length = 0;
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.flush();
  }
}

/**
 * Exchanges of one worker that are over, and of which something is still to be written: an access line, a usage record.
 * Where there are many they are written some at a time. Between a request and the next one a loop runs through far more
 * code and memory than a core's caches hold, so that whatever is done once an exchange begins cold each time, and costs
 * two to four times what it costs in a row. Counting is not worth it: what an exchange is kept for costs as much.
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
  readonly writer: RecordWriter;
  readonly exchange: Exchange;
  readonly endedMs: number;
}

export class RecordBatch {
  readonly #onFault: (exchange: Exchange, thrown: unknown) => void;
  #entries: Entry[] = [];
  #timer: NodeJS.Timeout | null = null;

  /** @param onFault told of an exchange that could not be written; the others are. */
  constructor(onFault: (exchange: Exchange, thrown: unknown) => void) {
    this.#onFault = onFault;
  }

  /**
   * An exchange that is over: nothing of it changes any more.
   * @param inFlight exchanges that run still; where there are few it is written at once.
   */
  add(writer: RecordWriter, exchange: Exchange, endedMs: number, inFlight: number): void {
    this.#entries.push({ writer, exchange, endedMs });
    if (inFlight < BOUNDS.recordAtOnceBelow || this.#entries.length >= BOUNDS.recordBatchMax) {
      this.flush();
      return;
    }
    // Left running when the batch fills up before it, and it keeps the thread alive: see LogBatch.
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.flush();
    }, BOUNDS.recordBatchMs);
  }

  flush(): void {
    const entries = this.#entries;
    if (entries.length > 0) {
      this.#entries = [];
      // One after the other of each kind, not of each exchange: so each way is gone in a row.
      this.#writeAll(entries, writeLine);
      this.#writeAll(entries, writeUsage);
    }
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.flush();
  }

  #writeAll(entries: readonly Entry[], write: (entry: Entry) => void): void {
    for (let at = 0; at < entries.length; at += 1) {
      try {
        write(entries[at]!);
      } catch (thrown) {
        this.#onFault(entries[at]!.exchange, thrown);
      }
    }
  }
}

function writeLine({ writer, exchange, endedMs }: Entry): void {
  writer.writeLine(exchange, endedMs);
}

function writeUsage({ writer, exchange, endedMs }: Entry): void {
  writer.writeUsage(exchange, endedMs);
}

/**
 * A worker's end of the log. Lines gather in one buffer and go to the primary in batches, so that a line
 * costs a copy and not a message. A worker never waits for the log: when the primary can't get rid of
 * what it was sent, further lines are dropped and counted.
 */
import { BOUNDS } from '../core/bounds.js';

export interface LogBatchOptions {
  /** Hands whole lines to the primary. `lines` is reused afterwards: pack it before returning. */
  readonly send: (lines: Uint8Array, lineCount: number) => void;
  /** Called for each line that is dropped. */
  readonly countDropped: () => void;
  readonly batchBytesMax?: number;
  readonly pendingBytesMax?: number;
  readonly flushMs?: number;
}

export class LogBatch {
  readonly #options: LogBatchOptions;
  readonly #buffer: Buffer;
  readonly #pendingBytesMax: number;
  readonly #flushMs: number;
  #usedBytes = 0;
  #lineCount = 0;
  /** Sent, and not yet taken by whatever the primary writes to. */
  #unacknowledgedBytes = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: LogBatchOptions) {
    this.#options = options;
    this.#buffer = Buffer.allocUnsafeSlow(options.batchBytesMax ?? BOUNDS.logBatchBytesMax);
    this.#pendingBytesMax = options.pendingBytesMax ?? BOUNDS.logPendingBytesMax;
    this.#flushMs = options.flushMs ?? BOUNDS.logFlushMs;
  }

  /** Bytes that this worker answers for: gathered, or sent and not yet written. */
  get pendingBytes(): number {
    return this.#usedBytes + this.#unacknowledgedBytes;
  }

  /** `line` ends in a newline. */
  write(line: string): void {
    // A line has at least as many bytes as characters and at most three times as many; counting them is
    // only worth it where that is not enough to decide.
    const { length: capacity } = this.#buffer;
    if (
      this.#usedBytes + line.length * 3 > capacity ||
      this.pendingBytes + line.length * 3 > this.#pendingBytesMax
    ) {
      const lineBytes = Buffer.byteLength(line);
      if (this.pendingBytes + lineBytes > this.#pendingBytesMax) {
        this.#options.countDropped();
        return;
      }
      if (this.#usedBytes + lineBytes > capacity) this.flush();
      if (lineBytes > capacity) {
        this.#unacknowledgedBytes += lineBytes;
        this.#options.send(Buffer.from(line), 1);
        return;
      }
    }
    this.#usedBytes += this.#buffer.write(line, this.#usedBytes);
    this.#lineCount += 1;
    // The timer is left running when a batch fills up before it: a line then waits less, never more. It
    // keeps the thread alive, so that lines written on the way out are not lost.
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.flush();
    }, this.#flushMs);
  }

  flush(): void {
    if (this.#usedBytes === 0) return;
    const lines = this.#buffer.subarray(0, this.#usedBytes);
    const lineCount = this.#lineCount;
    this.#unacknowledgedBytes += this.#usedBytes;
    this.#usedBytes = 0;
    this.#lineCount = 0;
    this.#options.send(lines, lineCount);
  }

  /** The primary got rid of this many bytes of what it was sent. */
  acknowledge(bytes: number): void {
    this.#unacknowledgedBytes = Math.max(0, this.#unacknowledgedBytes - bytes);
  }

  /** Sends what there is and lets the thread end. */
  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.flush();
  }
}

/**
 * A worker's end of the log. Lines are written into memory that is shared with the primary, which writes them out from
 * there; told of are only places in it, once a batch, so that a line costs a copy and not a message. A worker never waits
 * for the log: when the memory is full because the primary can't get rid of what it holds, further lines are dropped and
 * counted.
 *
 * The memory is a ring. What was sent is given back in the order in which it was sent.
 */
import { BOUNDS } from '../core/bounds.js';

export interface LogBatchOptions {
  /** Of createLogMemory(); shared with the primary. */
  readonly memory: SharedArrayBuffer;
  /** Tells the primary of whole lines; they stay where they are until acknowledge(). */
  readonly send: (batch: SentLines) => void;
  /** Called for each line that is dropped. */
  readonly countDropped: () => void;
  readonly batchBytesMax?: number;
  readonly flushMs?: number;
}

/** A place in the worker's memory. */
export interface SentLines {
  readonly start: number;
  readonly bytes: number;
  readonly lineCount: number;
}

/** The system gives it out page by page, so one that is never filled does not take its size. */
export function createLogMemory(bytes: number = BOUNDS.logPendingBytesMax): SharedArrayBuffer {
  return new SharedArrayBuffer(bytes);
}

/** The lines in a worker's memory, until they are acknowledged. */
export function viewLines(memory: SharedArrayBuffer, { start, bytes }: SentLines): Uint8Array {
  return new Uint8Array(memory, start, bytes);
}

/** As many as UTF-8 can make of a unit of a string. */
const BYTES_PER_UNIT_MAX = 3;

export class LogBatch {
  readonly #options: LogBatchOptions;
  readonly #memory: Buffer;
  readonly #batchBytesMax: number;
  readonly #flushMs: number;
  /** What is gathered begins and ends here. */
  #start = 0;
  #end = 0;
  #lineCount = 0;
  /** Where batches that were sent begin, the oldest first; and how many bytes they have together. */
  readonly #sentStarts: number[] = [];
  #sentBytes = 0;
  #timer: NodeJS.Timeout | null = null;
  /** It runs for the second time. */
  #hasWaited = false;

  constructor(options: LogBatchOptions) {
    this.#options = options;
    this.#memory = Buffer.from(options.memory);
    this.#batchBytesMax = options.batchBytesMax ?? BOUNDS.logBatchBytesMax;
    this.#flushMs = options.flushMs ?? BOUNDS.logFlushMs;
  }

  /** Bytes that this worker answers for: gathered, or sent and not yet written. */
  get pendingBytes(): number {
    return this.#end - this.#start + this.#sentBytes;
  }

  /** `line` ends in a newline. */
  write(line: string, isAscii = false): void {
    // Counting the bytes is only worth it where the most that they can be is not enough to decide.
    if (!this.#hasRoom(line.length * BYTES_PER_UNIT_MAX)) {
      const bytes = Buffer.byteLength(line);
      if (!this.#hasRoom(bytes) && !this.#beginAnew(bytes)) {
        this.#options.countDropped();
        return;
      }
    }
    this.#end += this.#memory.write(line, this.#end, isAscii ? 'latin1' : 'utf8');
    this.#lineCount += 1;
    if (this.#end - this.#start >= this.#batchBytesMax) {
      this.flush();
    }
    // The timer is left running when a batch fills up before it: a line then waits less, never more. It
    // keeps the thread alive, so that lines written on the way out are not lost.
    this.#timer ??= setTimeout(this.#onTime, this.#flushMs);
  }

  /** A batch costs the primary the same whatever is in it, so that where much is logged it waits for more. */
  readonly #onTime = (): void => {
    const waitsOn = this.#end - this.#start >= BOUNDS.logBusyBytes && !this.#hasWaited;
    this.#hasWaited = waitsOn;
    if (waitsOn) {
      this.#timer = setTimeout(this.#onTime, BOUNDS.logBusyFlushMs - BOUNDS.logFlushMs);
    } else {
      this.#timer = null;
      this.flush();
    }
  };

  flush(): void {
    const bytes = this.#end - this.#start;
    if (bytes === 0) return;
    const batch = { start: this.#start, bytes, lineCount: this.#lineCount };
    this.#sentStarts.push(this.#start);
    this.#sentBytes += bytes;
    this.#start = this.#end;
    this.#lineCount = 0;
    this.#options.send(batch);
  }

  /** The primary got rid of the oldest batch, which had this many bytes. */
  acknowledge(bytes: number): void {
    if (this.#sentStarts.shift() === undefined) return;
    this.#sentBytes -= bytes;
    if (this.pendingBytes === 0) {
      // From the beginning again: a log that is taken at once goes round in a few pages.
      this.#start = 0;
      this.#end = 0;
    }
  }

  /** Sends what there is and lets the thread end. */
  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.flush();
  }

  /** Whether so many bytes can follow what is gathered. */
  #hasRoom(bytes: number): boolean {
    const oldest = this.#oldest;
    // One byte stays free, or a full ring would look like an empty one.
    return this.#end < oldest
      ? oldest - this.#end > bytes
      : this.#memory.length - this.#end >= bytes;
  }

  /** Sends what is gathered and goes on at the ring's beginning, if so many bytes are free there. */
  #beginAnew(bytes: number): boolean {
    this.flush();
    const oldest = this.#oldest;
    if (this.#end < oldest || oldest <= bytes) {
      return false;
    }
    this.#start = 0;
    this.#end = 0;
    return true;
  }

  /** Where what is not acknowledged begins. */
  get #oldest(): number {
    return this.#sentStarts[0] ?? this.#start;
  }
}

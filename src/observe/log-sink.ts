/**
 * The primary's end of the log: takes batches of lines from the workers and from its own logger, and
 * writes them to stdout through pino's destination, off the event loop.
 *
 * The destination is given one chunk at a time; what follows waits here. So it is known what was really
 * taken, and the end of the process does not depend on the destination's flushSync(), which in
 * sonic-boom 4.2.1 tries again for ever when the reader has gone away (EPIPE).
 */
import { writeSync } from 'node:fs';
import { pino } from 'pino';
import { BOUNDS } from '../core/bounds.js';
import { nowMs } from '../core/clock.js';

export interface LogSinkOptions {
  /** 1 is stdout. */
  readonly fd?: number;
  /** For lines of the primary itself; the workers bound their own. */
  readonly pendingBytesMax?: number;
}

const NOTHING = new Uint8Array(0);

/** How long a reader that is behind gets to make room. A pipe holds 64 KB, so this still passes 16 MB/s. */
const BUSY_MS = 4;

interface Batch {
  readonly bytes: Uint8Array;
  readonly lineCount: number;
  /** Called once, when the destination has taken the batch or it is given up. */
  readonly onDone: (() => void) | null;
}

type Destination = ReturnType<typeof pino.destination>;

export class LogSink {
  readonly #fd: number;
  readonly #pendingBytesMax: number;
  #destination: Destination | null = null;
  #queue: Batch[] = [];
  #inFlight: Batch[] = [];
  /** The bytes of #inFlight, and how many of them are written. */
  #chunk: Uint8Array = NOTHING;
  #chunkBytesWritten = 0;
  /** Runs while the reader is given time to make room. */
  #busyTimer: NodeJS.Timeout | null = null;
  #pendingBytes = 0;
  #bytesTaken = 0;
  #linesLost = 0;
  #isReaderGone = false;
  #retryAtMs = 0;
  #waiting: (() => void)[] = [];

  constructor(options: LogSinkOptions = {}) {
    this.#fd = options.fd ?? 1;
    this.#pendingBytesMax = options.pendingBytesMax ?? BOUNDS.logPendingBytesMax;
  }

  /** Lines that could not be written, or found no place. */
  get linesLost(): number {
    return this.#linesLost;
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Whole lines from a worker. `onDone` is where its bytes are acknowledged. */
  writeBatch(bytes: Uint8Array, lineCount: number, onDone: () => void): void {
    this.#enqueue({ bytes, lineCount, onDone });
  }

  /** One line of the primary's own; makes the sink a destination for pino. */
  write(line: string): void {
    if (this.#pendingBytes + line.length > this.#pendingBytesMax) {
      this.#linesLost += 1;
      return;
    }
    this.#enqueue({ bytes: Buffer.from(line), lineCount: 1, onDone: null });
  }

  /** Resolves when everything written so far was taken or given up. */
  drain(): Promise<void> {
    if (this.#isIdle()) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  /**
   * For a process that ends in order: like drain(), but what is left is given up when nothing was taken for `stallMs`.
   *
   * @returns false where a write is under way that nobody takes. It can't be taken back, and Node waits for it even when
   * the process is told to exit: such a process can only be killed.
   */
  finish(stallMs: number = BOUNDS.logStallMs): Promise<boolean> {
    return new Promise((resolve) => {
      let taken = this.#bytesTaken;
      const timer = setInterval(() => {
        if (this.#bytesTaken === taken) {
          clearInterval(timer);
          resolve(this.#abandon());
        }
        taken = this.#bytesTaken;
      }, stallMs);
      void this.drain().then(() => {
        clearInterval(timer);
        resolve(true);
      });
    });
  }

  /** Gives up all that is left, but for a write that is under way; false: there is one. */
  #abandon(): boolean {
    this.#isReaderGone = true;
    if (this.#busyTimer === null) return this.#isIdle();
    clearTimeout(this.#busyTimer);
    this.#busyTimer = null;
    this.#settleInFlight((batch) => this.#giveUp(batch));
    return true;
  }

  /**
   * For the last moments of the process, when the event loop turns no more; otherwise await finish(). Blocks
   * for `timeMsMax` at most where stdout answers EAGAIN; what can't be written by then is lost. A pipe in
   * blocking mode whose reader stands still blocks for longer: nothing in user space can prevent that.
   */
  flushSync(timeMsMax: number = BOUNDS.logExitMs): void {
    const deadlineMs = nowMs() + timeMsMax;
    if (this.#busyTimer !== null) {
      // Nothing is under way, and it is known where the chunk was left.
      clearTimeout(this.#busyTimer);
      this.#busyTimer = null;
      this.#queue.unshift({
        bytes: this.#chunk.subarray(this.#chunkBytesWritten),
        lineCount: this.#inFlight.reduce((sum, batch) => sum + batch.lineCount, 0),
        onDone: null,
      });
      this.#pendingBytes += this.#chunk.byteLength - this.#chunkBytesWritten;
      for (const batch of this.#inFlight) this.#finish(batch);
      this.#inFlight = [];
    } else if (this.#inFlight.length > 0) {
      // A write that is under way runs in another thread and normally ends within microseconds. There is
      // no asking it, so it gets a moment, lest the lines behind it come first.
      sleep(Math.min(20, timeMsMax));
    }
    const batches = this.#queue;
    this.#queue = [];
    for (const batch of batches) {
      if (this.#isReaderGone || !writeFully(this.#fd, batch.bytes, deadlineMs)) {
        this.#linesLost += batch.lineCount;
      }
      this.#finish(batch);
    }
  }

  #isIdle(): boolean {
    return this.#queue.length === 0 && this.#inFlight.length === 0;
  }

  #enqueue(batch: Batch): void {
    this.#pendingBytes += batch.bytes.byteLength;
    this.#queue.push(batch);
    if (this.#inFlight.length === 0) this.#writeNext();
  }

  #writeNext(): void {
    if (this.#queue.length > 0 && (this.#isReaderGone || nowMs() < this.#retryAtMs)) {
      const given = this.#queue;
      this.#queue = [];
      for (const batch of given) this.#giveUp(batch);
    }
    if (this.#queue.length > 0) {
      this.#inFlight = takeUpTo(this.#queue, BOUNDS.logBatchBytesMax);
      const [first] = this.#inFlight;
      this.#chunk =
        this.#inFlight.length === 1 && first !== undefined
          ? first.bytes
          : Buffer.concat(this.#inFlight.map((batch) => batch.bytes));
      this.#chunkBytesWritten = 0;
      this.#writeChunk();
      return;
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  #writeChunk(): void {
    this.#destination ??= this.#open();
    writeBytes(this.#destination, this.#chunk.subarray(this.#chunkBytesWritten));
  }

  #open(): Destination {
    const destination = pino.destination({
      fd: this.#fd,
      sync: false,
      contentMode: 'buffer',
      // By itself it would wait 100 ms, which holds a reader that is only a little slow to 1.3 MB/s.
      retryEAGAIN: () => false,
    });
    destination.on('write', (bytes: number) => {
      this.#bytesTaken += bytes;
      if (this.#destination === destination) this.#chunkBytesWritten += bytes;
    });
    destination.on('drain', () => {
      if (this.#destination !== destination) return;
      this.#settleInFlight((batch) => this.#finish(batch));
    });
    destination.on('error', (error: NodeJS.ErrnoException) => {
      if (this.#destination !== destination) return;
      this.#destination = null;
      // Otherwise pino would flush what failed once more at exit. This leaves stdout itself open.
      destination.destroy();
      if (error.code === 'EAGAIN' || error.code === 'EBUSY') {
        this.#busyTimer = setTimeout(() => {
          this.#busyTimer = null;
          this.#writeChunk();
        }, BUSY_MS);
        return;
      }
      if (error.code === 'EPIPE') this.#isReaderGone = true;
      else this.#retryAtMs = nowMs() + BOUNDS.logRetryMs;
      this.#settleInFlight((batch) => this.#giveUp(batch));
    });
    return destination;
  }

  #settleInFlight(settle: (batch: Batch) => void): void {
    const batches = this.#inFlight;
    this.#inFlight = [];
    this.#chunk = NOTHING;
    for (const batch of batches) settle(batch);
    this.#writeNext();
  }

  #giveUp(batch: Batch): void {
    this.#linesLost += batch.lineCount;
    this.#finish(batch);
  }

  #finish(batch: Batch): void {
    this.#pendingBytes -= batch.bytes.byteLength;
    batch.onDone?.();
  }
}

/** The types of pino know only text; with `contentMode: 'buffer'` it is bytes that the destination takes. */
function writeBytes(destination: Destination, chunk: Uint8Array): void {
  (destination as unknown as { write(chunk: Uint8Array): boolean }).write(chunk);
}

/** Takes batches off the front: at least one, and then as many as fit. */
function takeUpTo(queue: Batch[], bytesMax: number): Batch[] {
  let count = 0;
  let bytes = 0;
  for (const batch of queue) {
    if (count > 0 && bytes + batch.bytes.byteLength > bytesMax) break;
    bytes += batch.bytes.byteLength;
    count += 1;
  }
  return queue.splice(0, count);
}

function writeFully(fd: number, bytes: Uint8Array, deadlineMs: number): boolean {
  let written = 0;
  while (written < bytes.byteLength) {
    try {
      written += writeSync(fd, bytes, written);
    } catch (error) {
      const isBusy = error instanceof Error && 'code' in error && error.code === 'EAGAIN';
      if (!isBusy || nowMs() >= deadlineMs) return false;
      sleep(10);
    }
  }
  return true;
}

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

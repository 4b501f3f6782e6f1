/**
 * The way of usage records from a worker to the primary: memory that both share, written by the one and read by the
 * other. No message tells of a record, so that it costs the worker its encoding and one store; and what a worker has
 * written is there whatever becomes of the worker. A worker never waits: where the ring is full, the record is lost and
 * counted.
 *
 * Each record stands in one piece behind its length (16 bits). The writer goes back to the beginning where the end has no
 * room for the longest record. Where everything was taken, the reader sets it back, so that a ring that is read in time
 * stays in a few pages; a record that was under way is then moved by its writer, which sees it when it is done.
 */
import { BOUNDS } from '../core/bounds.js';

/** Places in the words at the beginning; each writer's are on a cache line of their own. */
const HEAD = 0;
/** Where the lap before this one ends; of meaning while HEAD is below TAIL. */
const WRAP = 1;
const LOST = 2;
const TAIL = 16;
const CONTROL_WORDS = 32;
const CONTROL_BYTES = CONTROL_WORDS * Int32Array.BYTES_PER_ELEMENT;
const LENGTH_BYTES = 2;
/** A ring that was used up to here is begun anew when it is empty. */
const USED_BYTES_MIN = 256 * 1024;

/** The system gives it out page by page, so one that is never filled does not take its size. */
export function createUsageRing(bytes: number = BOUNDS.usageRingBytesMax): SharedArrayBuffer {
  return new SharedArrayBuffer(CONTROL_BYTES + bytes);
}

/** A worker's end. One writer at a time; another one after it goes on where it has stopped. */
export class UsageRingWriter {
  /** A record is encoded right into it. */
  readonly bytes: Buffer;
  readonly #control: Int32Array;
  readonly #roomMin: number;
  /** What HEAD was when the place was reserved, and where that is. */
  #head = 0;
  #start = 0;

  /** @param recordBytesMax of the longest record that there can be. */
  constructor(memory: SharedArrayBuffer, recordBytesMax: number = BOUNDS.usageRecordBytesMax) {
    this.#control = new Int32Array(memory, 0, CONTROL_WORDS);
    this.bytes = Buffer.from(memory, CONTROL_BYTES);
    this.#roomMin = recordBytesMax + LENGTH_BYTES;
  }

  /** @returns where in `bytes` the next record may be written; -1: there is no room, and one was counted as lost. */
  reserve(): number {
    const at = this.#find();
    // Between two looks the reader may have set the ring back; only then is HEAD another one.
    if (at >= 0 || Atomics.load(this.#control, HEAD) !== this.#head) {
      return at >= 0 ? at : this.#find();
    }
    Atomics.add(this.#control, LOST, 1);
    return -1;
  }

  #find(): number {
    const head = Atomics.load(this.#control, HEAD);
    const tail = Atomics.load(this.#control, TAIL);
    const roomMin = this.#roomMin;
    const limit = head < tail ? tail : this.bytes.length;
    this.#head = head;
    this.#start = head;
    // One byte stays free at least, or a full ring would look like an empty one.
    if (limit - head > roomMin) {
      return head + LENGTH_BYTES;
    }
    if (head >= tail && tail > roomMin) {
      Atomics.store(this.#control, WRAP, head);
      this.#start = 0;
      return LENGTH_BYTES;
    }
    return -1;
  }

  /** @param end one past the record that was written where reserve() said. */
  commit(end: number): void {
    const start = this.#start;
    const length = end - start - LENGTH_BYTES;
    this.bytes[start] = length & 0xff;
    this.bytes[start + 1] = length >> 8;
    if (Atomics.compareExchange(this.#control, HEAD, this.#head, end) !== this.#head) {
      // The ring was set back meanwhile.
      this.bytes.copyWithin(0, start, end);
      Atomics.store(this.#control, HEAD, end - start);
    }
  }
}

/** The primary's end. */
export class UsageRingReader {
  readonly #control: Int32Array;
  readonly #bytes: Buffer;
  readonly #usedBytesMin: number;

  /** @param usedBytesMin after which an empty ring is begun anew; more than the longest record with its length. */
  constructor(memory: SharedArrayBuffer, usedBytesMin: number = USED_BYTES_MIN) {
    this.#usedBytesMin = usedBytesMin;
    this.#control = new Int32Array(memory, 0, CONTROL_WORDS);
    this.#bytes = Buffer.from(memory, CONTROL_BYTES);
  }

  /** Records that found no room, since the ring was made. */
  get lostCount(): number {
    return Atomics.load(this.#control, LOST) >>> 0;
  }

  /** What can be taken, the lengths included. */
  get waitingBytes(): number {
    const head = Atomics.load(this.#control, HEAD);
    const tail = Atomics.load(this.#control, TAIL);
    return head >= tail ? head - tail : Atomics.load(this.#control, WRAP) - tail + head;
  }

  get capacityBytes(): number {
    return this.#bytes.length;
  }

  /**
   * Moves records, whole ones and the oldest first, to `into` from `at` on, one behind the other, until there are no
   * more or the next one would pass `end`.
   *
   * @returns one past the last, and how many they are.
   */
  take(into: Buffer, at: number, end: number): { readonly end: number; readonly records: number } {
    let next = at;
    let records = 0;
    const head = Atomics.load(this.#control, HEAD);
    let tail = Atomics.load(this.#control, TAIL);
    while (tail !== head) {
      if (head < tail && tail === Atomics.load(this.#control, WRAP)) {
        tail = 0;
        continue;
      }
      const length = (this.#bytes[tail] ?? 0) | ((this.#bytes[tail + 1] ?? 0) << 8);
      if (next + length > end) {
        break;
      }
      const from = tail + LENGTH_BYTES;
      next += this.#bytes.copy(into, next, from, from + length);
      tail = from + length;
      records += 1;
    }
    const isEmpty = tail === head && head >= this.#usedBytesMin;
    if (isEmpty && Atomics.compareExchange(this.#control, HEAD, head, 0) === head) {
      tail = 0;
    }
    Atomics.store(this.#control, TAIL, tail);
    return { end: next, records };
  }
}

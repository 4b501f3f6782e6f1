/** Gathers what the workers' rings hold into batches for a segment. The primary's alone. */
import { randomBytes } from 'node:crypto';
import { BOUNDS } from '../core/bounds.js';
import { UsageRingReader } from './ring.js';
import { BATCH_HEAD_BYTES, sealBatch } from './segment-format.js';

/** Batches that stand one behind the other, to be written at once. */
export interface Gathered {
  readonly bytes: Buffer;
  readonly records: number;
}

interface Ring {
  readonly reader: UsageRingReader;
  readonly worker: number;
  /** Nobody writes to it any more. */
  isRetired: boolean;
}

export class BatchGatherer {
  /** In the name of every segment; random, so that no other process has the same. */
  readonly writer = randomBytes(8).toString('hex');
  #rings: Ring[] = [];
  #lastBatch = 0;
  /** Of rings that are gone. */
  #lostBefore = 0;

  /** The worker's thread before this one has ended: what its ring holds is taken, then that is forgotten. */
  add(worker: number, memory: SharedArrayBuffer): void {
    for (const ring of this.#rings) {
      ring.isRetired ||= ring.worker === worker;
    }
    this.#rings.push({ reader: new UsageRingReader(memory), worker, isRetired: false });
  }

  /** Records that found no room. */
  get lostCount(): number {
    return this.#rings.reduce((sum, { reader }) => sum + reader.lostCount, this.#lostBefore);
  }

  /** Of records that were not gathered yet. */
  get waitingBytes(): number {
    return this.#rings.reduce((sum, { reader }) => sum + reader.waitingBytes, 0);
  }

  /** Whether a ring may fill up soon. */
  get isUrgent(): boolean {
    return this.#rings.some(({ reader }) => reader.waitingBytes * 4 >= reader.capacityBytes);
  }

  /** As much as may be written at once. null: there is nothing. */
  gather(): Gathered | null {
    const waiting = this.waitingBytes;
    this.#forgetRetired();
    if (waiting === 0) {
      return null;
    }
    // Each batch is filled but for what one more record would have taken.
    const batchesMax = Math.ceil(waiting / (BATCH_BYTES - BOUNDS.usageRecordBytesMax)) + 1;
    const room = Math.min(waiting + batchesMax * BATCH_HEAD_BYTES, BOUNDS.usageWriteBytesMax);
    const bytes = Buffer.allocUnsafe(room);
    let end = 0;
    let records = 0;
    for (;;) {
      const taken = this.#fillBatch(bytes, end);
      if (taken === null) {
        return records === 0 ? null : { bytes: bytes.subarray(0, end), records };
      }
      end = taken.end;
      records += taken.records;
    }
  }

  #fillBatch(bytes: Buffer, at: number): { end: number; records: number } | null {
    const from = at + BATCH_HEAD_BYTES;
    const limit = Math.min(from + BATCH_BYTES, bytes.length);
    let end = from;
    let records = 0;
    for (const { reader } of this.#rings) {
      const taken = reader.take(bytes, end, limit);
      end = taken.end;
      records += taken.records;
    }
    if (records === 0) {
      return null;
    }
    this.#lastBatch += 1;
    sealBatch(bytes, at, end, this.#lastBatch, records);
    return { end, records };
  }

  #forgetRetired(): void {
    this.#rings = this.#rings.filter(({ reader, isRetired }) => {
      const isKept = !isRetired || reader.waitingBytes > 0;
      if (!isKept) {
        this.#lostBefore += reader.lostCount;
      }
      return isKept;
    });
  }
}

const BATCH_BYTES = BOUNDS.usageBatchBytesMax;

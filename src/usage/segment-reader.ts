/**
 * Reads one segment, batch by batch, from its beginning or from where somebody has stopped. It may still be written to:
 * what is there whole is read, and the same reader goes on when more has come.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { BOUNDS } from '../core/bounds.js';
import {
  BATCH_HEAD_BYTES,
  type BatchHead,
  decodeSegmentHead,
  isSound,
  readBatchHead,
  SEGMENT_END,
  SEGMENT_HEAD_BYTES_MAX,
  type SegmentHead,
} from './segment-format.js';

export type ReadStep =
  /** `offset` is where the batch begins. */
  | {
      readonly kind: 'batch';
      readonly offset: number;
      readonly head: BatchHead;
      readonly records: Buffer;
    }
  /** A batch whose checksum is wrong, with something whole behind it. */
  | { readonly kind: 'damaged'; readonly offset: number; readonly head: BatchHead }
  /** Nothing more is there: the file was closed. */
  | { readonly kind: 'end' }
  /**
   * Nothing more is there that is whole: it is still to come, or a crash has cut it off. But where the file was closed
   * in good order behind it, what stands between has been damaged since.
   */
  | {
      readonly kind: 'tail';
      readonly offset: number;
      readonly restBytes: number;
      readonly isDamage: boolean;
    };

export class SegmentReader {
  readonly head: SegmentHead;
  readonly #file: FileHandle;
  #offset: number;

  private constructor(file: FileHandle, head: SegmentHead, offset: number) {
    this.#file = file;
    this.head = head;
    this.#offset = offset;
  }

  /**
   * @param offset of a batch, as a step has told it; 0: the first one.
   * @returns the reader, or why the file can't be read as a segment.
   * @throws what the file system throws.
   */
  static async open(path: string, offset = 0): Promise<SegmentReader | string> {
    const file = await open(path, 'r');
    try {
      const beginning = Buffer.alloc(SEGMENT_HEAD_BYTES_MAX);
      const { bytesRead } = await file.read(beginning, 0, beginning.length, 0);
      const decoded = decodeSegmentHead(beginning.subarray(0, bytesRead));
      if (decoded.head !== null) {
        return new SegmentReader(file, decoded.head, Math.max(offset, decoded.bytes));
      }
      await file.close();
      return decoded.reason;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Where the next batch begins. */
  get offset(): number {
    return this.#offset;
  }

  async next(): Promise<ReadStep> {
    const offset = this.#offset;
    const bytes = await this.#read(offset, BATCH_HEAD_BYTES);
    const head = readBatchHead(bytes, 0);
    if (head === null || head.bytes > BOUNDS.usageBatchBytesMax) {
      return this.#isEnd(bytes) ? { kind: 'end' } : this.#judgeTail(offset);
    }
    const records = await this.#read(offset + BATCH_HEAD_BYTES, head.bytes);
    const after = offset + BATCH_HEAD_BYTES + head.bytes;
    if (isSound(head, records)) {
      this.#offset = after;
      return { kind: 'batch', offset, head, records };
    }
    if (records.length === head.bytes && (await this.#isWholeAt(after))) {
      this.#offset = after;
      return { kind: 'damaged', offset, head };
    }
    return this.#judgeTail(offset);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #judgeTail(offset: number): Promise<ReadStep> {
    const { size } = await this.#file.stat();
    const end = Math.max(offset, size - SEGMENT_END.length);
    const isDamage = this.#isEnd(await this.#read(end, SEGMENT_END.length));
    return { kind: 'tail', offset, restBytes: Math.max(0, size - offset), isDamage };
  }

  #isEnd(bytes: Buffer): boolean {
    return bytes.subarray(0, SEGMENT_END.length).equals(SEGMENT_END);
  }

  async #isWholeAt(offset: number): Promise<boolean> {
    const bytes = await this.#read(offset, BATCH_HEAD_BYTES);
    return readBatchHead(bytes, 0) !== null || this.#isEnd(bytes);
  }

  /** Fewer bytes where the file ends before. */
  async #read(offset: number, length: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafe(length);
    let read = 0;
    while (read < length) {
      const { bytesRead } = await this.#file.read(bytes, read, length - read, offset + read);
      if (bytesRead === 0) {
        break;
      }
      read += bytesRead;
    }
    return bytes.subarray(0, read);
  }
}

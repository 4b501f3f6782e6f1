/**
 * Appends batches to segments: the primary's alone. A batch is on the disk when append() resolves. Where it rejects, the
 * caller still has the batch and may append it again later; it then goes to a new segment.
 */
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BOUNDS } from '../core/bounds.js';
import { encodeSegmentHead, SEGMENT_END } from './segment-format.js';
import { nameSegment } from './spool.js';

export interface SegmentWriterOptions {
  readonly dir: string;
  /** Tells this writer from others of the same directory. */
  readonly writer: string;
  readonly segmentBytesMax: number;
  /** The time of day. */
  readonly wallMs: () => number;
}

interface OpenSegment {
  readonly file: FileHandle;
  readonly createdMs: number;
  bytes: number;
}

export class SegmentWriter {
  readonly #options: SegmentWriterOptions;
  #open: OpenSegment | null = null;
  #openName: string | null = null;
  #segments = 0;
  #lastCreatedMs = 0;

  constructor(options: SegmentWriterOptions) {
    this.#options = options;
  }

  /** The segment that is written to, or is just being made; null: none is. */
  get openName(): string | null {
    return this.#openName;
  }

  /** @throws what the file system throws. */
  async append(bytes: Buffer): Promise<void> {
    if (this.#open !== null && this.#mustClose(this.#open, bytes.length)) {
      await this.close();
    }
    if (this.#open === null) {
      await this.#begin(bytes);
      return;
    }
    const segment = this.#open;
    try {
      await writeFully(segment.file, bytes, segment.bytes);
      await segment.file.datasync();
      segment.bytes += bytes.length;
    } catch (error) {
      await this.#abandon(segment);
      throw error;
    }
  }

  /** A segment that has been open for long is closed, so that whoever finds it later knows that it is whole. */
  async closeIfOld(): Promise<boolean> {
    if (this.#open === null || !this.#mustClose(this.#open, 0)) {
      return false;
    }
    await this.close();
    return true;
  }

  /** Without a failure: what is in the segment is on the disk, and its end is only a hint. */
  async close(): Promise<void> {
    const segment = this.#open;
    this.#open = null;
    this.#openName = null;
    if (segment !== null) {
      await writeFully(segment.file, SEGMENT_END, segment.bytes).catch(ignore);
      await segment.file.datasync().catch(ignore);
      await segment.file.close().catch(ignore);
    }
  }

  #mustClose(segment: OpenSegment, moreBytes: number): boolean {
    const ageMs = this.#options.wallMs() - segment.createdMs;
    return (
      segment.bytes + moreBytes > this.#options.segmentBytesMax || ageMs >= BOUNDS.usageSegmentAgeMs
    );
  }

  async #begin(bytes: Buffer): Promise<void> {
    const { dir, writer, wallMs } = this.#options;
    await mkdir(dir, { recursive: true, mode: 0o700 });
    // Names of one writer sort as they were made, whatever becomes of the time of day.
    this.#lastCreatedMs = Math.max(wallMs(), this.#lastCreatedMs);
    this.#segments += 1;
    const createdMs = this.#lastCreatedMs;
    const name = nameSegment(createdMs, writer, this.#segments);
    const path = join(dir, name);
    this.#openName = name;
    const file = await open(path, 'wx', 0o600).catch((error: unknown) => {
      this.#openName = null;
      throw error;
    });
    try {
      const head = encodeSegmentHead(writer, this.#segments, createdMs);
      const whole = Buffer.concat([head, bytes]);
      await writeFully(file, whole, 0);
      await file.sync();
      await syncDirectory(dir);
      this.#open = { file, createdMs, bytes: whole.length };
    } catch (error) {
      await file.close().catch(ignore);
      await rm(path, { force: true }).catch(ignore);
      this.#openName = null;
      throw error;
    }
  }

  /** What failed may be there in part; it is cut off if that can be had, and readers pass over it if not. */
  async #abandon(segment: OpenSegment): Promise<void> {
    this.#open = null;
    await segment.file.truncate(segment.bytes).catch(ignore);
    await segment.file.close().catch(ignore);
    this.#openName = null;
  }
}

async function writeFully(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    const { bytesWritten } = await file.write(
      bytes,
      written,
      bytes.length - written,
      position + written,
    );
    written += bytesWritten;
  }
}

/** A new file is there after a power failure when its directory was written out too. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function ignore(): void {
  // Nothing depends on it.
}

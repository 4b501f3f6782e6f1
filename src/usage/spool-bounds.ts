/**
 * Keeps the spool within `keep` and `keep_size`: removes its oldest segments. Where records are delivered, age removes
 * only what was; size removes whatever is the oldest, and what is lost by it is said and counted.
 */
import { rm } from 'node:fs/promises';
import type { UsageConfig } from '../config/model.js';
import { BOUNDS } from '../core/bounds.js';
import { wallClockMs } from '../core/clock.js';
import type { Deliverer } from './deliverer.js';
import type { UsageLogger } from './keeper.js';
import { countRecords, isClosed, listSegments, mayBeWritten, type SegmentFile } from './spool.js';

export interface SpoolBoundsOptions {
  readonly config: Pick<UsageConfig, 'dir' | 'keepMs' | 'keepBytes' | 'segmentBytes'>;
  /** null: nothing is delivered. */
  readonly deliverer: Pick<Deliverer, 'isInCharge' | 'findDelivered'> | null;
  /** Whether this process writes to the segment. */
  readonly isOpen: (name: string) => boolean;
  /** Whether the segment is one of this process's. */
  readonly isOwn: (writer: string) => boolean;
  readonly logger: UsageLogger;
}

export class SpoolBounds {
  readonly #options: SpoolBoundsOptions;
  #timer: NodeJS.Timeout | null = null;
  #looking: Promise<void> | null = null;
  #isAskedAgain = false;
  #dropped = 0;
  #spoolBytes = 0;
  #undeliveredBytes = 0;
  #isFailing = false;

  constructor(options: SpoolBoundsOptions) {
    this.#options = options;
  }

  /** Records that were removed before they were delivered. */
  get dropped(): number {
    return this.#dropped;
  }

  get spoolBytes(): number {
    return this.#spoolBytes;
  }

  /** As of the last look, once a minute; 0 where nothing is delivered. */
  get undeliveredBytes(): number {
    return this.#undeliveredBytes;
  }

  start(): void {
    this.lookSoon();
    this.#timer = setInterval(() => this.lookSoon(), BOUNDS.usageBoundsMs);
  }

  /** Once nothing is appended any more: resolves when the last look that was asked for is over. */
  async stop(): Promise<void> {
    if (this.#timer !== null) {
      clearInterval(this.#timer);
      this.#timer = null;
    }
    // A look that was asked for during this one still counts: the last segments came after it had listed the files.
    while (this.#looking !== null) {
      await this.#looking;
    }
  }

  onAppended(bytes: number, isNewSegment: boolean): void {
    this.#spoolBytes += bytes;
    if (isNewSegment) {
      this.lookSoon();
    }
  }

  /** At once, or when the look that is under way is over. */
  lookSoon(): void {
    if (this.#looking !== null) {
      this.#isAskedAgain = true;
      return;
    }
    this.#looking = this.look().finally(() => {
      this.#looking = null;
      if (this.#isAskedAgain) {
        this.#isAskedAgain = false;
        this.lookSoon();
      }
    });
  }

  async look(): Promise<void> {
    try {
      await this.#look();
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) {
        this.#isFailing = true;
        const reason = error instanceof Error ? error.message : String(error);
        this.#options.logger.error({ reason }, 'old usage records can’t be removed');
      }
    }
  }

  async #look(): Promise<void> {
    const { config, deliverer } = this.#options;
    const files = await listSegments(config.dir);
    this.#spoolBytes = files.reduce((sum, { bytes }) => sum + bytes, 0);
    // The segment that is written to has room to grow before it is looked again.
    let total = files.reduce((sum, file) => sum + this.#measure(file), 0);
    const delivered = deliverer === null ? null : await deliverer.findDelivered();
    this.#undeliveredBytes =
      delivered === null
        ? 0
        : files.reduce((sum, { name, bytes }) => sum + (delivered.restBytes(name, bytes) ?? 0), 0);
    // Of several processes that share the directory, who delivers also removes.
    if (deliverer !== null && !deliverer.isInCharge) {
      return;
    }
    const wallMs = wallClockMs();
    for (const file of files) {
      const isDelivered = delivered === null || delivered.isDone(file.name);
      const isOver = total > config.keepBytes;
      const isOld = wallMs - file.createdMs > config.keepMs && isDelivered;
      if ((isOver || isOld) && !(await this.#isInUse(file, wallMs))) {
        if (!isDelivered) {
          const [offset, skip] = delivered.placeIn(file.name);
          await this.#sayDropped(file, offset, skip);
        }
        await rm(file.path, { force: true });
        total -= file.bytes;
        this.#spoolBytes -= file.bytes;
      }
    }
  }

  #measure({ name, bytes }: SegmentFile): number {
    const { config, isOpen } = this.#options;
    return isOpen(name) ? Math.max(bytes, config.segmentBytes) : bytes;
  }

  /** What another process may still write to is left alone for as long as a segment can be open. */
  async #isInUse(file: SegmentFile, wallMs: number): Promise<boolean> {
    const { isOpen, isOwn } = this.#options;
    if (isOwn(file.writer)) {
      return isOpen(file.name);
    }
    return mayBeWritten(file, wallMs) && !(await isClosed(file));
  }

  async #sayDropped(file: SegmentFile, offset: number, skip: number): Promise<void> {
    const records = await countRecords(file.path, offset, skip).catch(() => 0);
    this.#dropped += records;
    if (records > 0) {
      this.#options.logger.error(
        { segment: file.name, records, keep_size: this.#options.config.keepBytes },
        'usage records were removed before they were delivered, because the spool is full',
      );
    }
  }
}

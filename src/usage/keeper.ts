/**
 * The primary's side of usage records: takes them from the workers' rings, writes them to the spool every `flush_every`,
 * and keeps the spool within its bounds. Whatever the disk does, no exchange waits for it: while it can't be written to,
 * one write's worth waits here and the rest in the rings, and what finds no room there is lost and counted.
 */
import type { UsageConfig } from '../config/model.js';
import { BOUNDS } from '../core/bounds.js';
import { nowMs, wallClockMs } from '../core/clock.js';
import type { UsageSample } from '../observe/usage-metrics.js';
import { BatchGatherer, type Gathered } from './batches.js';
import { Deliverer } from './deliverer.js';
import { createUsageRing } from './ring.js';
import { SegmentWriter } from './segment-writer.js';
import { SpoolBounds } from './spool-bounds.js';

/** As much of a logger as is needed. */
export interface UsageLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface UsageKeeperOptions {
  readonly config: UsageConfig;
  readonly version: string;
  readonly logger: UsageLogger;
}

export class UsageKeeper {
  readonly #options: UsageKeeperOptions;
  readonly #gatherer = new BatchGatherer();
  readonly #writer: SegmentWriter;
  readonly #bounds: SpoolBounds;
  readonly #deliverer: Deliverer | null;
  #timer: NodeJS.Timeout | null = null;
  #ticks = 0;
  #flushing: Promise<void> | null = null;
  /** Taken from the rings and not on the disk yet. */
  #pending: Gathered | null = null;
  #retryAtMs = 0;
  #isFailing = false;
  #written = 0;
  #failures = 0;
  #lostSaid = 0;

  constructor(options: UsageKeeperOptions) {
    const { config, logger, version } = options;
    this.#options = options;
    this.#writer = new SegmentWriter({
      dir: config.dir,
      writer: this.#gatherer.writer,
      segmentBytesMax: config.segmentBytes,
      wallMs: wallClockMs,
    });
    const isOpen = (name: string): boolean => name === this.#writer.openName;
    const isOwn = (writer: string): boolean => writer === this.#gatherer.writer;
    const { deliver, dir } = config;
    this.#deliverer =
      deliver === null ? null : new Deliverer({ deliver, dir, isOpen, isOwn, logger, version });
    this.#bounds = new SpoolBounds({ config, isOpen, isOwn, logger, deliverer: this.#deliverer });
  }

  /** Memory for a worker's records, to be handed to its thread. What the one before it has written is kept. */
  openRing(worker: number): SharedArrayBuffer {
    const memory = createUsageRing();
    this.#gatherer.add(worker, memory);
    return memory;
  }

  start(): void {
    const { flushEveryMs } = this.#options.config;
    const looks = Math.ceil(flushEveryMs / BOUNDS.usageLookMs);
    this.#timer = setInterval(() => {
      this.#ticks += 1;
      if (this.#ticks % looks === 0 || this.#gatherer.isUrgent) {
        void this.flush();
      }
    }, flushEveryMs / looks);
    this.#bounds.start();
    this.#deliverer?.start();
  }

  /** When all workers have ended: writes what there is, and tries for a bounded time to deliver it. */
  async stop(): Promise<void> {
    if (this.#timer === null) {
      return;
    }
    clearInterval(this.#timer);
    this.#timer = null;
    const deadlineMs = nowMs() + BOUNDS.usageStopMs;
    // A disk that hangs, and a receiver that does, must not hold up the end of the process.
    const isFlushed = await within(this.#flushLast(), deadlineMs - nowMs());
    if (!isFlushed) {
      const { dir } = this.#options.config;
      this.#options.logger.error({ dir }, 'the last usage records could not be written in time');
    }
    await this.#deliverer?.stop(Math.max(0, deadlineMs - nowMs()));
  }

  readSample(): UsageSample {
    return {
      written: this.#written,
      lost: this.#gatherer.lostCount,
      writeFailures: this.#failures,
      spoolBytes: this.#bounds.spoolBytes,
      dropped: this.#bounds.dropped,
      delivered: this.#deliverer?.delivered ?? 0,
      deliveryFailures: this.#deliverer?.failures ?? 0,
      undeliveredBytes: this.#bounds.undeliveredBytes,
    };
  }

  /** Writes out what the rings hold. Resolves when that is done, or has failed; one at a time. */
  flush(): Promise<void> {
    if (this.#flushing === null && nowMs() >= this.#retryAtMs) {
      this.#flushing = this.#write().finally(() => {
        this.#flushing = null;
      });
    }
    return this.#flushing ?? Promise.resolve();
  }

  async #flushLast(): Promise<void> {
    await this.#flushing;
    this.#retryAtMs = 0;
    await this.flush();
    await this.#writer.close();
    await this.#bounds.stop();
    if (this.#pending !== null) {
      const { records } = this.#pending;
      const { dir } = this.#options.config;
      this.#options.logger.error(
        { dir, records, waiting_bytes: this.#gatherer.waitingBytes },
        'the last usage records could not be written, and are lost',
      );
    }
  }

  async #write(): Promise<void> {
    const { logger, config } = this.#options;
    try {
      for (;;) {
        this.#pending ??= this.#gatherer.gather();
        if (this.#pending === null) {
          break;
        }
        const { bytes, records } = this.#pending;
        const before = this.#writer.openName;
        await this.#writer.append(bytes);
        this.#pending = null;
        this.#written += records;
        this.#bounds.onAppended(bytes.length, before !== this.#writer.openName);
      }
      if (await this.#writer.closeIfOld()) {
        this.#bounds.lookSoon();
      }
      if (this.#isFailing) {
        this.#isFailing = false;
        logger.info({ dir: config.dir }, 'usage records are written again');
      }
    } catch (error) {
      this.#onFailure(error);
    }
    this.#sayLost();
  }

  /** Said once, until it is over. */
  #onFailure(error: unknown): void {
    this.#failures += 1;
    this.#retryAtMs = nowMs() + BOUNDS.usageRetryMs;
    if (!this.#isFailing) {
      this.#isFailing = true;
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.logger.error(
        { dir: this.#options.config.dir, reason },
        'usage records can’t be written; they wait in memory, and are lost when that is full',
      );
    }
  }

  #sayLost(): void {
    const lost = this.#gatherer.lostCount;
    if (lost > this.#lostSaid) {
      const records = lost - this.#lostSaid;
      this.#lostSaid = lost;
      this.#options.logger.error(
        { records },
        'usage records were lost: the memory for them was full',
      );
    }
  }
}

/** null: no usage records are asked for. */
export function openUsageKeeper(
  config: UsageConfig | null,
  version: string,
  logger: UsageLogger,
): UsageKeeper | null {
  return config === null ? null : new UsageKeeper({ config, version, logger });
}

/** Whether it was done within the time; it goes on by itself if not. */
async function within(work: Promise<void>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, ms, false);
  });
  const isDone = await Promise.race([work.then(() => true), late]);
  clearTimeout(timer);
  return isDone;
}

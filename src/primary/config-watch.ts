/**
 * Notices that the configuration file has changed, however that is done: written in place, replaced by an editor, or a
 * link above it turned to another folder, as Kubernetes does. Says so once it has come to rest.
 */
import { createHash } from 'node:crypto';
import { type FSWatcher, readFileSync, statSync, watch } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { WeirConfig } from '../config/model.js';
import { BOUNDS } from '../core/bounds.js';
import { nowMs } from '../core/clock.js';
import type { Logger } from '../observe/logger.js';

export interface ConfigWatchOptions {
  readonly file: string;
  /** The file says something else than when it was last looked at. */
  readonly onChange: () => void;
  /** The file system does not tell of changes; the file is looked at now and then all the same. */
  readonly onDeaf: (reason: string) => void;
}

export class ConfigWatch {
  readonly #options: ConfigWatchOptions;
  readonly #file: string;
  #watcher: FSWatcher | null = null;
  #lookTimer: NodeJS.Timeout | null = null;
  #settleTimer: NodeJS.Timeout | null = null;
  #restlessSinceMs = 0;
  #stamp = '';
  #digest = '';

  constructor(options: ConfigWatchOptions) {
    this.#options = options;
    this.#file = resolve(options.file);
  }

  start(): void {
    this.#stamp = readStamp(this.#file);
    this.#digest = readDigest(this.#file) ?? '';
    try {
      // The folder, because a file that is replaced is another one, and its watcher would stay with the old.
      this.#watcher = watch(dirname(this.#file), { persistent: false }, () => this.#stir());
      this.#watcher.on('error', (error) => this.#goDeaf(error));
    } catch (error) {
      this.#goDeaf(error);
    }
    this.#lookTimer = setInterval(() => {
      const stamp = readStamp(this.#file);
      if (stamp !== this.#stamp) this.#stir();
    }, BOUNDS.configLookMs).unref();
  }

  stop(): void {
    this.#watcher?.close();
    this.#watcher = null;
    if (this.#lookTimer !== null) clearInterval(this.#lookTimer);
    if (this.#settleTimer !== null) clearTimeout(this.#settleTimer);
    this.#lookTimer = null;
    this.#settleTimer = null;
  }

  #goDeaf(error: unknown): void {
    this.#watcher?.close();
    this.#watcher = null;
    this.#options.onDeaf(error instanceof Error ? error.message : String(error));
  }

  /** Something in the folder has changed: waits until nothing does, but not for ever. */
  #stir(): void {
    const atMs = nowMs();
    if (this.#settleTimer === null) this.#restlessSinceMs = atMs;
    else clearTimeout(this.#settleTimer);
    const leftMs = this.#restlessSinceMs + BOUNDS.configSettleMsMax - atMs;
    const waitMs = Math.max(0, Math.min(BOUNDS.configSettleMs, leftMs));
    this.#settleTimer = setTimeout(() => {
      this.#settleTimer = null;
      this.#compare();
    }, waitMs).unref();
  }

  #compare(): void {
    this.#stamp = readStamp(this.#file);
    const digest = readDigest(this.#file);
    // One that is gone may be about to be put back.
    if (digest === null || digest === this.#digest) return;
    this.#digest = digest;
    this.#options.onChange();
  }
}

/** Watches while the configuration in force says so. */
export class WatchKeeper {
  readonly #logger: Logger;
  readonly #onChange: () => void;
  #watch: ConfigWatch | null = null;

  constructor(logger: Logger, onChange: () => void) {
    this.#logger = logger;
    this.#onChange = onChange;
  }

  follow({ file, watch: isWanted }: Pick<WeirConfig, 'file' | 'watch'>): void {
    if (isWanted === (this.#watch !== null)) return;
    this.stop();
    if (!isWanted) return;
    this.#watch = new ConfigWatch({
      file,
      onChange: this.#onChange,
      onDeaf: (reason) => {
        this.#logger.warn({ reason }, 'changes of the file are not told, it is looked at instead');
      },
    });
    this.#watch.start();
  }

  stop(): void {
    this.#watch?.stop();
    this.#watch = null;
  }
}

function readStamp(file: string): string {
  try {
    const { ino, size, mtimeMs } = statSync(file);
    return `${ino} ${size} ${mtimeMs}`;
  } catch {
    return '';
  }
}

function readDigest(file: string): string | null {
  try {
    return createHash('sha256').update(readFileSync(file)).digest('hex');
  } catch {
    return null;
  }
}

/**
 * Who delivers, where several processes share a spool, as they do for a while when one takes over from another: whoever
 * holds the lease, a file that its holder touches every second. A process that dies leaves it to grow old. Should two
 * ever hold it, after a long standstill of one, records are delivered twice, which is allowed.
 */
import { randomBytes } from 'node:crypto';
import { readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BOUNDS } from '../core/bounds.js';
import { wallClockMs } from '../core/clock.js';

const FILE_NAME = 'delivery.lease';

export class Lease {
  readonly #path: string;
  readonly #token = randomBytes(16).toString('hex');
  #isHeld = false;
  #renewedMs = 0;

  constructor(dir: string) {
    this.#path = join(dir, FILE_NAME);
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Takes the lease or renews it; where another has it, and is alive, it is not held. Never throws. */
  async hold(): Promise<boolean> {
    const wallMs = wallClockMs();
    if (
      this.#isHeld &&
      wallMs - this.#renewedMs < BOUNDS.usageLeaseRenewMs &&
      wallMs >= this.#renewedMs
    ) {
      return true;
    }
    this.#isHeld = await this.#renewOrTake(wallMs).catch(() => false);
    this.#renewedMs = wallMs;
    return this.#isHeld;
  }

  async release(): Promise<void> {
    if (this.#isHeld) {
      this.#isHeld = false;
      if ((await readToken(this.#path)) === this.#token) {
        await rm(this.#path, { force: true }).catch(() => {});
      }
    }
  }

  async #renewOrTake(wallMs: number): Promise<boolean> {
    const holder = await readToken(this.#path);
    if (holder === this.#token) {
      const now = wallMs / 1000;
      await utimes(this.#path, now, now);
      return true;
    }
    if (holder === null) {
      await writeFile(this.#path, this.#token, { flag: 'wx', mode: 0o600 });
    } else {
      const ageMs = Math.abs(wallMs - (await stat(this.#path)).mtimeMs);
      if (ageMs < BOUNDS.usageLeaseMs) {
        return false;
      }
      const beside = `${this.#path}.${this.#token}.tmp`;
      await writeFile(beside, this.#token, { mode: 0o600 });
      await rename(beside, this.#path);
    }
    // Two may have taken it at a time; the later one has it.
    return (await readToken(this.#path)) === this.#token;
  }
}

async function readToken(path: string): Promise<string | null> {
  return readFile(path, 'utf8').catch(() => null);
}

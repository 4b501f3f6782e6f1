/**
 * Watches the files of `listen.tls`, and has the workers take up what changed. A file that can't be served with changes
 * nothing and is said once; the certificate before goes on.
 */
import { statSync } from 'node:fs';
import type { PublicListen, PublicTls } from '../config/model.js';
import { BOUNDS } from '../core/bounds.js';
import { wallClockMs } from '../core/clock.js';
import { OperatorError } from '../core/errors.js';
import type { Logger } from '../observe/logger.js';
import { checkClientAuth } from './acceptor.js';
import { type PublicCertificate, readPublicCertificate } from './public-certificate.js';

export interface CertificateKeeperOptions {
  readonly tls: PublicTls;
  readonly logger: Logger;
  /** Has every worker read the files again. */
  readonly distribute: () => void;
  readonly lookMs?: number;
}

export class CertificateKeeper {
  readonly #options: CertificateKeeperOptions;
  #current: PublicCertificate;
  /** Times and sizes of the files when they were read last; another text means to read them again. */
  #seen: string;
  #timer: NodeJS.Timeout | null = null;

  /** @throws OperatorError where the files can't be served with. */
  constructor(options: CertificateKeeperOptions) {
    this.#options = options;
    this.#seen = this.#stat();
    this.#current = readPublicCertificate(options.tls);
  }

  start(): void {
    this.#warnOfEnd();
    this.#timer = setInterval(() => {
      if (this.#stat() !== this.#seen) this.look();
    }, this.#options.lookMs ?? BOUNDS.certificateLookMs);
    this.#timer.unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /**
   * Reads the files now.
   *
   * @returns what is wrong with them; null: nothing, whether they have changed or not.
   */
  look(): string | null {
    const { tls, logger, distribute } = this.#options;
    // Before they are read: what is written meanwhile is seen at the next look.
    this.#seen = this.#stat();
    try {
      const read = readPublicCertificate(tls);
      if (read.digest === this.#current.digest) return null;
      this.#current = read;
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      logger.error(`the certificate was not reloaded, the one before goes on: ${problem}`);
      return problem;
    }
    logger.info(
      { cert: tls.cert, not_after: new Date(this.#current.notAfterMs).toISOString() },
      'the certificate was reloaded; new connections get it',
    );
    this.#warnOfEnd();
    distribute();
    return null;
  }

  /** For a reload: where the files are bad, nothing of it happens. @throws OperatorError */
  demand(): void {
    const problem = this.look();
    if (problem !== null) throw new OperatorError(`listen.tls: ${problem}`);
  }

  /** A worker found them otherwise: they were changed between two reads, or it has too many former ones open. */
  onRefused(index: number, problem: string): void {
    const { logger } = this.#options;
    logger.error(
      `worker ${index} goes on with the certificate before, and tries again: ${problem}`,
    );
    this.#seen = '';
    this.#current = { ...this.#current, digest: '' };
  }

  #warnOfEnd(): void {
    const { notAfterMs } = this.#current;
    const leftMs = notAfterMs - wallClockMs();
    if (leftMs < WARNED_MS) {
      const when = new Date(notAfterMs).toISOString();
      const has = leftMs < 0 ? 'has ended' : 'ends';
      this.#options.logger.warn(`the certificate of listen.tls ${has} at ${when}`);
    }
  }

  #stat(): string {
    const { cert, key, clientCa } = this.#options.tls;
    return [cert, key, ...(clientCa === null ? [] : [clientCa])].map(describeFile).join(' ');
  }
}

const WARNED_MS = 7 * 86_400_000;

function describeFile(file: string): string {
  try {
    const { mtimeMs, size, ino } = statSync(file);
    return `${mtimeMs}/${size}/${ino}`;
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
  }
}

/**
 * null: the public port serves no TLS.
 * @throws OperatorError where the files can't be used, or ask for what this binary can't do.
 */
export function openCertificate(
  tls: PublicListen['tls'],
  logger: Logger,
  workers: { reloadCertificate(): void },
): CertificateKeeper | null {
  if (tls === null) return null;
  checkClientAuth(tls);
  return new CertificateKeeper({ tls, logger, distribute: () => workers.reloadCertificate() });
}

/**
 * Both sides of an upgrade (docs/upgrade.md). The server that goes lets its workers stand still for as long as its
 * buckets are copied, hands them over, and tells what its running exchanges use up or give back while they last. The one
 * that comes waits for them, and keeps what the other still holds in a column of its own.
 */
import { BOUNDS } from '../core/bounds.js';
import type { HeldChange, HeldWatch } from '../limits/hand-over.js';
import type { Logger } from '../observe/logger.js';
import type { Gate } from '../worker/gate.js';
import type { LimitKeeper } from './limit-keeper.js';
import type { SupervisorLink } from './supervisor-link.js';
import type { WorkerSet } from './worker-set.js';

export interface HandOverParts {
  readonly link: SupervisorLink;
  readonly limits: LimitKeeper;
  readonly workers: WorkerSet;
  readonly gate: Gate;
  readonly logger: Logger;
}

/** What one server tells the next. */
interface Told {
  readonly kind: 'held';
  readonly changes: readonly HeldChange[];
}

export class HandOver {
  readonly #parts: HandOverParts;
  #onGiven: ((payload: string | null) => void) | null = null;
  #timer: NodeJS.Timeout | null = null;
  #watch: HeldWatch | null = null;

  constructor(parts: HandOverParts) {
    this.#parts = parts;
  }

  /** The server goes: nobody may accept any more, and nothing be started. Resolves when the buckets are handed over. */
  async give(): Promise<void> {
    const { link, limits, workers, gate, logger } = this.#parts;
    await workers.stopListening();
    await limits.stopSaving();
    gate.close();
    const isAtRest = await workers.pauseForHandOver();
    const copied = limits.copy();
    gate.open();
    if (!isAtRest) {
      logger.warn('a worker did not stand still while the buckets were copied');
    }
    link.send({ kind: 'handed-over', payload: copied.pack().toString('base64') });
    this.#watch = copied.watch();
    this.#timer = setInterval(() => this.#tell(), BOUNDS.heldLookMs);
  }

  /** The workers of the server that goes have ended. */
  finish(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#tell();
  }

  #tell(): void {
    const changes = this.#watch?.collect() ?? [];
    if (changes.length > 0) {
      this.#parts.link.send({ kind: 'tell', payload: { kind: 'held', changes } satisfies Told });
    }
  }

  /** The server comes, and its workers stand still. Resolves when they may go on, with or without the buckets. */
  async take(): Promise<void> {
    const { link, limits, logger } = this.#parts;
    const payload = await new Promise<string | null>((resolve) => {
      const timer = setTimeout(() => resolve(null), 2 * BOUNDS.handOverMs);
      this.#onGiven = (given) => {
        clearTimeout(timer);
        resolve(given);
      };
      link.send({ kind: 'holding' });
    });
    this.#onGiven = null;
    if (payload !== null && takeOver(limits, payload, logger)) return;
    logger.warn('the server before handed no buckets over; the last snapshot has to do');
    await limits.restore();
  }

  onTakeOver(payload: string | null): void {
    this.#onGiven?.(payload);
  }

  onTell(payload: unknown): void {
    if (isTold(payload)) {
      for (const change of payload.changes) this.#parts.limits.applyHeldChange(change);
    }
  }

  onAlone(): void {
    this.#parts.limits.reclaimElsewhere();
  }
}

function takeOver(limits: LimitKeeper, payload: string, logger: Logger): boolean {
  try {
    limits.takeOver(Buffer.from(payload, 'base64'));
    return true;
  } catch (error) {
    logger.error({ reason: String(error) }, 'the buckets that were handed over are of no use');
    return false;
  }
}

function isTold(payload: unknown): payload is Told {
  return (
    typeof payload === 'object' &&
    payload !== null &&
    'kind' in payload &&
    payload.kind === 'held' &&
    'changes' in payload &&
    Array.isArray(payload.changes)
  );
}

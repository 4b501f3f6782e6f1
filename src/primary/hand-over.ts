/**
 * Both sides of an upgrade (docs/operations.md). The server that goes lets its workers stand still for as long as its
 * buckets are copied, hands them over, and tells what its running exchanges use up or give back while they last. The one
 * that comes waits for them, and keeps what the other still holds in a column of its own.
 */
import type { LimitAnswer, LimitAsk } from '../admit/deputy.js';
import { describeLimit } from '../admit/limit-text.js';
import { BOUNDS } from '../core/bounds.js';
import type { HeldChange, HeldWatch } from '../limits/hand-over.js';
import type { Logger } from '../observe/logger.js';
import type { Gate } from '../worker/gate.js';
import type { LimitKeeper } from './limit-keeper.js';
import type { LimitsElsewhere } from './limits-elsewhere.js';
import type { SupervisorLink } from './supervisor-link.js';
import type { WorkerSet } from './worker-set.js';

export interface HandOverParts {
  readonly link: Pick<SupervisorLink, 'send' | 'ask'>;
  readonly limits: Pick<LimitKeeper, 'stopSaving' | 'restore'> & {
    readonly elsewhere: Pick<
      LimitsElsewhere,
      'copy' | 'takeOver' | 'reserve' | 'apply' | 'reclaim'
    >;
  };
  readonly workers: Pick<WorkerSet, 'stopListening' | 'pauseForHandOver'>;
  readonly gate: Gate;
  readonly logger: Logger;
}

/** What the server that went asks of the next. */
interface Asked {
  readonly kind: 'reserve';
  readonly ask: LimitAsk;
}

/** What it tells it. */
interface Told {
  readonly kind: 'held';
  readonly changes: readonly HeldChange[];
}

export class HandOver {
  readonly #parts: HandOverParts;
  #onGiven: ((payload: string | null) => void) | null = null;
  #timer: NodeJS.Timeout | null = null;
  #watch: HeldWatch | null = null;
  /** Until the buckets are there. They come with what servers before this one ask and tell, which must not come first. */
  #taking: Promise<void> | null = null;

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
    const copied = limits.elsewhere.copy();
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

  /** After it has handed over: a worker asks for units of limits. */
  async reserve(ask: LimitAsk): Promise<LimitAnswer | null> {
    const answer = await this.#parts.link.ask(
      { kind: 'reserve', ask } satisfies Asked,
      BOUNDS.deputyMs,
    );
    return answer as LimitAnswer | null;
  }

  /** What became of units that were held, of either kind. */
  settle(changes: readonly HeldChange[]): void {
    if (changes.length > 0) {
      this.#parts.link.send({ kind: 'tell', payload: { kind: 'held', changes } satisfies Told });
    }
  }

  #tell(): void {
    this.settle(this.#watch?.collect() ?? []);
  }

  /** A server before this one asks for one of its exchanges. */
  async onAsk(payload: unknown): Promise<LimitAnswer | null> {
    await this.#taking;
    if (!isAsked(payload)) return null;
    const { consumer, model, need } = payload.ask;
    const answer = this.#parts.limits.elsewhere.reserve(consumer, model, need);
    if (answer === null) return { held: [] };
    if ('held' in answer) return answer;
    const { limit, retryAfterMs } = answer.refusal;
    return { refusedBy: limit === null ? null : describeLimit(limit), retryAfterMs };
  }

  /** The server comes, and its workers stand still. Resolves when they may go on, with or without the buckets. */
  async take(): Promise<void> {
    this.#taking = this.#takeBuckets();
    await this.#taking;
    this.#taking = null;
  }

  async #takeBuckets(): Promise<void> {
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

  async onTell(payload: unknown): Promise<void> {
    await this.#taking;
    if (isTold(payload)) {
      for (const change of payload.changes) this.#parts.limits.elsewhere.apply(change);
    }
  }

  async onAlone(): Promise<void> {
    await this.#taking;
    this.#parts.limits.elsewhere.reclaim();
  }
}

function takeOver(limits: HandOverParts['limits'], payload: string, logger: Logger): boolean {
  try {
    const { buckets, unknown } = limits.elsewhere.takeOver(Buffer.from(payload, 'base64'));
    logger.info({ buckets, unknown }, 'limits taken over from the server before');
    return true;
  } catch (error) {
    logger.error({ reason: String(error) }, 'the buckets that were handed over are of no use');
    return false;
  }
}

function isAsked(payload: unknown): payload is Asked {
  return (
    typeof payload === 'object' &&
    payload !== null &&
    'kind' in payload &&
    payload.kind === 'reserve' &&
    'ask' in payload
  );
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

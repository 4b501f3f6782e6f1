/** A worker's way to the server that keeps the limits after a hand-over: asks the primary by message, within bounds. */
import type { LimitAnswer, LimitAsk, LimitDeputy } from '../admit/deputy.js';
import { BOUNDS } from '../core/bounds.js';
import type { HeldChange } from '../limits/hand-over.js';
import type { ToPrimary } from './messages.js';

export class DeputyClient implements LimitDeputy {
  readonly #send: (message: ToPrimary) => void;
  readonly #waiting = new Map<number, (answer: LimitAnswer | null) => void>();
  #lastId = 0;

  constructor(send: (message: ToPrimary) => void) {
    this.#send = send;
  }

  reserve(ask: LimitAsk): Promise<LimitAnswer | null> {
    if (this.#waiting.size >= BOUNDS.deputyPendingMax) {
      return Promise.resolve(null);
    }
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#send({ kind: 'reserve', id, ask });
    });
  }

  settle(changes: readonly HeldChange[]): void {
    this.#send({ kind: 'settled', changes });
  }

  /** The primary always answers, and within bounds. */
  onReserved(id: number, answer: LimitAnswer | null): void {
    this.#waiting.get(id)?.(answer);
    this.#waiting.delete(id);
  }
}

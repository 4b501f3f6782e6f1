/** The moment at which a whole exchange is over, whatever it is doing. There is one only where somebody asked for it. */

import type { Dated, WheelSlot } from '../core/deadline-wheel.js';
import type { Deadlines } from '../core/deadlines.js';
import { GatewayError } from '../core/errors.js';
import type { Exchange } from '../exchange.js';

export class ExchangeDeadline implements Dated {
  readonly #exchange: Exchange;
  readonly #deadlines: Deadlines;
  readonly #relay: { onUpstreamFailure(failure: unknown): void };

  dueMs = 0;
  wheelSlot: WheelSlot | null = null;
  wheelPrevious: Dated | null = null;
  wheelNext: Dated | null = null;

  constructor(
    exchange: Exchange,
    deadlines: Deadlines,
    relay: { onUpstreamFailure(failure: unknown): void },
  ) {
    this.#exchange = exchange;
    this.#deadlines = deadlines;
    this.#relay = relay;
  }

  /** The exchange may take so long, or as long as was said before, whichever is shorter. */
  limit(durationMs: number): void {
    const exchange = this.#exchange;
    const dueMs = exchange.startedMs + durationMs;
    if (exchange.ended === null && (exchange.deadlineMs === 0 || dueMs < exchange.deadlineMs)) {
      exchange.deadlineMs = dueMs;
      this.stop();
      this.dueMs = dueMs;
      this.#deadlines.wheel.add(this);
    }
  }

  stop(): void {
    this.#deadlines.wheel.remove(this);
  }

  /** What has come of an answer goes down first, as when its provider fails. */
  onDue(): void {
    this.#relay.onUpstreamFailure(
      new GatewayError(
        'exchange_timeout',
        'The request was not answered in the time it was given.',
      ),
    );
  }
}

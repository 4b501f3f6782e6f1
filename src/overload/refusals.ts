/**
 * The errors that refused exchanges are answered with, made in advance: to make one takes longer than all else about a
 * refusal, because it notes down where it was made. Each asks for another time to come again, between the
 * configured one and half more, so that those who are refused together don't come again together.
 */
import { GatewayError } from '../core/errors.js';
import { REFUSAL_REASONS, type RefusalReason } from './readings.js';

const MESSAGES: Readonly<Record<RefusalReason, string>> = {
  lag: 'The gateway has more to do than it can; come again in a moment.',
  heap: 'The gateway is short of memory; come again in a moment.',
  memory: 'The gateway is short of memory; come again in a moment.',
  descriptors: 'The gateway has too many connections; come again in a moment.',
  exchanges: 'The gateway runs as many exchanges as it may; come again in a moment.',
};

const VARIANTS = 16;

export class Refusals {
  readonly #errors: Readonly<Record<RefusalReason, readonly GatewayError[]>>;
  #next = 0;

  constructor(retryAfterMs: number) {
    const make = (reason: RefusalReason): GatewayError[] =>
      Array.from({ length: VARIANTS }, (_, place) => {
        const spreadMs = Math.round((retryAfterMs * place) / (2 * VARIANTS));
        return new GatewayError('overloaded', MESSAGES[reason], {
          retryAfterMs: retryAfterMs + spreadMs,
          isShared: true,
        });
      });
    this.#errors = Object.fromEntries(
      REFUSAL_REASONS.map((reason) => [reason, make(reason)]),
    ) as unknown as Record<RefusalReason, readonly GatewayError[]>;
  }

  next(reason: RefusalReason): GatewayError {
    this.#next = (this.#next + 1) % VARIANTS;
    return this.#errors[reason][this.#next] as GatewayError;
  }
}

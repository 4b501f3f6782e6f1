/**
 * Limits after a hand-over: a server that another one has taken over from still gets a request on each connection that
 * it had, and the buckets are the other's now. So it asks there, and tells there what was used.
 */
import type { HeldChange } from '../limits/hand-over.js';
import type { Need, Usage } from '../limits/reservation.js';

export interface LimitAsk {
  readonly consumer: string;
  /** As the limits name it. */
  readonly model: string | null;
  readonly need: Need;
}

/** Units that were taken, by limit; or which limit, in words, they could not be taken of. */
export type LimitAnswer =
  | { readonly held: readonly (readonly [identity: string, units: number])[] }
  | { readonly refusedBy: string | null; readonly retryAfterMs: number };

export interface LimitDeputy {
  /** Never rejects. null: nobody answered in time. */
  reserve(ask: LimitAsk): Promise<LimitAnswer | null>;
  settle(changes: readonly HeldChange[]): void;
}

/** What an exchange holds of limits that another server keeps. To be settled once. */
export class DeputyHold {
  readonly #deputy: LimitDeputy;
  readonly #consumer: string;
  readonly #held: readonly (readonly [identity: string, units: number])[];

  constructor(
    deputy: LimitDeputy,
    consumer: string,
    held: readonly (readonly [identity: string, units: number])[],
  ) {
    this.#deputy = deputy;
    this.#consumer = consumer;
    this.#held = held;
  }

  /** @param used null: the provider never saw the request. */
  settle(used: Usage | null): void {
    this.#deputy.settle(
      this.#held.map(([identity, units]) => {
        const usedUnits = used === null ? 0 : pickUsed(identity, units, used);
        return {
          consumer: this.#consumer,
          identity,
          released: units,
          givenBack: Math.max(units - usedUnits, 0),
          overdrawn: Math.max(usedUnits - units, 0),
        };
      }),
    );
  }
}

/** What a limit counts stands at the beginning of its identity (limits/plan.ts). */
function pickUsed(identity: string, units: number, used: Usage): number {
  switch (identity.slice(0, identity.indexOf('/'))) {
    case 'tokens':
      return Math.ceil(used.inputTokens + used.outputTokens);
    case 'input_tokens':
      return Math.ceil(used.inputTokens);
    case 'output_tokens':
      return Math.ceil(used.outputTokens);
    case 'cost':
      return Math.ceil(used.costNanoDollars);
    default:
      return units;
  }
}

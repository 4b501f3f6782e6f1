/** Between the fuzz run and its provider. */

/** The model whose requests are answered rightly. */
export const CANARY = 'canary';

export interface FuzzOrder {
  readonly kind: 'count';
}

export type FuzzReport =
  | { readonly kind: 'listening'; readonly port: number }
  | {
      readonly kind: 'counted';
      readonly requests: number;
      readonly mutated: number;
      /** Of HTTP by the gateway, at most twenty. */
      readonly violations: readonly string[];
    };

/** What a policy is given, and what it gives. */
import type { Exchange } from '../../exchange.js';
import type { Candidates } from './candidates.js';

/** What of an exchange a choice may hang on; an exchange is one. */
export interface BalanceRequest extends Pick<Exchange, 'model' | 'identity' | 'head' | 'body'> {
  /** Kept by whoever hashes the prompt, since the body may be gone when another target is chosen: see prompt-prefix.ts. */
  promptHash: number;
}

/** How one entry's targets are chosen among. Whatever it remembers is of this worker and this entry. */
export interface BalancePolicy {
  /**
   * @param candidates at least two: usable, and not tried for this request.
   * @returns a place among them, from 0.
   */
  pick(candidates: Candidates, request: BalanceRequest, nowMs: number): number;
}

/** From 0 up to, but without, 1. */
export type Random = () => number;

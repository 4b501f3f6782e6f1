/** The ways in which a target fails, as issue and chaos run name them. */

export type Way =
  | 'well'
  | 'refuse'
  | 'reset'
  | 'throttle'
  | 'unavailable'
  | 'stall'
  | 'stall-within'
  | 'garbage'
  | 'cut-within';

export interface WayToFail {
  readonly way: Exclude<Way, 'well'>;
  readonly words: string;
  /** Callers can be told only by a cut answer: something of it had gone to them. */
  readonly isWithin: boolean;
  /** What waits out a silence before Weir can know. */
  readonly isSilent: boolean;
}

export const WAYS_IN_TURN: readonly WayToFail[] = [
  { way: 'refuse', words: 'refuses connections', isWithin: false, isSilent: false },
  { way: 'reset', words: 'resets', isWithin: false, isSilent: false },
  { way: 'throttle', words: '429 with retry-after', isWithin: false, isSilent: false },
  { way: 'unavailable', words: '503', isWithin: false, isSilent: false },
  { way: 'stall', words: 'stalls before its head', isWithin: false, isSilent: true },
  { way: 'stall-within', words: 'stalls within its answer', isWithin: true, isSilent: true },
  { way: 'garbage', words: 'answers garbage', isWithin: false, isSilent: false },
];

/** From the scenario to a target's process. */
export type Order =
  | { readonly kind: 'play'; readonly way: Way }
  | { readonly kind: 'count'; readonly number: number };

/** And back. */
export type Report =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'played'; readonly way: Way }
  | { readonly kind: 'counted'; readonly number: number; readonly requests: number };

/** Targets whose health nobody watches: all of them may be used. */
import type { TargetHealth } from '../core/target-state.js';

export const ALWAYS_USABLE: TargetHealth = {
  isUsable: () => true,
  weightFactor: () => 1,
  noteAttempt: () => {},
  noteSuccess: () => {},
  noteFailure: () => {},
  noteThrottled: () => {},
  noteNothing: () => {},
};

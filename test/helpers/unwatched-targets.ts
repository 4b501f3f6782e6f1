/** Stand-ins where nobody keeps account of targets: all are well, and none is busier than another. */
import type { TargetHealth, TargetLoad } from '../../src/core/target-state.js';

export const UNWATCHED_HEALTH: TargetHealth = {
  changes: 0,
  isUsable: () => true,
  weightFactor: () => 1,
  noteAttempt: () => true,
  noteSuccess: () => {},
  noteRevived: () => {},
  noteFailure: () => {},
  noteThrottled: () => {},
  noteNothing: () => {},
};

export const UNWATCHED_LOAD: TargetLoad = {
  begin: () => {},
  end: () => {},
  recordAnswer: () => {},
};

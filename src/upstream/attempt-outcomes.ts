/** How an attempt can end; counters and the access log use these names. */
import { FAILURE_CLASSES, type FailureClassName } from './failure-classes.js';

/** Ends that say nothing bad of the target. */
const UNBLAMED = [
  'ok',
  /** The exchange ended before: the client left, its time was over, a limit was used up. */
  'aborted',
  /** Another call, made beside it, was quicker. */
  'outrun',
  /** A defect or a refusal of Weir's own. */
  'other',
] as const;

export type AttemptOutcome = (typeof UNBLAMED)[number] | FailureClassName;

/** In the order of their counters. */
export const ATTEMPT_OUTCOMES: readonly AttemptOutcome[] = [
  ...UNBLAMED,
  ...(Object.keys(FAILURE_CLASSES) as FailureClassName[]),
];

export function isFailure(outcome: AttemptOutcome): outcome is FailureClassName {
  return outcome in FAILURE_CLASSES;
}

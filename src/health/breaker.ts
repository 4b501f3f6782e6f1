/**
 * The rules of the breaker, and nothing but the rules: times come in, decisions go out, and where they are kept is
 * another's business (table.ts). Durations and moments in milliseconds on any one clock.
 *
 *     closed ──failures in a row, or a share of the last window's──▶ open ──its time is over──▶ half-open
 *       ▲                                                             ▲                             │
 *       │                                                             └──────── trial failed ───────┤
 *       └──────────────────────────────── trial went well ──────────────────────────────────────────┘
 */
import type { BreakerConfig } from '../config/model.js';
import { BOUNDS } from '../core/bounds.js';

export const CLOSED = 0;
/** Ejected, but one request at a time may try whether it is well again. */
export const HALF_OPEN = 1;
export const OPEN = 2;
export type BreakerState = typeof CLOSED | typeof HALF_OPEN | typeof OPEN;

/** Why a target is in the state that it is in; three bits. */
export const REASON = {
  none: 0,
  /** Failures in a row. */
  failures: 1,
  /** Too large a share of the last requests failed. */
  rate: 2,
  checkFailed: 3,
  trialFailed: 4,
  trialWell: 5,
  checkWell: 6,
  /** It answered a trial with 429: it is there. */
  throttled: 7,
} as const;
export type Reason = (typeof REASON)[keyof typeof REASON];

/** As many as are counted; the time of an ejection has long stopped growing by then. */
export const EJECTIONS_MAX = 31;
/** What an ejection's time varies by, so that targets which fell together do not come back together. */
const JITTER = 0.1;

/**
 * After another failure of a closed target.
 *
 * @param inRow failures without a success in between, in all workers.
 * @param requests and `failures`: of the last window.
 * @returns REASON.none where it stays closed.
 */
export function judgeFailure(
  rules: BreakerConfig,
  inRow: number,
  requests: number,
  failures: number,
): Reason {
  if (inRow >= rules.failures) return REASON.failures;
  const isMany = requests >= rules.requestsMin && failures * 100 >= rules.ratePercent * requests;
  return isMany ? REASON.rate : REASON.none;
}

/**
 * Which ejection in a row the next one of a closed target is. One that was well for as long as the longest ejection
 * begins anew.
 *
 * @param ejections in a row until now.
 * @param wellMs since it was closed.
 */
export function countEjection(rules: BreakerConfig, ejections: number, wellMs: number): number {
  return wellMs >= rules.ejectMsMax ? 1 : Math.min(ejections + 1, EJECTIONS_MAX);
}

/**
 * How long the n-th ejection in a row takes.
 *
 * @param ejections from 1.
 * @param random from 0 to below 1.
 * @returns whole milliseconds: up to a tenth less than `eject` doubled each time, never more than `eject_max`.
 */
export function ejectionMs(rules: BreakerConfig, ejections: number, random: number): number {
  const grownMs = Math.min(rules.ejectMs * 2 ** (ejections - 1), rules.ejectMsMax);
  return Math.ceil(grownMs * (1 - JITTER * random));
}

/**
 * Whether a request may try a target that is not closed.
 *
 * @param momentMs when the ejection is over, or when the trial under way is given up for lost; 0: there is none.
 */
export function isTrialDue(state: BreakerState, momentMs: number, nowMs: number): boolean {
  return state !== CLOSED && nowMs >= momentMs;
}

/** How many targets of a model may be ejected at a time: never all, so of one target none. */
export function countEjectable(shareMaxPercent: number, targets: number): number {
  return Math.min(Math.floor((targets * shareMaxPercent) / 100), targets - 1);
}

/**
 * A provider that throttles takes part in this share of the choices: enough to see when it has ended, and so little that
 * it gets no more than a hundredth of the calls even where a policy prefers whoever has the least to do.
 */
export const THROTTLED_FACTOR = 0.01;

/**
 * Until when a target is weighed down after a 429.
 *
 * @param untilMs what the provider said; 0: it did not say.
 */
export function planThrottle(nowMs: number, untilMs: number): number {
  if (!(untilMs > 0)) return nowMs + BOUNDS.throttleMs;
  return Math.min(Math.max(untilMs, nowMs + BOUNDS.throttleMsMin), nowMs + BOUNDS.throttleMsMax);
}

/** When it has its whole weight again: it rises for as long as it was down, within bounds. */
export function planRecovery(nowMs: number, untilMs: number): number {
  return untilMs + Math.min(untilMs - nowMs, BOUNDS.throttleRecoveryMsMax);
}

/**
 * @param untilMs when the throttling ends, and `recoveredMs` when the weight is whole again.
 * @returns from THROTTLED_FACTOR to 1, whatever the three are.
 */
export function throttleFactor(nowMs: number, untilMs: number, recoveredMs: number): number {
  if (nowMs >= recoveredMs) return 1;
  if (nowMs <= untilMs) return THROTTLED_FACTOR;
  return THROTTLED_FACTOR + ((1 - THROTTLED_FACTOR) * (nowMs - untilMs)) / (recoveredMs - untilMs);
}

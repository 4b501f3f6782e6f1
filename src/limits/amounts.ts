/** Which of a call's numbers a limit counts, made whole and bounded. */
import type { PlannedLimit } from './plan.js';
import { KIND, UNITS_MAX } from './rates.js';
import type { Need } from './reservation.js';

/** Whether the limit counts calls of this model. */
export function counts(limit: PlannedLimit, model: string | null): boolean {
  return limit.models === null || (model !== null && limit.models.has(model));
}

/** What a call takes from the limit's bucket: no more than it can hold. */
export function measureNeed(limit: PlannedLimit, need: Need): number {
  const { kind, capacityUnits } = limit;
  const { requests, inputTokens, outputTokens, costNanoDollars } = need;
  const units = pickUnits(kind, requests, inputTokens, outputTokens, costNanoDollars);
  return Math.min(units, capacityUnits);
}

/** What a limit of this kind counts; 1 for concurrency. */
export function pickUnits(
  kind: number,
  requests: number,
  inputTokens: number,
  outputTokens: number,
  costNanoDollars: number,
): number {
  switch (kind) {
    case KIND.requests:
      return toUnits(requests);
    case KIND.tokens:
      return toUnits(toUnits(inputTokens) + toUnits(outputTokens));
    case KIND.inputTokens:
      return toUnits(inputTokens);
    case KIND.outputTokens:
      return toUnits(outputTokens);
    case KIND.cost:
      return toUnits(costNanoDollars);
    default:
      return 1;
  }
}

/** Whole, not negative, at most UNITS_MAX; what is no number counts nothing. */
function toUnits(value: number): number {
  if (!(value > 0)) return 0;
  return value < UNITS_MAX ? Math.ceil(value) : UNITS_MAX;
}

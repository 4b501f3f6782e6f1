/** Limits in the words that callers read. */
import type { LimitConfig } from '../config/model.js';

const UNITS: readonly (readonly [string, number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
];

/** Such as `2 requests per 1h`, `130 tokens per 1m for gpt-4o`, `$50 per 1d`, `64 at the same time`. */
export function describeLimit(limit: LimitConfig): string {
  const models = limit.models === null ? '' : ` for ${limit.models.join(', ')}`;
  if (limit.kind === 'concurrency') {
    return `${limit.amount} at the same time${models}`;
  }
  const amount =
    limit.kind === 'cost' ? `$${limit.amount}` : `${limit.amount} ${limit.kind.replace('_', ' ')}`;
  return `${amount} per ${formatPeriod(limit.perMs)}${models}`;
}

/** In the largest unit that it is a whole number of. */
function formatPeriod(ms: number): string {
  const unit = UNITS.find(([, unitMs]) => ms % unitMs === 0);
  return unit === undefined ? `${ms}ms` : `${ms / unit[1]}${unit[0]}`;
}

/** A target as operators see it, in figures and in words. */
import { CLOSED, isTrialDue, OPEN, type Reason } from '../health/breaker.js';
import type { HealthTable } from '../health/table.js';

export interface TargetView {
  readonly model: string;
  readonly provider: string;
  /** The name that the provider knows; null: the caller's is passed on. */
  readonly provider_model: string | null;
  readonly state: 'closed' | 'half-open' | 'open';
  readonly drained: boolean;
  /** For how much longer; 0 where it is not ejected. */
  readonly ejected_ms: number;
  /** In a row; the next one takes longer for each. */
  readonly ejections: number;
  readonly ejections_total: number;
  readonly consecutive_failures: number;
  /** Share of its usual weight, below 1 while its provider throttles and for a while after. */
  readonly throttle_factor: number;
  readonly throttled_ms: number;
  readonly words: string;
}

export function describeTarget(
  table: HealthTable,
  index: number,
  atMs: number,
  explain: (reason: Reason) => string,
): TargetView {
  const target = table.plan.targets[index]!;
  const { state, isDrained, reason, ejections, momentMs } = table.peek(index);
  const ageMs = atMs - table.epochMs;
  const isDue = isTrialDue(state, momentMs, ageMs);
  const isOpen = state === OPEN && !isDue;
  const ejectedMs = isOpen ? Math.ceil(momentMs - ageMs) : 0;
  const throttledMs = Math.max(0, Math.ceil(table.throttledUntilMs(index) - atMs));
  const factor = Math.round(table.weightFactor(index, atMs) * 1000) / 1000;
  const stateName = state === CLOSED ? 'closed' : isOpen ? 'open' : 'half-open';
  const words = [
    isDrained ? 'drained by an operator: takes no requests until it is restored' : '',
    state === CLOSED && !isDrained ? 'takes requests' : '',
    isOpen ? `ejected for another ${formatSeconds(ejectedMs)}: ${explain(reason)}` : '',
    stateName === 'half-open' && isDue ? 'was ejected; the next request is its trial' : '',
    stateName === 'half-open' && !isDue ? 'was ejected; a request is trying it' : '',
    isDrained ? '' : describeThrottle(factor, throttledMs),
  ];
  return {
    model: target.model,
    provider: target.provider,
    provider_model: target.providerModel,
    state: stateName,
    drained: isDrained,
    ejected_ms: ejectedMs,
    ejections,
    ejections_total: table.ejectionsTotal(index),
    consecutive_failures: table.failuresInRow(index),
    throttle_factor: factor,
    throttled_ms: throttledMs,
    words: words.filter((part) => part !== '').join('; '),
  };
}

function describeThrottle(factor: number, throttledMs: number): string {
  if (factor === 1) return '';
  const share = `${Math.round(factor * 100)} % of its usual share`;
  return throttledMs > 0
    ? `its provider throttles for another ${formatSeconds(throttledMs)}: ${share}`
    : `its provider throttled: ${share}, and rising`;
}

function formatSeconds(ms: number): string {
  return `${Math.ceil(ms / 100) / 10} s`;
}

/** A breaker as one would write it for one thread and no hurry: lists and plain fields, nothing shared with src/health. */
import type { BreakerConfig } from '../../src/config/model.js';

interface Outcome {
  readonly atMs: number;
  readonly isFailure: boolean;
}

export interface OracleTarget {
  state: 'closed' | 'half-open' | 'open';
  isDrained: boolean;
  outcomes: Outcome[];
  inRow: number;
  ejections: number;
  closedSinceMs: number;
  ejectedUntilMs: number;
  /** Who may still decide, in this ejection. */
  triers: Set<number>;
  trial: { readonly worker: number; readonly untilMs: number } | null;
  throttledUntilMs: number;
}

const TRIAL_MS = 30_000;

/** Targets of one model; times from 0. */
export class OracleBreaker {
  readonly targets: readonly OracleTarget[];
  readonly #rules: BreakerConfig;

  constructor(rules: BreakerConfig, targets: number) {
    this.#rules = rules;
    this.targets = Array.from({ length: targets }, () => ({
      state: 'closed',
      isDrained: false,
      outcomes: [],
      inRow: 0,
      ejections: 0,
      closedSinceMs: 0,
      ejectedUntilMs: 0,
      triers: new Set(),
      trial: null,
      throttledUntilMs: 0,
    }));
  }

  isUsable(index: number, nowMs: number): boolean {
    const target = this.targets[index]!;
    return !target.isDrained && (target.state === 'closed' || this.#isTrialDue(target, nowMs));
  }

  attempt(index: number, worker: number, nowMs: number): boolean {
    const target = this.targets[index]!;
    if (target.state === 'closed') return true;
    if (!this.#isTrialDue(target, nowMs)) return false;
    target.state = 'half-open';
    target.trial = { worker, untilMs: nowMs + TRIAL_MS };
    target.triers.add(worker);
    return true;
  }

  success(index: number, worker: number, nowMs: number): void {
    const target = this.targets[index]!;
    if (target.state === 'closed') {
      target.inRow = 0;
      target.outcomes.push({ atMs: nowMs, isFailure: false });
    } else if (target.state === 'half-open' && target.triers.has(worker)) {
      this.#close(target, nowMs);
    }
  }

  failure(index: number, worker: number, nowMs: number): void {
    const target = this.targets[index]!;
    if (target.state === 'half-open' && target.triers.has(worker)) {
      this.#open(target, target.ejections + 1, nowMs);
    }
    if (target.state !== 'closed') return;
    target.inRow += 1;
    target.outcomes.push({ atMs: nowMs, isFailure: true });
    const { failures, requestsMin, ratePercent, windowMs, ejectMsMax } = this.#rules;
    const halfMs = windowMs / 2;
    const firstHalf = Math.floor(nowMs / halfMs) - 1;
    const recent = target.outcomes.filter(({ atMs }) => Math.floor(atMs / halfMs) >= firstHalf);
    const failed = recent.filter(({ isFailure }) => isFailure).length;
    const isTooMany =
      recent.length >= requestsMin && failed / recent.length >= ratePercent / 100 - 1e-12;
    if (target.inRow < failures && !isTooMany) return;
    if (!this.#mayEject(target)) return;
    const isForgiven = nowMs - target.closedSinceMs >= ejectMsMax;
    this.#open(target, isForgiven ? 1 : target.ejections + 1, nowMs);
  }

  nothing(index: number, worker: number): void {
    const target = this.targets[index]!;
    if (target.state === 'half-open' && target.trial?.worker === worker) target.trial = null;
  }

  throttled(index: number, worker: number, nowMs: number): void {
    const target = this.targets[index]!;
    if (target.state === 'half-open' && target.triers.has(worker)) this.#close(target, nowMs);
    target.throttledUntilMs = Math.max(target.throttledUntilMs, nowMs + 5000);
  }

  #isTrialDue(target: OracleTarget, nowMs: number): boolean {
    if (target.state === 'open') return nowMs >= target.ejectedUntilMs;
    return target.trial === null || nowMs >= target.trial.untilMs;
  }

  #mayEject(target: OracleTarget): boolean {
    const { length } = this.targets;
    const ejected = this.targets.filter(({ state }) => state !== 'closed').length;
    const others = this.targets.filter(
      (other) => other !== target && other.state === 'closed' && !other.isDrained,
    );
    const isWithinShare = (ejected + 1) / length <= this.#rules.shareMaxPercent / 100 + 1e-12;
    return isWithinShare && others.length > 0;
  }

  #open(target: OracleTarget, ejections: number, nowMs: number): void {
    let lengthMs = this.#rules.ejectMs;
    for (let count = 1; count < ejections; count += 1) lengthMs *= 2;
    target.state = 'open';
    target.ejections = Math.min(ejections, 31);
    target.ejectedUntilMs = nowMs + Math.min(lengthMs, this.#rules.ejectMsMax);
    target.triers.clear();
    target.trial = null;
  }

  #close(target: OracleTarget, nowMs: number): void {
    target.state = 'closed';
    target.closedSinceMs = nowMs;
    target.inRow = 0;
    target.outcomes = [];
    target.trial = null;
    target.triers.clear();
  }
}

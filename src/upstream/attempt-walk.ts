/**
 * Which target is asked next once one has failed: first the other targets of the entry, at once; then those that were
 * asked before and may be asked again, after a wait; then the entries of the chain that the failure calls for. Before a
 * target is asked a third time, or nobody at all, one that is ejected is asked: it may be well by now, and there is no
 * other. Made for an exchange when its first attempt fails, or is slow.
 */
import { WILDCARD } from '../config/model.js';
import { toSharedMs } from '../core/clock.js';
import type { Exchange } from '../exchange.js';
import type { ModelEntry, Target } from '../route/models.js';
import { type AttemptParts, fitsEdit } from './attempt-parts.js';
import type { EntryPlan } from './attempt-plan.js';
import type { FailureRow } from './failure-classes.js';
import { canSendAgain } from './repeatable.js';

/** A target of the present entry that was asked, in the order of attempts. */
interface Asked {
  readonly target: Target;
  /** Before it the target must not be asked again; Infinity: never. */
  notBeforeMs: number;
  times: number;
}

/** Where the next attempt goes. */
export interface Step {
  readonly target: Target;
  /** 0: at once. */
  readonly delayMs: number;
}

/** Where the first attempt goes: to a target of the entry, or where none is in service to one of its fallbacks. */
export function findFirst(parts: AttemptParts, exchange: Exchange, entry: ModelEntry): Target {
  const atMs = toSharedMs(exchange.readyMs);
  const { balancers } = parts;
  const fallbacks = parts.plans.of(entry).chains.any;
  if (fallbacks.length > 0 && !balancers.hasUsable(entry, NONE, atMs)) {
    for (const name of fallbacks) {
      const fallback = findEntry(parts, exchange, name);
      const instead = chooseSpeaking(parts, exchange, fallback, [], atMs);
      if (instead !== null) {
        return instead;
      }
    }
  }
  // Where none was tried there is always one.
  return balancers.choose(entry, exchange, NONE, atMs) as Target;
}

const NONE: readonly number[] = [];
/** So often a target is asked before one that is ejected. */
const AGAIN_MAX = 2;

function findEntry({ models }: AttemptParts, exchange: Exchange, name: string): ModelEntry {
  return models.find(name === WILDCARD ? null : name, exchange.dialect);
}

/** One that is in service. */
function chooseSpeaking(
  parts: AttemptParts,
  exchange: Exchange,
  entry: ModelEntry,
  passed: number[],
  nowMs: number,
): Target | null {
  const { balancers } = parts;
  return findSpeaking(parts, exchange, passed, () =>
    balancers.hasUsable(entry, passed, nowMs)
      ? balancers.choose(entry, exchange, passed, nowMs)
      : null,
  );
}

/** Nothing is translated: who takes over must speak as the caller does. Others are added to `passed`. */
function findSpeaking(
  { forwarder }: AttemptParts,
  exchange: Exchange,
  passed: number[],
  choose: () => Target | null,
): Target | null {
  for (;;) {
    const target = choose();
    if (target === null || forwarder.configOf(target.provider).dialect === exchange.dialect) {
      return target;
    }
    passed.push(target.index);
  }
}

export class AttemptWalk {
  readonly #parts: AttemptParts;
  readonly #exchange: Exchange;
  /** Of the entry that the client asked for: its chains alone count, so that no fallback leads to another. */
  readonly #firstPlan: EntryPlan;
  readonly #visited: string[];
  #entry: ModelEntry;
  #plan: EntryPlan;
  #attemptsHere = 1;
  readonly #asked: Asked[] = [];
  /** Not to be chosen any more: asked before, or of another dialect. */
  #passed: number[];

  /** @param first the target that was asked first, of `entry`. */
  constructor(parts: AttemptParts, exchange: Exchange, entry: ModelEntry, first: Target) {
    this.#parts = parts;
    this.#exchange = exchange;
    this.#entry = entry;
    this.#firstPlan = parts.plans.of(entry);
    this.#plan = this.#firstPlan;
    this.#visited = [entry.name];
    if (first.entryName !== entry.name) {
      this.#enter(first.entryName);
      this.#attemptsHere = 1;
    }
    this.#asked.push({ target: first, notBeforeMs: 0, times: 1 });
    this.#passed = [first.index];
  }

  /** @param retryAfterMs what the provider asked for; below 0: nothing. */
  noteFailed(target: Target, row: FailureRow, retryAfterMs: number, atMs: number): void {
    const asked = this.#findAsked(target);
    if (asked !== undefined) {
      asked.notBeforeMs =
        row.again === 'same'
          ? toSharedMs(atMs) + Math.max(0, retryAfterMs)
          : Number.POSITIVE_INFINITY;
    }
  }

  /**
   * The attempt after one that failed with the class of `row`.
   *
   * @param atMs now.
   * @param wasSent the request was written, as far as is known.
   * @returns null: the caller gets what there is.
   */
  takeNext(row: FailureRow, atMs: number, wasSent: boolean): Step | null {
    const exchange = this.#exchange;
    if (!canSendAgain(exchange, wasSent, wasSent && row.isBilled)) {
      return null;
    }
    const step = this.#findNext(row, toSharedMs(atMs));
    if (step === null) {
      return null;
    }
    const isTooLate = exchange.deadlineMs > 0 && atMs + step.delayMs >= exchange.deadlineMs;
    return isTooLate || !this.#parts.budget.tryTake() ? null : this.#take(step);
  }

  /** A second call while the first still waits: never of the same target. Parameters as above. */
  takeBeside(atMs: number, wasSent: boolean): Step | null {
    const exchange = this.#exchange;
    const { forwarder, budget } = this.#parts;
    if (!canSendAgain(exchange, wasSent, wasSent)) {
      return null;
    }
    const step = this.#findBeside(toSharedMs(atMs));
    if (step === null || !fitsEdit(exchange, step.target, forwarder) || !budget.tryTake()) {
      return null;
    }
    return this.#take(step);
  }

  #findNext(row: FailureRow, nowMs: number): Step | null {
    const isLeft = row.again !== 'never' && this.#attemptsHere < this.#plan.attemptsMax;
    const here = isLeft ? this.#findHere(row, nowMs) : null;
    if (here !== null && (this.#findAsked(here.target)?.times ?? 0) < AGAIN_MAX) {
      return here;
    }
    const fallback =
      here === null && row.fallback !== 'none' ? this.#findFallback(row.fallback, nowMs) : null;
    return fallback ?? (isLeft ? this.#findEjected(nowMs) : null) ?? here;
  }

  #findHere(row: FailureRow, nowMs: number): Step | null {
    const other = this.#choose(this.#entry, this.#passed, nowMs);
    if (other !== null) {
      return { target: other, delayMs: 0 };
    }
    return row.again === 'same' ? this.#findAgain(nowMs) : null;
  }

  #findEjected(nowMs: number): Step | null {
    const { balancers } = this.#parts;
    const exchange = this.#exchange;
    const target = findSpeaking(this.#parts, exchange, this.#passed, () =>
      balancers.chooseEjected(this.#entry, exchange, this.#passed, nowMs),
    );
    return target === null ? null : { target, delayMs: 0 };
  }

  #findAsked(target: Target): Asked | undefined {
    return this.#asked.find((asked) => asked.target === target);
  }

  #findBeside(nowMs: number): Step | null {
    const other =
      this.#attemptsHere < this.#plan.attemptsMax
        ? this.#choose(this.#entry, this.#passed, nowMs)
        : null;
    return other !== null ? { target: other, delayMs: 0 } : this.#findFallback('any', nowMs);
  }

  #take(step: Step): Step {
    const { target } = step;
    if (target.entryName !== this.#entry.name) {
      this.#enter(target.entryName);
    }
    this.#attemptsHere += 1;
    const asked = this.#findAsked(target);
    if (asked === undefined) {
      this.#asked.push({ target, notBeforeMs: 0, times: 1 });
      this.#passed.push(target.index);
    } else {
      asked.times += 1;
    }
    return step;
  }

  /** Of the targets that may be asked again the one that may soonest; not while the provider wants more patience. */
  #findAgain(nowMs: number): Step | null {
    let soonest: Asked | null = null;
    for (const asked of this.#asked) {
      const isSooner = soonest === null || asked.notBeforeMs < soonest.notBeforeMs;
      if (isSooner && this.#parts.health.isUsable(asked.target.index, nowMs)) {
        soonest = asked;
      }
    }
    if (soonest === null || soonest.notBeforeMs - nowMs > this.#plan.backoffMsMax) {
      return null;
    }
    const backoffMs = this.#plan.backoff.delayMs(this.#attemptsHere);
    return {
      target: soonest.target,
      delayMs: Math.max(backoffMs, soonest.notBeforeMs - nowMs),
    };
  }

  #findFallback(chain: 'any' | 'context' | 'content', nowMs: number): Step | null {
    for (const name of this.#firstPlan.chains[chain]) {
      if (!this.#visited.includes(name)) {
        const target = this.#choose(findEntry(this.#parts, this.#exchange, name), [], nowMs);
        if (target !== null) {
          return { target, delayMs: 0 };
        }
        this.#visited.push(name);
      }
    }
    return null;
  }

  #enter(name: string): void {
    this.#visited.push(name);
    this.#entry = findEntry(this.#parts, this.#exchange, name);
    this.#plan = this.#parts.plans.of(this.#entry);
    this.#attemptsHere = 0;
    this.#asked.length = 0;
    this.#passed = [];
  }

  #choose(entry: ModelEntry, passed: number[], nowMs: number): Target | null {
    return chooseSpeaking(this.#parts, this.#exchange, entry, passed, nowMs);
  }
}

/**
 * Requests that belong together go to the same target, so that what it keeps of them (prompt caches of providers,
 * prefix caches of vLLM) is hit; and stay there when other targets come and go.
 *
 * Each target draws a number from the request's key and its own name, weighted, and the best has the request
 * (rendezvous hashing): where a target leaves, only its keys move, spread over the others; where one comes, it takes
 * keys from all and nothing else moves. Adding, removing or reordering targets in the configuration counts as no more
 * than that.
 *
 * A target may have 1.25 times its share of what is under way ("Consistent Hashing with Bounded Loads", Mirrokni,
 * Thorup, Zadimoghaddam 2016); a key beyond it goes to the second in its order, which is the same each time. Below
 * `hashBusyMin` load doesn't matter: two requests at the same time would part already.
 */
import { BOUNDS } from '../../core/bounds.js';
import { finish } from '../../core/murmur.js';
import type { ModelEntry, Target } from '../models.js';
import type { LoadView } from '../target-load.js';
import type { Candidates } from './candidates.js';
import { NO_KEY, type ReadKey } from './hash-key.js';
import { hashText } from './key-hash.js';
import type { BalancePolicy, BalanceRequest, Random } from './policy.js';

const LOAD_MAX = 1.25;

export class ConsistentHash implements BalancePolicy {
  readonly #entry: ModelEntry;
  readonly #load: LoadView;
  readonly #random: Random;
  readonly #readKey: ReadKey;
  /** What each target is known by, in the order of the entry's. */
  readonly #names: Int32Array;
  /** Under way at each candidate. */
  readonly #busy: Float64Array;

  constructor(entry: ModelEntry, load: LoadView, random: Random, readKey: ReadKey) {
    this.#entry = entry;
    this.#load = load;
    this.#random = random;
    this.#readKey = readKey;
    this.#names = Int32Array.from(entry.targets.map(hashName));
    this.#busy = new Float64Array(entry.targets.length);
  }

  pick(candidates: Candidates, request: BalanceRequest, nowMs: number): number {
    const key = this.#readKey(request);
    if (key === NO_KEY) {
      return pickByWeight(candidates, this.#random());
    }
    const { positions, weights, count } = candidates;
    let busyTotal = 1;
    let weightTotal = 0;
    for (let at = 0; at < count; at += 1) {
      const busy = this.#load.busy(this.#entry.targets[positions[at]!]!.index, nowMs);
      this.#busy[at] = busy;
      busyTotal += busy;
      weightTotal += weights[at]!;
    }
    let picked = 0;
    let best = Number.POSITIVE_INFINITY;
    for (let at = 0; at < count; at += 1) {
      const weight = weights[at]!;
      const most = Math.ceil((LOAD_MAX * busyTotal * weight) / weightTotal);
      if (this.#busy[at]! < Math.max(most, BOUNDS.hashBusyMin)) {
        const drawn = draw(key, this.#names[positions[at]!]!) / weight;
        if (drawn < best) {
          best = drawn;
          picked = at;
        }
      }
    }
    return picked;
  }
}

/** An exponential number: the least of several, each divided by a weight, is each one's with the chance of its weight. */
function draw(key: number, name: number): number {
  const mixed = finish(finish(key ^ name) + Math.imul(name, 0x9e3779b1));
  return -Math.log((mixed + 0.5) / 2 ** 32);
}

/** By what it is, and not by where it stands; of twins by which of them. */
function hashName({ provider, model }: Target, at: number, targets: readonly Target[]): number {
  let twins = 0;
  for (let before = 0; before < at; before += 1) {
    const other = targets[before];
    twins += other?.provider === provider && other.model === model ? 1 : 0;
  }
  const name = `${provider}\0${model ?? ''}\0${twins}`;
  return hashText(name, name.length) | 0;
}

/** @param drawn from 0 up to, but without, 1. */
function pickByWeight({ weights, count }: Candidates, drawn: number): number {
  let total = 0;
  for (let at = 0; at < count; at += 1) {
    total += weights[at]!;
  }
  let left = drawn * total;
  for (let at = 0; at < count - 1; at += 1) {
    left -= weights[at]!;
    if (left < 0) {
      return at;
    }
  }
  return count - 1;
}

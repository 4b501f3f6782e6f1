/**
 * How busy and how fast targets are, in memory that all workers share: the primary makes it, each worker opens it.
 *
 * What is under way is counted in one column a worker, which that worker alone writes: so counting is a plain addition,
 * and what a thread that was killed had under way is taken back by clearing its column. How fast a target is stands
 * once for all: each worker writes it, without a lock. Two that write at the same moment lose one of two answers'
 * times, which is as if only one had been measured; half a number can't be seen (limits/memory.ts says why).
 *
 * Times are averages that follow a slower answer at once and a faster one slowly, and fade while nothing is measured
 * (peak-EWMA, as Finagle has it): a target that was slow is tried again some time later. A trial must not become a
 * crowd before its answer is there: see noteTrial().
 */
import { BOUNDS } from '../core/bounds.js';
import type { TargetLoad } from '../core/target-state.js';

/** What balancing goes by. Moments are shared milliseconds (core/clock.ts). */
export interface LoadView {
  /** Attempts under way at a target, of all workers; those of others are up to `busyStaleMs` old. */
  busy(index: number, nowMs: number): number;
  /** Milliseconds until the first token, faded; 0: not known. */
  firstMs(index: number, nowMs: number): number;
  /** Milliseconds for each token after the first, faded; 0: not known. */
  tokenMs(index: number, nowMs: number): number;
  /** An attempt goes to a target of which little is known any more. */
  noteTrial(index: number, nowMs: number): void;
}

/** Places of one target's times, in floats; a cache line each, so that two targets don't share one. */
const PACE_FLOATS = 8;
const FIRST_MS = 0;
const FIRST_AT = 1;
const TOKEN_MS = 2;
const TOKEN_AT = 3;
const TRIED_AT = 4;

const LINE_WORDS = 16;
/** What is longer is a clock's mistake, and a sum of it would not say anything. */
const FIRST_MS_MAX = 86_400_000;
const TOKEN_MS_MAX = 60_000;
/** After so much of `latencyDecayMs` half of a time has faded. */
const HALF_FADED = Math.LN2;

interface Layout {
  readonly paceBytes: number;
  /** Words from one column's start to the next one's. */
  readonly stride: number;
}

function layOut(targets: number): Layout {
  // A whole unused line between two columns keeps them apart wherever the memory begins.
  const stride = (Math.ceil(targets / LINE_WORDS) + 1) * LINE_WORDS;
  return { paceBytes: targets * PACE_FLOATS * Float64Array.BYTES_PER_ELEMENT, stride };
}

/** @param targets that there is room for. */
export function createTargetLoadBuffer(targets: number, workers: number): SharedArrayBuffer {
  const { paceBytes, stride } = layOut(targets);
  return new SharedArrayBuffer(paceBytes + stride * workers * Int32Array.BYTES_PER_ELEMENT);
}

function viewColumn(buffer: SharedArrayBuffer, targets: number, worker: number): Int32Array {
  const { paceBytes, stride } = layOut(targets);
  return new Int32Array(buffer, paceBytes + worker * stride * 4, targets);
}

/** Takes back what a worker had under way. Only of a thread that has ended. */
export function reclaimTargetLoad(
  buffer: SharedArrayBuffer,
  targets: number,
  worker: number,
): void {
  viewColumn(buffer, targets, worker).fill(0);
}

/** One worker's way into the shared memory. No method allocates. */
export class SharedTargetLoad implements TargetLoad, LoadView {
  readonly #own: Int32Array;
  readonly #others: readonly Int32Array[];
  /** By target: its place in the memory. */
  readonly #places: Int32Array;
  readonly #pace: Float64Array;
  /** Sums over the others' columns, and when they were made: with many workers to add them up takes a while. */
  readonly #othersBusy: Int32Array;
  readonly #othersAtMs: Float64Array;

  /**
   * @param targets that the memory has room for.
   * @param worker from 0; no two may have the same.
   * @param places of the targets, which they keep over reloads; left out: in their order.
   */
  constructor(
    buffer: SharedArrayBuffer,
    targets: number,
    workers: number,
    worker: number,
    places: Int32Array = Int32Array.from({ length: targets }, (_, index) => index),
  ) {
    const columns = Array.from({ length: workers }, (_, at) => viewColumn(buffer, targets, at));
    const own = columns[worker];
    if (own === undefined) {
      throw new RangeError(`the targets' load has no column ${worker}`);
    }
    this.#own = own;
    this.#others = columns.filter((column) => column !== own);
    this.#pace = new Float64Array(buffer, 0, targets * PACE_FLOATS);
    this.#places = places;
    this.#othersBusy = new Int32Array(places.length);
    this.#othersAtMs = new Float64Array(places.length).fill(Number.NEGATIVE_INFINITY);
  }

  begin(index: number): void {
    this.#own[this.#places[index]!]! += 1;
  }

  end(index: number): void {
    const place = this.#places[index]!;
    if (this.#own[place]! > 0) {
      this.#own[place]! -= 1;
    }
  }

  busy(index: number, nowMs: number): number {
    const age = nowMs - this.#othersAtMs[index]!;
    // Only clocks of two kinds would make it negative; then it is not trusted.
    if (age >= BOUNDS.busyStaleMs || age < 0) {
      this.#othersAtMs[index] = nowMs;
      this.#sumOthers(index);
    }
    return this.#own[this.#places[index]!]! + this.#othersBusy[index]!;
  }

  #sumOthers(index: number): void {
    const place = this.#places[index]!;
    let sum = 0;
    for (let at = 0; at < this.#others.length; at += 1) {
      sum += this.#others[at]![place]!;
    }
    this.#othersBusy[index] = sum;
  }

  recordAnswer(index: number, firstMs: number, tokensPerSecond: number, nowMs: number): void {
    const place = this.#places[index]! * PACE_FLOATS;
    if (firstMs > 0) {
      this.#record(place + FIRST_MS, place + FIRST_AT, Math.min(firstMs, FIRST_MS_MAX), nowMs);
    }
    if (tokensPerSecond > 0) {
      const tokenMs = Math.min(1000 / tokensPerSecond, TOKEN_MS_MAX);
      this.#record(place + TOKEN_MS, place + TOKEN_AT, tokenMs, nowMs);
    }
  }

  /** By what is known since the last answer, not since a trial: after a long silence one answer counts nearly alone. */
  #record(valueAt: number, momentAt: number, sample: number, nowMs: number): void {
    const known = this.#pace[valueAt]!;
    if (sample < known) {
      const kept = Math.exp(-Math.max(nowMs - this.#pace[momentAt]!, 0) / BOUNDS.latencyDecayMs);
      this.#pace[valueAt] = known * kept + sample * (1 - kept);
    } else {
      this.#pace[valueAt] = sample;
    }
    this.#pace[momentAt] = nowMs;
  }

  firstMs(index: number, nowMs: number): number {
    const place = this.#places[index]! * PACE_FLOATS;
    return this.#pace[place + FIRST_MS]! * this.#fade(place, FIRST_AT, nowMs);
  }

  tokenMs(index: number, nowMs: number): number {
    const place = this.#places[index]! * PACE_FLOATS;
    return this.#pace[place + TOKEN_MS]! * this.#fade(place, TOKEN_AT, nowMs);
  }

  #fade(place: number, momentAt: number, nowMs: number): number {
    const since = Math.max(this.#pace[place + momentAt]!, this.#pace[place + TRIED_AT]!);
    return Math.exp(-Math.max(nowMs - since, 0) / BOUNDS.latencyDecayMs);
  }

  /**
   * Where a time has faded to less than a half, it is taken at its old worth again, and fades anew: the attempt that
   * now goes there is the trial, and others wait for its answer, or until it has faded again.
   */
  noteTrial(index: number, nowMs: number): void {
    const place = this.#places[index]! * PACE_FLOATS;
    const since = Math.max(this.#pace[place + FIRST_AT]!, this.#pace[place + TRIED_AT]!);
    if (nowMs - since > BOUNDS.latencyDecayMs * HALF_FADED) {
      this.#pace[place + TRIED_AT] = nowMs;
    }
  }
}

/**
 * Every order in which several threads can take their steps through shared memory. A thread is a function that is
 * run from its beginning again and again: what its steps returned before is played back to it, then one new step is
 * made, and before the next it is stopped by an exception. So the code under test is the very code of production,
 * and needs no other condition than that nothing but its memory decides what it does. Equal states are visited once.
 */
import { type Memory, SharedMemory } from '../../src/limits/memory.js';

class Stopped extends Error {}

type Outcome = bigint | number | boolean;

/** Plays back, makes one step, stops. */
class SteppedMemory implements Memory {
  readonly #inner: Memory;
  readonly #log: Outcome[];
  #at = 0;
  #stepsLeft = 1;

  constructor(inner: Memory, log: Outcome[]) {
    this.#inner = inner;
    this.#log = log;
  }

  #run<T extends Outcome>(isStep: boolean, act: () => T): T {
    if (this.#at === this.#log.length) {
      if (isStep && this.#stepsLeft === 0) throw new Stopped();
      if (isStep) this.#stepsLeft -= 1;
      this.#log.push(act());
    }
    const outcome = this.#log[this.#at] as T;
    this.#at += 1;
    return outcome;
  }

  peek64(cell: number): bigint {
    return this.#run(true, () => this.#inner.peek64(cell));
  }
  load64(cell: number): bigint {
    return this.#run(true, () => this.#inner.load64(cell));
  }
  swap64(cell: number, expected: bigint, next: bigint): boolean {
    return this.#run(true, () => this.#inner.swap64(cell, expected, next));
  }
  load32(word: number): number {
    return this.#run(true, () => this.#inner.load32(word));
  }
  store32(word: number, value: number): void {
    this.#run(true, () => {
      this.#inner.store32(word, value);
      return 0;
    });
  }
  /** A column is written by one thread, but that may die before it does. */
  storeFloat(cell: number, value: number): void {
    this.#run(true, () => {
      this.#inner.storeFloat(cell, value);
      return 0;
    });
  }
  add32(word: number, amount: number): number {
    return this.#run(true, () => this.#inner.add32(word, amount));
  }
  /** Constants don't change, and columns are read by their writer: no steps to be tried. */
  peek32(word: number): number {
    return this.#run(false, () => this.#inner.peek32(word));
  }
  loadFloat(cell: number): number {
    return this.#run(false, () => this.#inner.loadFloat(cell));
  }
}

/** Must make all its objects anew each time it is called. */
export type ThreadBody<T> = (memory: Memory) => T;

export interface Explored {
  /** Different ends. */
  readonly ends: number;
  /** Different states on the way. */
  readonly states: number;
}

interface ThreadState<T> {
  readonly log: readonly Outcome[];
  readonly result: { readonly value: T } | null;
}

/**
 * @param check is called at each end, with the buffer as it is then; throws where it is wrong.
 * @param canDie threads that may stop for good at any step: their result is null then.
 */
export function exploreAll<T>(
  buffer: SharedArrayBuffer,
  bodies: readonly ThreadBody<T>[],
  check: (results: readonly (T | null)[]) => void,
  canDie: readonly number[] = [],
): Explored {
  const bytes = new Uint8Array(buffer);
  const inner = new SharedMemory(buffer);
  const seen = new Set<string>();
  let ends = 0;

  const describe = (threads: readonly ThreadState<T>[], dead: number): string => {
    const logs = threads.map(({ log, result }) => `${result === null ? '' : '!'}${log.join()}`);
    return `${dead}|${logs.join('|')}|${Buffer.from(bytes).toString('latin1')}`;
  };

  const step = (body: ThreadBody<T>, state: ThreadState<T>): ThreadState<T> => {
    const log = [...state.log];
    try {
      return { result: { value: body(new SteppedMemory(inner, log)) }, log };
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
      return { result: null, log };
    }
  };

  const visit = (threads: readonly ThreadState<T>[], dead: number): void => {
    const key = describe(threads, dead);
    if (seen.has(key)) return;
    seen.add(key);
    const image = bytes.slice();
    const isOver = threads.every(({ result }, index) => result !== null || (dead >> index) & 1);
    if (isOver) {
      ends += 1;
      check(threads.map(({ result }) => (result === null ? null : result.value)));
      bytes.set(image);
      return;
    }
    threads.forEach((state, index) => {
      if (state.result !== null || (dead >> index) & 1) return;
      const next = step(bodies[index]!, state);
      visit(threads.with(index, next), dead);
      bytes.set(image);
      if (canDie.includes(index)) {
        visit(threads, dead | (1 << index));
        bytes.set(image);
      }
    });
  };

  const start = bytes.slice();
  visit(
    bodies.map(() => ({ log: [], result: null })),
    0,
  );
  bytes.set(start);
  return { ends, states: seen.size };
}

/**
 * Which configurations live: the one in force, which every worker is started with, and those before it of which
 * exchanges still run. To turn all workers at the same instant one number in shared memory is written, which each of
 * them reads before it begins an exchange.
 */
import type { GenerationReport, GenerationStart } from '../worker/messages.js';

export class Generations {
  /** For WorkerStart. */
  readonly inForce = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  readonly #number = new Int32Array(this.inForce);
  /** By number: the workers that have not left it. */
  readonly #users = new Map<number, Set<number>>();
  readonly #onRetired: (oldest: number) => void;
  #current: GenerationStart;

  /** @param onRetired told when generations have ended: the number of the oldest that lives. */
  constructor(
    first: GenerationStart,
    workers: readonly number[],
    onRetired: (oldest: number) => void,
  ) {
    this.#onRetired = onRetired;
    this.#current = first;
    this.begin(first, workers);
  }

  /** What a worker that starts now has to be started with. */
  get current(): GenerationStart {
    return this.#current;
  }

  /** The one in force included. */
  get livingCount(): number {
    return this.#users.size;
  }

  get oldest(): number {
    return Math.min(...this.#users.keys());
  }

  /** From this instant on it is in force, in all workers; each of them must have built it. */
  begin(start: GenerationStart, workers: readonly number[]): void {
    this.#current = start;
    this.#users.set(start.number, new Set(workers));
    Atomics.store(this.#number, 0, start.number);
  }

  onReport(worker: number, { kind, number }: GenerationReport): void {
    if (kind === 'retired') this.#leave(worker, number);
  }

  /** A worker's thread has ended. One that takes its place knows what is in force and nothing before it. */
  onWorkerEnded(worker: number): void {
    for (const number of [...this.#users.keys()]) {
      if (number !== this.#current.number) this.#leave(worker, number);
    }
  }

  #leave(worker: number, number: number): void {
    const users = this.#users.get(number);
    users?.delete(worker);
    if (users?.size !== 0 || number === this.#current.number) return;
    const before = this.oldest;
    this.#users.delete(number);
    if (this.oldest !== before) this.#onRetired(this.oldest);
  }
}

/** Time that stands still until a test moves it: performance.now() and intervals, as core/deadlines.ts uses them. */
import type { TestContext } from 'node:test';

interface Interval {
  readonly run: () => void;
  readonly everyMs: number;
  dueMs: number;
}

export class FakeClock {
  nowMs = 1000;
  readonly #intervals = new Set<Interval>();

  /** For the rest of the test. */
  constructor(context: TestContext) {
    context.mock.method(performance, 'now', () => this.nowMs);
    context.mock.method(globalThis, 'setInterval', (run: () => void, everyMs: number) => {
      const interval = { run, everyMs, dueMs: this.nowMs + everyMs, unref: () => interval };
      this.#intervals.add(interval);
      return interval;
    });
    context.mock.method(globalThis, 'clearInterval', (interval: Interval) => {
      this.#intervals.delete(interval);
    });
  }

  get intervalCount(): number {
    return this.#intervals.size;
  }

  /** Every interval runs whenever it is due. */
  advance(ms: number): void {
    const endMs = this.nowMs + ms;
    for (;;) {
      const [next] = [...this.#intervals].sort((one, other) => one.dueMs - other.dueMs);
      if (next === undefined || next.dueMs > endMs) break;
      this.nowMs = next.dueMs;
      this.#run(next);
    }
    this.nowMs = endMs;
  }

  /** The loop is held up: each interval that is due runs once, at the end, as Node does it. */
  holdUp(ms: number): void {
    this.nowMs += ms;
    for (const interval of [...this.#intervals]) {
      if (interval.dueMs <= this.nowMs) this.#run(interval);
    }
  }

  #run(interval: Interval): void {
    interval.dueMs = this.nowMs + interval.everyMs;
    interval.run();
  }
}

/** Time that stands still until a test moves it: performance.now() and timers, as core/deadlines.ts uses them. */
import type { TestContext } from 'node:test';

interface Interval {
  readonly run: () => void;
  /** null: it runs once. */
  readonly everyMs: number | null;
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
    context.mock.method(globalThis, 'setTimeout', (run: () => void, afterMs: number) => {
      const timeout = { run, everyMs: null, dueMs: this.nowMs + afterMs, unref: () => timeout };
      this.#intervals.add(timeout);
      return timeout;
    });
    for (const name of ['clearInterval', 'clearTimeout'] as const) {
      context.mock.method(globalThis, name, (interval: Interval) => {
        this.#intervals.delete(interval);
      });
    }
  }

  get intervalCount(): number {
    return [...this.#intervals].filter(({ everyMs }) => everyMs !== null).length;
  }

  /** Every timer runs whenever it is due. */
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

  /** The loop is held up: each timer that is due runs once, at the end, as Node does it. */
  holdUp(ms: number): void {
    this.nowMs += ms;
    for (const interval of [...this.#intervals]) {
      if (interval.dueMs <= this.nowMs) this.#run(interval);
    }
  }

  #run(interval: Interval): void {
    if (interval.everyMs === null) this.#intervals.delete(interval);
    else interval.dueMs = this.nowMs + interval.everyMs;
    interval.run();
  }
}

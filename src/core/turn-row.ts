/**
 * What came up in one turn of the loop and is done in a row at its end. A loop that reads a request, passes it on, reads
 * the next and so on lets whoever it writes to fall asleep between two writes, and pays the kernel for waking it with each:
 * with many requests that is a fifth of what a request costs. It costs a turn with a single one a microsecond.
 */
import { BOUNDS } from './bounds.js';

export interface Deferred {
  run(): void;
}

export class TurnRow {
  readonly #onFault: (thrown: unknown) => void;
  #items: Deferred[] = [];

  /** @param onFault told of what one of them threw; the others are run. */
  constructor(onFault: (thrown: unknown) => void) {
    this.#onFault = onFault;
  }

  /** Runs it before this turn of the loop is over; at once with those before it when the row is full. */
  add(item: Deferred): void {
    const length = this.#items.push(item);
    if (length >= BOUNDS.turnRowMax) {
      this.#run();
    } else if (length === 1) {
      setImmediate(this.#run);
    }
  }

  readonly #run = (): void => {
    const items = this.#items;
    if (items.length > 0) {
      this.#items = [];
      for (let at = 0; at < items.length; at += 1) {
        try {
          items[at]!.run();
        } catch (thrown) {
          this.#onFault(thrown);
        }
      }
    }
  };
}

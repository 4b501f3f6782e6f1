/** A worker's side of the counting pool: asks the primary by message, and waits within bounds. */
import { BOUNDS } from '../core/bounds.js';
import type { DeadlineList, Deadlines, Timed } from '../core/deadlines.js';

/** Sent to the primary, which answers with onCounted(id, await counter.count(body, model)). */
export interface CountRequest {
  readonly id: number;
  readonly model: string;
  readonly body: Uint8Array;
}

class Pending implements Timed {
  deadlineList: DeadlineList | null = null;
  deadlinePrevious: Timed | null = null;
  deadlineNext: Timed | null = null;
  deadlineStartMs = 0;
  readonly onDeadline: () => void;

  constructor(onDeadline: () => void) {
    this.onDeadline = onDeadline;
  }
}

interface Waiter {
  readonly pending: Pending;
  readonly resolve: (tokens: number | null) => void;
}

export class TokenCountClient {
  readonly #send: (request: CountRequest) => void;
  readonly #deadlines: DeadlineList;
  readonly #waiters = new Map<number, Waiter>();
  #lastId = 0;
  #isClosed = false;

  /** @param send must copy the body before it returns (core/wire.ts does). */
  constructor(send: (request: CountRequest) => void, deadlines: Deadlines) {
    this.#send = send;
    this.#deadlines = deadlines.createList(BOUNDS.exactCountMs);
  }

  get waiting(): number {
    return this.#waiters.size;
  }

  /** As TokenCounter.count(): never rejects, null where the estimate must do. */
  count(body: Uint8Array, model: string): Promise<number | null> {
    const isTooMuch =
      body.byteLength > BOUNDS.exactCountBodyBytesMax ||
      this.#waiters.size >= BOUNDS.exactCountPendingMax;
    if (this.#isClosed || isTooMuch) {
      return Promise.resolve(null);
    }
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve) => {
      const pending = new Pending(() => this.onCounted(id, null));
      this.#waiters.set(id, { pending, resolve });
      this.#deadlines.add(pending);
      try {
        this.#send({ id, model, body });
      } catch {
        this.onCounted(id, null);
      }
    });
  }

  /** The primary's answer; one that comes too late, or twice, is ignored. */
  onCounted(id: number, tokens: number | null): void {
    const waiter = this.#waiters.get(id);
    if (waiter !== undefined) {
      this.#waiters.delete(id);
      this.#deadlines.remove(waiter.pending);
      waiter.resolve(tokens);
    }
  }

  /** Everything that waits gets null, and so does what is asked for later. */
  close(): void {
    this.#isClosed = true;
    for (const id of [...this.#waiters.keys()]) {
      this.onCounted(id, null);
    }
  }
}

/**
 * Ends a worker in the one order that works (T-2 of the platform's pitfalls): stop listening, wait until nothing is in
 * flight or the time is over, close the app, close the providers' connections, and let the thread end by itself.
 */
import { BOUNDS } from '../core/bounds.js';
import { nowMs } from '../core/clock.js';
import type { ToWorker } from './messages.js';
import type { WorkerRuntime } from './runtime.js';

/** What clients connect to: a Listener, or what stands in front of one. */
export interface Door {
  stopListening(): void;
  close(): void;
}

type DrainOrder = Extract<ToWorker, { kind: 'drain' }>;

/** @param onDrained told how many exchanges had to be cut; called once, after everything is closed. */
export class Drain {
  readonly #door: Door;
  readonly #runtime: WorkerRuntime;
  readonly #onDrained: (cut: number) => void;
  #deadlineMs: number | null = null;
  #quietSinceMs: number | null = null;
  #lingerMs: number = BOUNDS.lingerMs;

  constructor(door: Door, runtime: WorkerRuntime, onDrained: (cut: number) => void) {
    this.#door = door;
    this.#runtime = runtime;
    this.#onDrained = onDrained;
  }

  /** Asked again, only the time that is left changes: a second signal cuts at once. */
  begin({ timeoutMs, lingerMs, reason }: DrainOrder): void {
    const hasBegun = this.#deadlineMs !== null;
    this.#runtime.closingReason = reason;
    this.#lingerMs = lingerMs;
    this.#deadlineMs = nowMs() + timeoutMs;
    if (hasBegun) {
      return;
    }
    this.#runtime.beginDraining();
    this.#door.stopListening();
    const timer = setInterval(() => {
      if (this.#isOver(nowMs())) {
        clearInterval(timer);
        this.#end();
      }
    }, BOUNDS.timerTickMs);
  }

  #isOver(now: number): boolean {
    const { inFlight, connections } = this.#runtime;
    this.#quietSinceMs = inFlight > 0 ? null : (this.#quietSinceMs ?? now);
    if (this.#deadlineMs !== null && now >= this.#deadlineMs) {
      return true;
    }
    // A client that has its answer may still be reading the end of it out of uWebSockets.js's buffer.
    return (
      this.#quietSinceMs !== null &&
      (connections === 0 || now - this.#quietSinceMs >= this.#lingerMs)
    );
  }

  #end(): void {
    const cut = this.#runtime.inFlight;
    this.#runtime.isClosing = true;
    this.#door.close();
    this.#runtime.closeProviders();
    this.#runtime.records.close();
    this.#runtime.log.close();
    this.#runtime.traces.flush();
    this.#onDrained(cut);
  }
}

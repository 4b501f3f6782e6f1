/** An attempt that may have to wait: in a list of deadlines while a call is under way, or with a timer between two calls. */
import type { DeadlineList, Timed } from '../core/deadlines.js';
import { ReportedAttempt } from './reported-attempt.js';

export abstract class WaitingAttempt extends ReportedAttempt implements Timed {
  #timer: NodeJS.Timeout | null = null;

  deadlineList: DeadlineList | null = null;
  deadlinePrevious: Timed | null = null;
  deadlineNext: Timed | null = null;
  deadlineStartMs = 0;

  abstract onDeadline(): void;

  protected leaveList(): void {
    this.deadlineList?.remove(this);
  }

  /** Between two calls; only a failure comes to this, so that a timer and its closure cost nothing that counts. */
  protected pauseBefore(next: () => void, waitMs: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = null;
      next();
    }, waitMs);
  }

  protected stopWaiting(): void {
    this.leaveList();
    if (this.#timer !== null) {
      clearTimeout(this.#timer);
      this.#timer = null;
    }
  }
}

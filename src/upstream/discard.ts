/**
 * Reads an error answer that is not passed on to its end, so that its connection can be used again. One that is too long
 * or takes too long costs its connection.
 */
import { BOUNDS } from '../core/bounds.js';
import type { DeadlineList, Timed } from '../core/deadlines.js';
import type { UpstreamCall, UpstreamObserver } from './call.js';

export class Discard implements UpstreamObserver, Timed {
  readonly #call: UpstreamCall;
  #bytes = 0;

  deadlineList: DeadlineList | null = null;
  deadlinePrevious: Timed | null = null;
  deadlineNext: Timed | null = null;
  deadlineStartMs = 0;

  /** @param patience lists those that wait for BOUNDS.discardedAnswerMs. */
  constructor(call: UpstreamCall, contentLength: number, patience: DeadlineList) {
    this.#call = call;
    call.handOver(this);
    if (contentLength > BOUNDS.discardedAnswerBytesMax) {
      call.cancel();
    } else {
      patience.add(this);
    }
  }

  onUpstreamSent(): void {}

  onUpstreamHead(): void {}

  onUpstreamData(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > BOUNDS.discardedAnswerBytesMax) {
      this.#finish();
      this.#call.cancel();
    }
  }

  onUpstreamTurn(): void {}

  onUpstreamEnd(): void {
    this.#finish();
  }

  onUpstreamFailure(): void {
    this.#finish();
  }

  onDeadline(): void {
    this.#call.cancel();
  }

  #finish(): void {
    this.deadlineList?.remove(this);
  }
}

/**
 * Sends an answer whose length is known: waits if it was asked to, sends as fast as the client takes it,
 * and breaks off where it was asked to.
 */

import type { Downstream, DownstreamObserver } from '../accept/downstream.js';
import type { AnswerHead } from '../core/answer-head.js';
import { nowMs } from '../core/clock.js';
import { TURN_BYTES_MAX } from './bounds.js';
import { Alarm, type PaceWheel } from './pace-wheel.js';
import type { SegmentedBody } from './segmented-body.js';

export interface WholePlan {
  readonly head: AnswerHead;
  readonly body: SegmentedBody;
  /** A HEAD request gets no body. */
  readonly isBodyless: boolean;
  readonly delayMs: number;
  /** Bytes after which the connection is cut or the answer falls silent; 0 is before the head, -1 never. */
  readonly cutAt: number;
  readonly stallAt: number;
}

export class WholeReply implements DownstreamObserver {
  readonly #downstream: Downstream;
  readonly #plan: WholePlan;
  readonly #wheel: PaceWheel;
  readonly #onDone: () => void;
  readonly #alarm = new Alarm(() => this.#advance());
  readonly #stopAt: number;
  #sentBytes = 0;
  #isBegun = false;

  constructor(downstream: Downstream, plan: WholePlan, wheel: PaceWheel, onDone: () => void) {
    this.#downstream = downstream;
    this.#plan = plan;
    this.#wheel = wheel;
    this.#onDone = onDone;
    this.#stopAt = Math.min(boundOf(plan.cutAt), boundOf(plan.stallAt));
  }

  start(): void {
    this.#downstream.observe(this);
    if (this.#plan.delayMs > 0) {
      const now = nowMs();
      this.#wheel.set(this.#alarm, now + this.#plan.delayMs, now);
    } else {
      this.#advance();
    }
  }

  onDownstreamGone(): void {
    this.#wheel.clear(this.#alarm);
    this.#onDone();
  }

  onDownstreamWritable(): void {
    this.#advance();
  }

  #advance(): void {
    const { head, body, isBodyless } = this.#plan;
    if (this.#sentBytes >= this.#stopAt) {
      this.#stop();
      return;
    }
    if (isBodyless) {
      this.#downstream.answerWithoutBody(head, body.length);
      this.#onDone();
      return;
    }
    const pieces: Uint8Array[] = [];
    const bytes = body.take(Math.min(TURN_BYTES_MAX, this.#stopAt - this.#sentBytes), pieces);
    this.#sentBytes += bytes;
    const isTaken = this.#downstream.send(
      this.#isBegun ? null : head,
      pieces,
      body.length,
      this.#sentBytes === body.length,
    );
    this.#isBegun = true;
    if (this.#sentBytes === body.length) {
      // What the client is yet to take is held by the Downstream, which tells nothing of the end.
      this.#onDone();
    } else if (isTaken) {
      // The other clients come first; and what was sent in the request’s own cork leaves before a cut.
      setImmediate(() => this.#advance());
    }
  }

  #stop(): void {
    if (this.#stopAt === this.#plan.cutAt) {
      this.#downstream.cut();
      this.#onDone();
    }
  }
}

function boundOf(at: number): number {
  return at < 0 ? Number.POSITIVE_INFINITY : at;
}

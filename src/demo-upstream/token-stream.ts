/**
 * Sends an answer as SSE, token by token. Each token’s time is counted from the start of the stream, so that
 * a late one does not push back those after it; what is overdue leaves together. Without a pace the events
 * leave in runs, as fast as the client takes them.
 */

import type { Downstream, DownstreamObserver } from '../accept/downstream.js';
import type { AnswerHead } from '../core/answer-head.js';
import { nowMs } from '../core/clock.js';
import type { Behaviour } from './behaviour.js';
import { TURN_BYTES_MAX } from './bounds.js';
import { Alarm, type PaceWheel } from './pace-wheel.js';
import { padSse, SegmentedBody } from './segmented-body.js';
import type { StreamFrame } from './text-api.js';
import { measureEvents, sliceEvents } from './words.js';

export class TokenStream implements DownstreamObserver {
  readonly #downstream: Downstream;
  readonly #frame: StreamFrame;
  readonly #head: AnswerHead;
  readonly #wheel: PaceWheel;
  readonly #onDone: () => void;
  readonly #alarm = new Alarm((now) => this.#advance(now));
  readonly #tokens: number;
  readonly #paceMs: number;
  readonly #headDueMs: number;
  readonly #firstDueMs: number;
  /** Tokens after which the stream breaks off; beyond #tokens if it does not. */
  readonly #stopAfter: number;
  readonly #isStopCut: boolean;
  readonly #padding: SegmentedBody | null;
  readonly #startedMs: number;
  #paddingBytesLeft = 0;
  #sentTokens = 0;
  #isBegun = false;
  #isOver = false;

  constructor(
    downstream: Downstream,
    head: AnswerHead,
    frame: StreamFrame,
    tokens: number,
    behaviour: Behaviour,
    wheel: PaceWheel,
    onDone: () => void,
  ) {
    this.#downstream = downstream;
    this.#head = head;
    this.#frame = frame;
    this.#wheel = wheel;
    this.#onDone = onDone;
    this.#tokens = tokens;
    this.#paceMs = behaviour.paceMs;
    this.#startedMs = nowMs();
    // A head can only leave with the first bytes of the body.
    const headMs =
      behaviour.headMs < 0 || frame.opening === '' ? behaviour.ttftMs : behaviour.headMs;
    this.#headDueMs = this.#startedMs + Math.max(headMs, behaviour.headMs);
    this.#firstDueMs = Math.max(this.#headDueMs, this.#startedMs + behaviour.ttftMs);
    const cutAfter = behaviour.cutAfter < 0 ? tokens + 1 : behaviour.cutAfter;
    const stallAfter = behaviour.stallAfter < 0 ? tokens + 1 : behaviour.stallAfter;
    this.#stopAfter = Math.min(cutAfter, stallAfter);
    this.#isStopCut = cutAfter === this.#stopAfter;
    this.#padding = this.#planPadding(behaviour.bytes);
  }

  start(): void {
    this.#downstream.observe(this);
    this.#advance(this.#startedMs);
  }

  onDownstreamGone(): void {
    this.#finish();
  }

  onDownstreamWritable(): void {
    this.#advance(nowMs());
  }

  #planPadding(bytes: number): SegmentedBody | null {
    const { opening, cycle, closing } = this.#frame;
    const bare = opening.length + measureEvents(cycle, this.#tokens) + closing.length;
    if (bytes <= bare) {
      return null;
    }
    this.#paddingBytesLeft = bytes - bare;
    return new SegmentedBody(padSse(bytes - bare));
  }

  #advance(now: number): void {
    if (this.#isOver) {
      return;
    }
    if (now < this.#headDueMs) {
      this.#wheel.set(this.#alarm, this.#headDueMs, now);
      return;
    }
    if (this.#sentTokens === this.#stopAfter) {
      this.#stop();
      return;
    }
    const pieces: Uint8Array[] = [];
    if (!this.#isBegun && this.#frame.opening !== '') {
      pieces.push(Buffer.from(this.#frame.opening, 'latin1'));
    }
    const dueTokens = this.#countDue(now);
    const isWhole = this.#takePieces(now, dueTokens, pieces);
    let isTaken = true;
    if (pieces.length > 0) {
      isTaken = this.#downstream.send(this.#isBegun ? null : this.#head, pieces, -1, isWhole);
      this.#isBegun = true;
    }
    if (isWhole) {
      this.#finish();
    } else if (isTaken) {
      this.#awaitNext(dueTokens, now);
    }
  }

  /** How many tokens should have left by now; as many as there are to send at all once the last is due. */
  #countDue(now: number): number {
    if (now < this.#firstDueMs) {
      return 0;
    }
    const due =
      this.#paceMs === 0 ? this.#tokens : Math.floor((now - this.#firstDueMs) / this.#paceMs) + 1;
    return Math.min(due, this.#tokens, this.#stopAfter);
  }

  /** @returns whether the stream is complete with these pieces. */
  #takePieces(now: number, dueTokens: number, pieces: Uint8Array[]): boolean {
    let bytes = 0;
    while (this.#sentTokens < dueTokens && bytes < TURN_BYTES_MAX) {
      const from = this.#sentTokens;
      const { piece, end } = sliceEvents(
        this.#frame.cycle,
        from,
        this.#paceMs === 0 ? dueTokens : from + 1,
      );
      pieces.push(piece);
      bytes += piece.length;
      this.#sentTokens = end;
    }
    if (
      now < this.#firstDueMs ||
      this.#sentTokens < this.#tokens ||
      this.#stopAfter <= this.#tokens
    ) {
      return false;
    }
    if (this.#padding !== null && bytes < TURN_BYTES_MAX) {
      this.#paddingBytesLeft -= this.#padding.take(TURN_BYTES_MAX - bytes, pieces);
    }
    if (this.#paddingBytesLeft > 0) {
      return false;
    }
    pieces.push(Buffer.from(this.#frame.closing, 'latin1'));
    return true;
  }

  #awaitNext(dueTokens: number, now: number): void {
    const isTokenLater = this.#sentTokens === dueTokens && dueTokens < this.#tokens;
    if (now >= this.#firstDueMs && (!isTokenLater || this.#sentTokens === this.#stopAfter)) {
      // The other clients come first; and what was sent in the request’s own cork leaves before a cut.
      setImmediate(() => this.#advance(nowMs()));
      return;
    }
    this.#wheel.set(this.#alarm, this.#firstDueMs + this.#sentTokens * this.#paceMs, now);
  }

  #stop(): void {
    if (this.#isStopCut) {
      this.#downstream.cut();
      this.#finish();
    }
  }

  #finish(): void {
    if (!this.#isOver) {
      this.#isOver = true;
      this.#wheel.clear(this.#alarm);
      this.#onDone();
    }
  }
}

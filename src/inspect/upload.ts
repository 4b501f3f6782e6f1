/**
 * A request body too large to hold: a stream from the client to the provider, with backpressure. Once the
 * provider is behind, the client is paused. While it is paused uWebSockets.js notices neither FIN nor RST, so a
 * little more is read once a tick, within bounds, to learn of a client that has gone (P-12). At the bound that is learnt
 * only after the provider has taken half a MB more, which is what uWebSockets.js reads at a time, or when it times out.
 *
 * The binaries for Node 24 read a client on in a loop of their own for as long as every read fills half a MB, and look at
 * a pause only behind it (uSockets, `read_more` in loop.c; the same was found in oven-sh/bun#43596). So a client that
 * sends faster than it is read, which takes one on the same machine, is held up late; the budget bounds what it costs.
 */
import { Readable } from 'node:stream';
import type { Downstream } from '../accept/downstream.js';
import { BOUNDS } from '../core/bounds.js';
import { GatewayError } from '../core/errors.js';
import type { ByteBudget } from './budget.js';

/** Emits `progress` whenever the provider has taken something. */
export class Upload extends Readable {
  readonly #downstream: Downstream;
  readonly #budget: ByteBudget;
  /** Read from the client, not yet taken by the provider. */
  #heldBytes = 0;
  #isPaused = false;
  #isOver = false;
  #probe: NodeJS.Timeout | null = null;

  constructor(downstream: Downstream, budget: ByteBudget) {
    super({ highWaterMark: BOUNDS.uploadBufferBytesMax });
    this.#downstream = downstream;
    this.#budget = budget;
  }

  /**
   * `chunk` is borrowed.
   *
   * @throws GatewayError `overloaded` when the worker's uploads hold as much as they may.
   */
  takeIn(chunk: Uint8Array, isLast: boolean): void {
    if (this.destroyed || this.#isOver) {
      return;
    }
    if (!this.#budget.hasRoom(chunk.length)) {
      throw new GatewayError(
        'overloaded',
        'The gateway holds as much of request bodies that providers have not taken yet as it may.',
        { retryAfterMs: 1000 },
      );
    }
    if (chunk.length > 0) {
      const wantsMore = this.push(Buffer.from(chunk));
      // Where the provider is ready for it, it has been passed on already and nothing is held.
      this.#settleHeld();
      if (this.#heldBytes < chunk.length) {
        this.emit('progress');
      }
      if (!wantsMore && !isLast) {
        this.#pause();
      }
    }
    if (isLast) {
      this.#isOver = true;
      this.#stopProbe();
      this.push(null);
    }
  }

  /** Whoever takes held bytes comes through here; `_read` is not called again before something new has come in. */
  override read(size?: number): unknown {
    const taken: unknown = super.read(size);
    this.#settleHeld();
    if (taken !== null) {
      this.emit('progress');
    }
    return taken;
  }

  override _read(): void {
    if (this.#isPaused && !this.#isOver) {
      this.#isPaused = false;
      this.#stopProbe();
      this.#downstream.resumeReading();
    }
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#stopProbe();
    this.#settleHeld();
    if (this.#isPaused) {
      this.#isPaused = false;
      // Whatever still comes is thrown away, so that the answer can be read.
      this.#downstream.resumeReading();
    }
    callback(error);
  }

  #pause(): void {
    this.#downstream.pauseReading();
    if (!this.#isPaused) {
      this.#isPaused = true;
      this.#probe = setInterval(() => this.#readOnTrial(), BOUNDS.timerTickMs);
    }
  }

  #readOnTrial(): void {
    if (this.#heldBytes < BOUNDS.uploadProbedBytesMax && this.#budget.hasRoom(READ_BYTES_MAX)) {
      // What comes in pauses again through takeIn().
      this.#downstream.resumeReading();
    }
  }

  /** Counts what is held now: read from the client, not yet taken by the provider. */
  #settleHeld(): void {
    const heldBytes = this.destroyed ? 0 : this.readableLength;
    const delta = heldBytes - this.#heldBytes;
    this.#heldBytes = heldBytes;
    if (delta > 0) {
      this.#budget.hold(delta);
    } else {
      this.#budget.release(-delta);
    }
  }

  #stopProbe(): void {
    if (this.#probe !== null) {
      clearInterval(this.#probe);
      this.#probe = null;
    }
  }
}

/** What uWebSockets.js reads at a time. */
const READ_BYTES_MAX = 512 * 1024;

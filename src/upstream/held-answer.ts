/** What came of an answer before it is known whether it goes to the client. */
import { BOUNDS } from '../core/bounds.js';
import { wallClockMs } from '../core/clock.js';
import type { TokenWatch } from './call-timeouts.js';
import { classifyErrorAnswer } from './error-body.js';
import { readErrorDocument } from './error-document.js';
import type { FailureClassName } from './failure-classes.js';
import type { ResponseHead } from './response-head.js';
import { readRetryAfterMs, readRetryDelayMs } from './retry-after.js';
import { findStreamError, hasWholeEvent, mayHoldError } from './stream-error.js';

/** What an answer was found to be. */
export interface FoundFailure {
  readonly className: FailureClassName;
  /** How long the provider wants to be left alone; -1: it did not say. */
  readonly retryAfterMs: number;
}

export abstract class HeldAnswer {
  readonly pieces: Buffer[] = [];
  #bytes = 0;

  /** It is not to be held any longer. */
  abstract get isDue(): boolean;

  /** @returns what is wrong with it; null: nothing that can be seen yet. */
  abstract take(chunk: Buffer): FoundFailure | null;

  /** No more will come, or be waited for. */
  abstract finish(): FoundFailure | null;

  /** @returns false when it is too long to be held. */
  protected keep(chunk: Buffer): boolean {
    this.pieces.push(Buffer.from(chunk));
    this.#bytes += chunk.length;
    return this.#bytes <= BOUNDS.heldAnswerBytesMax;
  }
}

/** A stream until its content begins. What is within it may be an error all the same. */
export class HeldStream extends HeldAnswer {
  readonly #watch: TokenWatch | null;
  readonly #isOwnCredential: boolean;
  isDue = false;

  /**
   * @param watch null: it is held only because its first bytes look like an error, until that is certain.
   * @param isOwnCredential the request bore Weir's credential.
   */
  constructor(watch: TokenWatch | null, isOwnCredential: boolean) {
    super();
    this.#watch = watch;
    this.#isOwnCredential = isOwnCredential;
  }

  take(chunk: Buffer): FoundFailure | null {
    const isShort = this.keep(chunk);
    this.isDue = this.#watch?.take(chunk) === true || !isShort;
    if (this.#watch !== null && !mayHoldError(chunk)) {
      return null;
    }
    const text = this.#text();
    this.isDue ||= this.#watch === null && hasWholeEvent(text);
    return findStreamError(text, false, this.#isOwnCredential);
  }

  finish(): FoundFailure | null {
    return findStreamError(this.#text(), true, this.#isOwnCredential);
  }

  #text(): string {
    return Buffer.concat(this.pieces).toString();
  }
}

/** An error of which the body tells the class. */
export class HeldError extends HeldAnswer {
  readonly #head: ResponseHead;
  readonly #isOwnCredential: boolean;
  isDue = false;

  /** @param isOwnCredential the request bore Weir's credential. */
  constructor(head: ResponseHead, isOwnCredential: boolean) {
    super();
    this.#head = head;
    this.#isOwnCredential = isOwnCredential;
  }

  take(chunk: Buffer): FoundFailure | null {
    this.isDue = !this.keep(chunk);
    return this.isDue ? this.finish() : null;
  }

  finish(): FoundFailure | null {
    const { status, lines } = this.#head;
    const body = Buffer.concat(this.pieces);
    const className = classifyErrorAnswer(status, this.#isOwnCredential, body, lines);
    if (className === null) {
      return null;
    }
    const saidMs = readRetryAfterMs(lines, wallClockMs());
    const retryAfterMs = saidMs >= 0 ? saidMs : readRetryDelayMs(readErrorDocument(body, lines));
    return { className, retryAfterMs };
  }
}

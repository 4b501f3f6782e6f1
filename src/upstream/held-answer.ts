/** What came of an answer before it is known whether it goes to the client. */
import { BOUNDS } from '../core/bounds.js';
import type { Exchange } from '../exchange.js';
import type { TokenWatch } from './call-timeouts.js';
import { classifyErrorAnswer } from './error-body.js';
import type { FailureClassName } from './failure-classes.js';
import type { ResponseHead } from './response-head.js';

/** A stream without content, or with `watch` null any answer, as long as it is not too long. */
export class HeldAnswer {
  readonly #watch: TokenWatch | null;
  readonly pieces: Buffer[] = [];
  #bytes = 0;

  constructor(watch: TokenWatch | null) {
    this.#watch = watch;
  }

  /** @returns false when it is not to be held any longer. */
  take(chunk: Buffer): boolean {
    this.pieces.push(Buffer.from(chunk));
    this.#bytes += chunk.length;
    return this.#watch?.take(chunk) !== true && this.#bytes <= BOUNDS.heldAnswerBytesMax;
  }
}

/** An error of which the body tells the class. */
export class HeldError extends HeldAnswer {
  readonly #head: ResponseHead;

  constructor(head: ResponseHead) {
    super(null);
    this.#head = head;
  }

  /** @param isOwnCredential the request bore Weir's credential. null: no failure at all. */
  classify(isOwnCredential: boolean): FailureClassName | null {
    const { status, lines } = this.#head;
    return classifyErrorAnswer(status, isOwnCredential, Buffer.concat(this.pieces), lines);
  }
}

/** Whether an error has a body that may be held. */
export function mayHold(exchange: Exchange, { contentLength }: ResponseHead): boolean {
  return contentLength <= BOUNDS.heldAnswerBytesMax && exchange.head.method !== 'HEAD';
}

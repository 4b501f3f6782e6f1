/** The body of an error that is read before it is known whether it goes to the client. */
import { BOUNDS } from '../core/bounds.js';
import type { Exchange } from '../exchange.js';
import { classifyErrorAnswer } from './error-body.js';
import type { FailureClassName } from './failure-classes.js';
import type { ResponseHead } from './response-head.js';

/** Whether the answer has a body that may be held back. */
export function mayGather(exchange: Exchange, { contentLength }: ResponseHead): boolean {
  return contentLength <= BOUNDS.errorBodyBytesMax && exchange.head.method !== 'HEAD';
}

export class GatheredError {
  readonly #head: ResponseHead;
  readonly pieces: Buffer[] = [];
  #bytes = 0;

  constructor(head: ResponseHead) {
    this.#head = head;
  }

  /** @returns false when it has become too long to be gathered. */
  take(chunk: Buffer): boolean {
    this.pieces.push(Buffer.from(chunk));
    this.#bytes += chunk.length;
    return this.#bytes <= BOUNDS.errorBodyBytesMax;
  }

  /** @param isOwnCredential the request bore Weir's credential. null: no failure at all. */
  classify(isOwnCredential: boolean): FailureClassName | null {
    const { status, lines } = this.#head;
    return classifyErrorAnswer(status, isOwnCredential, Buffer.concat(this.pieces), lines);
  }
}

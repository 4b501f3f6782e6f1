/** How long a call waits for what, and the wait for the first token, which runs beside the others. */
import type { ModelTimeouts, ProviderTimeouts } from '../config/model.js';
import type { DeadlineList, Deadlines, Timed } from '../core/deadlines.js';
import type { ResponseHead } from './response-head.js';

/** Finds the first content of an event stream; the relay has one (relay/first-token.ts). */
export interface TokenWatch {
  /** @returns whether content has come by now. */
  take(chunk: Buffer): boolean;
}

export interface FirstTokenTimeout {
  readonly deadlines: DeadlineList;
  readonly createWatch: () => TokenWatch;
}

export interface CallTimeouts {
  readonly firstByte: DeadlineList;
  readonly idle: DeadlineList;
  /** null: the first token may take as long as it will. */
  readonly firstToken: FirstTokenTimeout | null;
}

/** @param model what of the provider's timeouts is another for this model; null: nothing. */
export function createCallTimeouts(
  deadlines: Deadlines,
  provider: ProviderTimeouts,
  model: ModelTimeouts | null,
  createWatch: (() => TokenWatch) | null,
): CallTimeouts {
  const firstTokenMs = model?.firstTokenMs ?? provider.firstTokenMs;
  return {
    firstByte: deadlines.shareList('first_byte', model?.firstByteMs ?? provider.firstByteMs),
    idle: deadlines.shareList('idle', model?.idleMs ?? provider.idleMs),
    firstToken:
      firstTokenMs === null || createWatch === null
        ? null
        : { deadlines: deadlines.shareList('first_token', firstTokenMs), createWatch },
  };
}

/** Whether the first token of an answer is to be looked for in its body; of any other it is the head. */
export function holdsTokens(head: ResponseHead): boolean {
  return head.isEventStream && !head.isEncoded && head.status < 300;
}

/** One call's wait for its first token. It rests while its client can't take more. */
export class FirstTokenWait implements Timed {
  readonly #timeout: FirstTokenTimeout;
  readonly #call: { onFirstTokenLate(): void };
  #watch: TokenWatch | null = null;

  deadlineList: DeadlineList | null = null;
  deadlinePrevious: Timed | null = null;
  deadlineNext: Timed | null = null;
  deadlineStartMs = 0;

  /** @param atMs when the request was sent, of core/clock.ts. */
  constructor(timeout: FirstTokenTimeout, atMs: number, call: { onFirstTokenLate(): void }) {
    this.#timeout = timeout;
    this.#call = call;
    timeout.deadlines.add(this, atMs);
  }

  /** @returns whether the wait is over. */
  take(chunk: Buffer): boolean {
    this.#watch ??= this.#timeout.createWatch();
    return this.#watch.take(chunk);
  }

  /** Begins anew. */
  start(): void {
    this.#timeout.deadlines.add(this);
  }

  stop(): void {
    this.deadlineList?.remove(this);
  }

  onDeadline(): void {
    this.#call.onFirstTokenLate();
  }
}

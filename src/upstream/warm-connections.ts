/**
 * Keeps a number of connections to a provider open in advance, so that the first exchanges after a quiet time need not
 * wait for TCP and TLS. That they can't be opened is nobody's failure: it is tried again, less and less often.
 */
import { BOUNDS } from '../core/bounds.js';
import type { DeadlineList, Timed } from '../core/deadlines.js';
import { Backoff } from './backoff.js';
import type { Dial } from './dial.js';

export interface WarmHost {
  /** Connections that are open or being opened, for whomever. */
  readonly openedCount: number;
  /** Opens one for nobody, and counts it. Where the dial is cancelled neither is called. */
  openIdle(onOpen: () => void, onFailed: () => void): Dial;
  /** An opening that openIdle() began was cancelled. */
  giveUpIdle(): void;
}

export class WarmConnections {
  readonly #host: WarmHost;
  readonly #count: number;
  readonly #connectDeadlines: DeadlineList;
  readonly #backoff: Backoff;
  readonly #dials = new Set<WarmDial>();
  #failures = 0;
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;

  /** @param count how many connections there are to be at least. */
  constructor(
    host: WarmHost,
    count: number,
    connectDeadlines: DeadlineList,
    random: () => number = Math.random,
  ) {
    this.#host = host;
    this.#count = count;
    this.#connectDeadlines = connectDeadlines;
    // Between half of a wait and all, so that workers and gateways do not come back at the same moment.
    this.#backoff = new Backoff(
      BOUNDS.warmBackoffMs,
      BOUNDS.warmBackoffMsMax,
      () => 0.5 + random() / 2,
    );
  }

  /** To be called whenever there may be fewer than there should be. */
  fill(): void {
    if (this.#isClosed || this.#timer !== null) {
      return;
    }
    // One is enough to find out whether the provider can be connected to again.
    const dialsMax = this.#failures > 0 ? 1 : BOUNDS.warmDialsMax;
    while (this.#dials.size < dialsMax && this.#host.openedCount < this.#count) {
      this.#dial();
    }
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer ?? undefined);
    for (const dial of this.#dials) {
      dial.cancel();
      this.#host.giveUpIdle();
    }
    this.#dials.clear();
  }

  #dial(): void {
    const entry = new WarmDial(() => {
      this.#dials.delete(entry);
      entry.dial?.cancel();
      this.#host.giveUpIdle();
      this.#waitLonger();
    });
    this.#dials.add(entry);
    this.#connectDeadlines.add(entry);
    entry.dial = this.#host.openIdle(
      () => {
        this.#finish(entry);
        this.#failures = 0;
        this.fill();
      },
      () => {
        this.#finish(entry);
        this.#waitLonger();
      },
    );
  }

  #finish(entry: WarmDial): void {
    this.#dials.delete(entry);
    this.#connectDeadlines.remove(entry);
  }

  #waitLonger(): void {
    if (this.#isClosed || this.#timer !== null) {
      return;
    }
    this.#failures += 1;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.fill();
    }, this.#backoff.delayMs(this.#failures)).unref();
  }
}

/** An opening that waits for `timeouts.connect` at most. */
class WarmDial implements Timed {
  dial: Dial | null = null;
  deadlineList: DeadlineList | null = null;
  deadlinePrevious: Timed | null = null;
  deadlineNext: Timed | null = null;
  deadlineStartMs = 0;
  readonly onDeadline: () => void;

  constructor(onDeadline: () => void) {
    this.onDeadline = onDeadline;
  }

  cancel(): void {
    this.deadlineList?.remove(this);
    this.dial?.cancel();
  }
}

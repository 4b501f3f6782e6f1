/** How long to wait before a server that died is started again: not at all, unless it keeps dying. */
import { BOUNDS } from '../core/bounds.js';

export class RestartDelay {
  #deaths = 0;

  /**
   * @param livedMs how long the dead one had been serving; 0: it never did.
   * @returns milliseconds.
   */
  next(livedMs: number): number {
    this.#deaths = livedMs >= BOUNDS.restartCalmMs ? 1 : this.#deaths + 1;
    const surplus = this.#deaths - BOUNDS.restartsAtOnceMax - 1;
    return surplus < 0
      ? 0
      : Math.min(BOUNDS.restartDelayMs * 2 ** Math.min(surplus, 30), BOUNDS.restartDelayMsMax);
  }
}

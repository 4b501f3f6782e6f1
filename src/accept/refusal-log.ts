/** Tells of connections that were closed for what they began with; seldom, because a stranger may make as many as it likes. */
import { BOUNDS } from '../core/bounds.js';
import { nowMs } from '../core/clock.js';

/** @returns what is to be told of each; `warn` gets one line for the first, and for all of the next while together. */
export function createRefusalLog(
  warn: (message: string) => void,
): (peer: string, reason: string) => void {
  let lastMs = Number.NEGATIVE_INFINITY;
  let untold = 0;
  return (peer, reason) => {
    untold += 1;
    const now = nowMs();
    if (now - lastMs < BOUNDS.proxyRefusalLogMs) return;
    const more = untold > 1 ? `, and ${untold - 1} more before it` : '';
    lastMs = now;
    untold = 0;
    warn(`a connection from ${peer} was closed: ${reason}${more}`);
  };
}

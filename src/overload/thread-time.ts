/** How long this thread has run, and how long it could have run but others had the cores. */
import { readFileSync } from 'node:fs';

export interface ThreadTime {
  readonly ranNs: number;
  readonly waitedNs: number;
}

/** Of the calling thread, whichever it is; Documentation/scheduler/sched-stats.rst. About 10 µs. */
const FILE = '/proc/thread-self/schedstat';

/** null where the system does not say. */
export function readThreadTime(): ThreadTime | null {
  try {
    const [ran, waited] = readFileSync(FILE, 'latin1').split(' ', 2).map(Number);
    return ran !== undefined && waited !== undefined && ran >= 0 && waited >= 0
      ? { ranNs: ran, waitedNs: waited }
      : null;
  } catch {
    return null;
  }
}

/** However little of a core a thread gets, so much of a round counts as its own: nobody shall wait for ever for a neighbour. */
const SHARE_MIN = 0.1;

/**
 * Of the time between two readings in which the thread had something to do, the share in which it did it. What it had to
 * wait for a core of this machine the kernel counts; what another virtual machine took of the core it mostly leaves out
 * of both numbers, so that it shows only beside the clock.
 *
 * @param activeNs by the clock, how long the loop had something to do.
 */
export function shareOfCore(
  from: ThreadTime | null,
  to: ThreadTime | null,
  activeNs: number,
): number {
  if (from === null || to === null) {
    return 1;
  }
  const ranNs = to.ranNs - from.ranNs;
  const waitedNs = Math.max(0, to.waitedNs - from.waitedNs);
  const wantedNs = Math.max(ranNs + waitedNs, activeNs);
  return ranNs > 0 ? Math.max(SHARE_MIN, ranNs / wantedNs) : 1;
}

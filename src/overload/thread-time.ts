/** How long this thread has run, and how long it could have run but others had the cores. */
import { openSync, readSync } from 'node:fs';

export interface ThreadTime {
  readonly ranNs: number;
  readonly waitedNs: number;
}

/** Of the thread that opens it; Documentation/scheduler/sched-stats.rst. Opening it takes ten times as long as reading it. */
const FILE = '/proc/thread-self/schedstat';
/** Two times and a count, of 20 digits at most. */
const bytes = Buffer.alloc(64);
/** Node closes it with its thread. */
let descriptor: number | undefined;

/** Of the calling thread; null where the system does not say. */
export function readThreadTime(): ThreadTime | null {
  try {
    descriptor ??= openSync(FILE, 'r');
    const length = readSync(descriptor, bytes, 0, bytes.length, 0);
    const [ran, waited] = bytes.toString('latin1', 0, length).split(' ', 2).map(Number);
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

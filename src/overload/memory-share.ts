/** How much of the machine's memory one worker's buffers may take. */
import { BOUNDS } from '../core/bounds.js';

/** Of all workers together, of each of the three kinds of bodies that they hold: collected, uploading, kept to be sent again. */
const SHARE = 0.125;

/**
 * A bound of core/bounds.ts, or less where there is not that much memory; room for one body of the largest size always.
 *
 * @param memoryLimitBytes of the process; 0 where nobody knows.
 */
export function limitToMemory(bytesMax: number, memoryLimitBytes: number, workers: number): number {
  if (memoryLimitBytes <= 0) {
    return bytesMax;
  }
  const share = Math.floor((memoryLimitBytes * SHARE) / workers);
  return Math.min(bytesMax, Math.max(share, BOUNDS.bodyCollectBytesMax));
}

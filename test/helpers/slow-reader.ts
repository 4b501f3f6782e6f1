/**
 * A reader at a set pace: it takes a few bytes, waits, takes more. Between two bites the socket is
 * paused, so the sender meets the kernel's closed window and not a buffer in this process.
 */
import { pause } from './changes.js';
import type { RawClient } from './raw-client.js';

export interface Pace {
  readonly biteBytes: number;
  readonly everyMs: number;
  /** Ends early after so many bytes. */
  readonly untilBytes?: number;
}

/** Resolves when the sender closed or enough was read. */
export async function readSlowly(client: RawClient, pace: Pace): Promise<void> {
  const end = pace.untilBytes ?? Number.POSITIVE_INFINITY;
  while (client.closeKind === 'open' && client.bytesReceived < end) {
    const target = Math.min(client.bytesReceived + pace.biteBytes, end);
    client.resumeReads();
    await client.waitFor(
      (state) => (state.bytesReceived >= target || state.closeKind !== 'open' ? true : undefined),
      60_000,
      'bytes for the slow reader',
    );
    client.pauseReads();
    await pause(pace.everyMs);
  }
  client.resumeReads();
}

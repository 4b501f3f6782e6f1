/** Waits for what nobody tells of: another process's memory, sockets or counters. */
import { pause } from './changes.js';

const EVERY_MS = 50;

export async function pollUntil(
  isTrue: () => boolean | Promise<boolean>,
  timeoutMs: number,
  what: string | (() => string),
): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!(await isTrue())) {
    if (performance.now() > end) {
      throw new Error(
        `waited ${timeoutMs} ms in vain for ${typeof what === 'string' ? what : what()}`,
      );
    }
    await pause(EVERY_MS);
  }
}

/**
 * Finds where usage may be named. Every event of a stream is searched, most are a few hundred bytes long, and for those a
 * call into native code takes longer than looking at every sixth byte here (Horspool's way).
 */

/** Beyond any offset. */
export const NOWHERE = Number.MAX_SAFE_INTEGER;

/** With its quote, but not the one at its end: Gemini's `usageMetadata` begins so too. */
const BEGINNING = Buffer.from('"usage');
const LAST = BEGINNING.length - 1;

/** How far a search may step from a byte: to where that byte could be the name's. */
const STEPS = new Uint8Array(256).fill(BEGINNING.length);
for (let at = 0; at < LAST; at += 1) STEPS[BEGINNING[at] as number] = LAST - at;

/** The offset of the next `"usage`; in a string its quote would be escaped, which is not looked at. */
export function findUsageName(bytes: Uint8Array, from: number): number {
  for (let last = from + LAST; last < bytes.length; ) {
    const byte = bytes[last] as number;
    if (byte === BEGINNING[LAST] && isBeginning(bytes, last - LAST)) return last - LAST;
    last += STEPS[byte] as number;
  }
  return NOWHERE;
}

function isBeginning(bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < LAST; i += 1) {
    if (bytes[at + i] !== BEGINNING[i]) return false;
  }
  return true;
}

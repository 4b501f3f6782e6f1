/**
 * Finds where usage may be named. Every event of a stream is searched, and most are a few hundred bytes long. The one rare
 * letter of the name is looked for natively, which is the fastest there is for one byte, while it leads to little else;
 * what has many of it is stepped through here (Horspool's way).
 */

/** Beyond any offset. */
export const NOWHERE = Number.MAX_SAFE_INTEGER;

/** With its quote, but not the one at its end: Gemini's `usageMetadata` begins so too. */
const BEGINNING = Buffer.from('"usage');
const LAST = BEGINNING.length - 1;

/** How far a search may step from a byte: to where that byte could be the name's. */
const STEPS = new Uint8Array(256).fill(BEGINNING.length);
for (let at = 0; at < LAST; at += 1) STEPS[BEGINNING[at] as number] = LAST - at;

/** In text, JSON and base64 it is rarer than the others, and hexadecimal numbers have none. */
const RARE_AT = BEGINNING.indexOf('g');
const RARE = BEGINNING[RARE_AT] as number;
/** A search for one byte costs as much as stepping over so many bytes. */
const SEARCH_BYTES = 48;
/** Before the rare letter is thought not to be rare here. */
const SEARCHES_MIN = 16;

/** The offset of the next `"usage`; in a string its quote would be escaped, which is not looked at. */
export function findUsageName(bytes: Buffer, from: number): number {
  let rareAt = from + RARE_AT - 1;
  let worthBytes = from - SEARCHES_MIN * SEARCH_BYTES;
  for (; worthBytes < rareAt; worthBytes += SEARCH_BYTES) {
    rareAt = bytes.indexOf(RARE, rareAt + 1);
    if (rareAt < 0) return NOWHERE;
    if (isBeginning(bytes, rareAt - RARE_AT)) return rareAt - RARE_AT;
  }
  return stepToUsageName(bytes, rareAt + 1 - RARE_AT);
}

function stepToUsageName(bytes: Buffer, from: number): number {
  for (let last = from + LAST; last < bytes.length; ) {
    const byte = bytes[last] as number;
    if (byte === BEGINNING[LAST] && isBeginning(bytes, last - LAST)) return last - LAST;
    last += STEPS[byte] as number;
  }
  return NOWHERE;
}

function isBeginning(bytes: Buffer, at: number): boolean {
  for (let i = 0; i <= LAST; i += 1) {
    if (bytes[at + i] !== BEGINNING[i]) return false;
  }
  return true;
}

/**
 * Reads the usage out of a JSON answer that is there as a whole and ends with it, as OpenAI's do: from its end, without
 * following the text before it.
 */

import { BOUNDS } from '../core/bounds.js';
import { isJsonSpace } from '../core/json-bytes.js';
import { AnswerEnd } from './answer-end.js';
import { closesLast } from './json-tail.js';
import type { UsageFigures } from './json-usage.js';

const NAME = Buffer.from('"usage"');
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;

const RARE_AT = NAME.indexOf('g');
const RARE = NAME[RARE_AT] as number;
const RARE_SEARCHES_MAX = 16;

/** How far a search from the end may step back from a byte: to where that byte could be the next one of the name. */
const STEPS = new Uint8Array(256).fill(NAME.length);
for (let at = NAME.length - 1; at > 0; at -= 1) STEPS[NAME[at] as number] = at;

const lastEnd = new AnswerEnd();

/**
 * @returns false where the end does not tell it: then the answer has to be followed from its beginning, and what the
 *   figures say means nothing.
 */
export function takeWholeUsage(bytes: Buffer, figures: UsageFigures): boolean {
  if (figures.takeLike(lastEnd, bytes)) return true;
  const nameAt = findNameBackwards(bytes);
  if (nameAt < 1 || bytes[0] !== OPEN_BRACE || bytes[nameAt - 1] === BACKSLASH) return false;
  let at = nameAt + NAME.length;
  while (isJsonSpace(bytes[at]) || bytes[at] === COLON) at += 1;
  if (bytes[at] !== OPEN_BRACE) return false;
  const end = figures.takeObject(bytes, at, BOUNDS.usageObjectBytesMax);
  if (end < 0 || !closesLast(bytes, end, bytes.length)) return false;
  figures.teach(lastEnd, bytes, nameAt);
  return true;
}

/**
 * Where the name stands last in plain quotes, which are escaped in a string; -1 if it does not. As in usage-name.ts its
 * rarest letter is looked for, and what has many of it is stepped through.
 */
function findNameBackwards(bytes: Buffer): number {
  let rareAt = bytes.length - NAME.length + RARE_AT + 1;
  for (let searches = 0; searches < RARE_SEARCHES_MAX; searches += 1) {
    // An offset below 0 would count from the end.
    rareAt = rareAt > RARE_AT ? bytes.lastIndexOf(RARE, rareAt - 1) : -1;
    const nameAt = rareAt - RARE_AT;
    if (nameAt < 0) return -1;
    if (isName(bytes, nameAt)) return nameAt;
  }
  return stepBackToName(bytes, rareAt - RARE_AT - 1);
}

function stepBackToName(bytes: Buffer, from: number): number {
  for (let at = from; at >= 0; ) {
    const first = bytes[at] as number;
    if (first === NAME[0] && isName(bytes, at)) return at;
    at -= STEPS[first] as number;
  }
  return -1;
}

function isName(bytes: Buffer, at: number): boolean {
  for (let i = 0; i < NAME.length; i += 1) {
    if (bytes[at + i] !== NAME[i]) return false;
  }
  return true;
}

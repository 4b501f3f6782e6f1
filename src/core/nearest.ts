/**
 * The names nearest to a mistyped one, for "did you mean". Used when the configuration is read, and
 * while serving, when somebody asks for an unknown model: there the name is a stranger's and the
 * candidates may be thousands, so the work is bounded in every direction.
 */
import { BOUNDS } from './bounds.js';

/** Returns at most `max` of `candidates`, the nearest first; equally near ones keep their order. */
export function nearestNames(name: string, candidates: Iterable<string>, max: number): string[] {
  if (max < 1) return [];
  const wanted = toComparable(name);
  const wantedLetters = letterSet(wanted);
  const found: { name: string; distance: number }[] = [];
  let distanceMax = tolerance(wanted.length);
  let seen = 0;
  for (const candidate of candidates) {
    seen += 1;
    if (seen > BOUNDS.suggestionCandidatesMax) break;
    const other = toComparable(candidate);
    // Two cheap lower bounds of the distance spare nearly all candidates the matrix.
    if (Math.abs(other.length - wanted.length) > distanceMax) continue;
    if (!mayBeWithin(wantedLetters, letterSet(other), distanceMax)) continue;
    const distance = editDistance(wanted, other, distanceMax);
    if (distance > distanceMax) continue;
    const at = found.findIndex((entry) => entry.distance > distance);
    found.splice(at < 0 ? found.length : at, 0, { name: candidate, distance });
    if (found.length < max) continue;
    // From now on only a nearer one gets in, which also makes the search among alike names cheap.
    found.length = max;
    distanceMax = (found[max - 1]?.distance ?? 0) - 1;
    if (distanceMax < 0) break;
  }
  return found.map((entry) => entry.name);
}

/**
 * Edits (insert, delete, replace, swap of neighbours; no part edited twice) that turn `a` into `b`,
 * or `distanceMax + 1` as soon as it is certain that there are more than `distanceMax`.
 */
export function editDistance(a: string, b: string, distanceMax: number): number {
  const tooFar = distanceMax + 1;
  // What both begin with costs nothing, and names of one family begin alike.
  let shared = 0;
  while (shared < a.length && a.charCodeAt(shared) === b.charCodeAt(shared)) shared += 1;
  return distanceOfRests(a.slice(shared), b.slice(shared), distanceMax, tooFar);
}

function distanceOfRests(a: string, b: string, distanceMax: number, tooFar: number): number {
  if (Math.abs(a.length - b.length) > distanceMax) return tooFar;
  let beforePrevious = new Uint16Array(b.length + 1).fill(tooFar);
  let previous = new Uint16Array(b.length + 1);
  for (let j = 0; j <= b.length; j++) previous[j] = Math.min(j, tooFar);
  let current = new Uint16Array(b.length + 1).fill(tooFar);
  let previousBest = 0;
  for (let i = 1; i <= a.length; i++) {
    // Only cells within distanceMax of the diagonal can lie on a path that is short enough.
    const from = Math.max(1, i - distanceMax);
    const to = Math.min(b.length, i + distanceMax);
    // The cells beside the band are read, but never on a path that is short enough.
    current[from - 1] = from === 1 ? Math.min(i, tooFar) : tooFar;
    if (to < b.length) current[to + 1] = tooFar;
    let best = current[from - 1] ?? tooFar;
    for (let j = from; j <= to; j++) {
      const isSame = a.charCodeAt(i - 1) === b.charCodeAt(j - 1);
      let cost = Math.min(
        (previous[j - 1] ?? tooFar) + (isSame ? 0 : 1),
        (previous[j] ?? tooFar) + 1,
        (current[j - 1] ?? tooFar) + 1,
      );
      if (isSwap(a, b, i, j)) cost = Math.min(cost, (beforePrevious[j - 2] ?? tooFar) + 1);
      current[j] = Math.min(cost, tooFar);
      best = Math.min(best, cost);
    }
    // A swap reaches back over one row, so it takes two rows out of reach to be hopeless.
    if (best > distanceMax && previousBest > distanceMax) return tooFar;
    previousBest = best;
    [beforePrevious, previous, current] = [previous, current, beforePrevious];
  }
  return previous[b.length] ?? tooFar;
}

function isSwap(a: string, b: string, i: number, j: number): boolean {
  return (
    i > 1 &&
    j > 1 &&
    a.charCodeAt(i - 1) === b.charCodeAt(j - 2) &&
    a.charCodeAt(i - 2) === b.charCodeAt(j - 1)
  );
}

/** Capitals are a frequent slip and no different name; a stranger's name may be as long as a body. */
function toComparable(name: string): string {
  return name.slice(0, BOUNDS.suggestionNameCharsMax).toLowerCase();
}

/** How many edits still look like a slip rather than another name. */
function tolerance(length: number): number {
  return Math.min(4, Math.max(1, Math.ceil(length / 3)));
}

/** One bit for each letter, modulo 32. */
function letterSet(text: string): number {
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits |= 1 << (text.charCodeAt(i) & 31);
  return bits;
}

/** An edit adds at most one letter and takes at most one away. */
function mayBeWithin(a: number, b: number, distanceMax: number): boolean {
  return countBits(a & ~b) <= distanceMax && countBits(b & ~a) <= distanceMax;
}

function countBits(bits: number): number {
  let rest = bits;
  let count = 0;
  while (rest !== 0) {
    rest &= rest - 1;
    count += 1;
  }
  return count;
}

/**
 * The names nearest to a mistyped one, for "did you mean". Used when the configuration is read, and
 * while serving, when somebody asks for an unknown model: there the name is a stranger's and the
 * candidates may be thousands, so the work is bounded in every direction.
 */
import { BOUNDS } from './bounds.js';

/** Returns at most `max` of `candidates`, the nearest first; equally near ones keep their order. */
export function nearestNames(name: string, candidates: Iterable<string>, max: number): string[] {
  const wanted = toComparable(name);
  const distanceMax = tolerance(wanted.length);
  const wantedLetters = letterSet(wanted);
  const found: { name: string; distance: number }[] = [];
  let seen = 0;
  for (const candidate of candidates) {
    seen += 1;
    if (seen > BOUNDS.suggestionCandidatesMax) break;
    const other = toComparable(candidate);
    // Two cheap lower bounds of the distance spare nearly all candidates the matrix.
    if (Math.abs(other.length - wanted.length) > distanceMax) continue;
    if (!mayBeWithin(wantedLetters, letterSet(other), distanceMax)) continue;
    const distance = editDistance(wanted, other, distanceMax);
    if (distance <= distanceMax) found.push({ name: candidate, distance });
  }
  found.sort((a, b) => a.distance - b.distance);
  return found.slice(0, Math.max(0, max)).map((entry) => entry.name);
}

/**
 * Edits (insert, delete, replace, swap of neighbours; no part edited twice) that turn `a` into `b`,
 * or `distanceMax + 1` as soon as it is certain that there are more than `distanceMax`.
 */
export function editDistance(a: string, b: string, distanceMax: number): number {
  const tooFar = distanceMax + 1;
  if (Math.abs(a.length - b.length) > distanceMax) return tooFar;
  let beforePrevious = new Array<number>(b.length + 1).fill(tooFar);
  let previous = Array.from({ length: b.length + 1 }, (_, j) => Math.min(j, tooFar));
  let current = new Array<number>(b.length + 1).fill(tooFar);
  let previousBest = 0;
  for (let i = 1; i <= a.length; i++) {
    // Only cells within distanceMax of the diagonal can lie on a path that is short enough.
    const from = Math.max(1, i - distanceMax);
    const to = Math.min(b.length, i + distanceMax);
    current.fill(tooFar);
    current[0] = Math.min(i, tooFar);
    let best = current[0];
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

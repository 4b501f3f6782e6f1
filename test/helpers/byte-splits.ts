/**
 * Where to cut a run of bytes: at random, and preferably where it hurts, inside a UTF-8 sequence,
 * between CR and LF, between the two line feeds that end an SSE event.
 */
import type { SeededRandom } from './seeded-random.js';

/** Offsets (ascending, without 0 and the length) at which a careless reader goes wrong. */
export function findHostilePoints(bytes: Buffer): number[] {
  const points: number[] = [];
  for (let at = 1; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    const isContinuation = (byte & 0xc0) === 0x80;
    const isAfterLineBreak = bytes[at - 1] === 0x0d || bytes[at - 1] === 0x0a;
    if (isContinuation || (isAfterLineBreak && (byte === 0x0a || byte === 0x0d))) points.push(at);
  }
  return points;
}

export interface SplitOptions {
  /** The mean length of a random piece. */
  readonly meanBytes?: number;
  /** How many of the hostile points become cuts. */
  readonly hostileShare?: number;
}

/** Ascending offsets at which to cut. */
export function choosePoints(
  bytes: Buffer,
  random: SeededRandom,
  options: SplitOptions = {},
): number[] {
  const meanBytes = options.meanBytes ?? 700;
  const hostileShare = options.hostileShare ?? 0.1;
  const points = new Set<number>();
  for (let at = random.integer(1, meanBytes * 2); at < bytes.length; ) {
    points.add(at);
    at += random.integer(1, meanBytes * 2);
  }
  for (const point of findHostilePoints(bytes)) {
    if (random.chance(hostileShare)) points.add(point);
  }
  return [...points].sort((one, other) => one - other);
}

/** The pieces between the points; together they are the bytes again. */
export function splitAt(bytes: Buffer, points: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  let from = 0;
  for (const point of points) {
    if (point <= from || point >= bytes.length) continue;
    pieces.push(bytes.subarray(from, point));
    from = point;
  }
  pieces.push(bytes.subarray(from));
  return pieces;
}

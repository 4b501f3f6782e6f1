/**
 * Bytes without end that repeat after a prime number of them, so that a GB can be sent and checked at the
 * speed of memory, and a piece that is lost, doubled or moved is seen at once.
 */
import { SeededRandom } from './seeded-random.js';

const PERIOD_BYTES = 65_521;
const PIECE_BYTES_MAX = 256 * 1024;
const TILE = createTile();

function createTile(): Buffer {
  const period = new SeededRandom(1).bytes(PERIOD_BYTES);
  const tile = Buffer.alloc(PERIOD_BYTES + PIECE_BYTES_MAX);
  for (let at = 0; at < tile.length; at += PERIOD_BYTES) period.copy(tile, at);
  return tile;
}

/** The pattern's bytes from `offset` on, at most 256 KB of them; nothing is copied. */
export function patternAt(offset: number, length: number): Buffer {
  const from = offset % PERIOD_BYTES;
  return TILE.subarray(from, from + Math.min(length, PIECE_BYTES_MAX));
}

/** Holds what it is given against the pattern. */
export class PatternCheck {
  bytes = 0;
  /** Where the first wrong byte came; -1: nowhere. */
  wrongAt = -1;

  take(piece: Buffer): void {
    for (let at = 0; at < piece.length; at += PIECE_BYTES_MAX) {
      const part = piece.subarray(at, at + PIECE_BYTES_MAX);
      if (this.wrongAt < 0 && patternAt(this.bytes, part.length).compare(part) !== 0) {
        this.wrongAt = this.bytes;
      }
      this.bytes += part.length;
    }
  }
}

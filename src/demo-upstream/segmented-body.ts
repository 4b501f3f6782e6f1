/**
 * A body as a list of segments, each a block of memory repeated to a length: so that an answer of 1 GiB
 * has a known length and is never held.
 */

export interface Segment {
  readonly block: Uint8Array;
  readonly length: number;
}

export class SegmentedBody {
  readonly length: number;
  readonly #segments: readonly Segment[];
  /** Where reading stands: bodies are read once, from front to back. */
  #index = 0;
  #offset = 0;

  constructor(segments: readonly Segment[]) {
    this.#segments = segments;
    this.length = segments.reduce((sum, segment) => sum + segment.length, 0);
  }

  /** Adds the next bytes to `pieces`, at most `bytesMax`. @returns how many they are. */
  take(bytesMax: number, pieces: Uint8Array[]): number {
    let taken = 0;
    while (taken < bytesMax && this.#index < this.#segments.length) {
      const { block, length } = this.#segments[this.#index] as Segment;
      if (this.#offset === length) {
        this.#index += 1;
        this.#offset = 0;
        continue;
      }
      const start = this.#offset % block.length;
      const count = Math.min(bytesMax - taken, length - this.#offset, block.length - start);
      pieces.push(block.subarray(start, start + count));
      this.#offset += count;
      taken += count;
    }
    return taken;
  }

  /** The whole body in one piece; only for small ones. */
  join(): Buffer {
    const pieces: Uint8Array[] = [];
    this.take(this.length, pieces);
    return Buffer.concat(pieces);
  }
}

export function segmentOf(bytes: Uint8Array): Segment {
  return { block: bytes, length: bytes.length };
}

/** 64 KB less a bit: a prime length, so that swapped pieces of a power of two show in a checksum. */
const FILLER = Buffer.from('padding of the simulated answer; '.repeat(2000)).subarray(0, 65_521);

/** Padding for the inside of a JSON string. */
export function padJson(bytes: number): Segment {
  return { block: FILLER, length: bytes };
}

/** A parser holds a line until it ends, so that comments must be short. */
const COMMENT_BYTES = 8192;
const COMMENT_BLOCK = Buffer.from(writeComment(COMMENT_BYTES).repeat(8));

/** Padding for an SSE stream: comments, which every client skips. */
export function padSse(bytes: number): Segment[] {
  const rest = bytes % COMMENT_BYTES;
  return [
    { block: COMMENT_BLOCK, length: bytes - rest },
    segmentOf(Buffer.from(rest < 3 ? '\n'.repeat(rest) : writeComment(rest))),
  ];
}

function writeComment(bytes: number): string {
  return `:${FILLER.toString('latin1', 0, bytes - 3)}\n\n`;
}

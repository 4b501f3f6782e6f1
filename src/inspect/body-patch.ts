/**
 * Changes one range of a body. The body is never parsed and written anew: that would cost its size
 * several times over, and would alter numbers beyond 2^53, escapes and the order of keys on the way.
 */
import type { ByteRange } from './json-scan.js';

/** The JSON token for a string, quotes included. */
export function encodeJsonString(value: string): Buffer {
  // JSON.stringify escapes lone surrogates, so what it gives is always encodable.
  return Buffer.from(JSON.stringify(value), 'utf8');
}

/**
 * A new buffer with the bytes of `segments`, `totalBytes` long together, in which `replacement` stands
 * in place of `range`. Every byte is copied once.
 */
export function copyPatched(
  segments: readonly Uint8Array[],
  totalBytes: number,
  range: Readonly<ByteRange>,
  replacement: Uint8Array,
): Buffer {
  const { start, end } = range;
  if (!(start >= 0 && start <= end && end <= totalBytes)) {
    throw new RangeError(`range ${start}–${end} lies outside of a body of ${totalBytes} bytes`);
  }
  const patched = Buffer.allocUnsafe(totalBytes - (end - start) + replacement.length);
  const shift = replacement.length - (end - start);
  let position = 0;
  for (const segment of segments) {
    const next = position + segment.length;
    if (next > totalBytes) break;
    if (position < start) patched.set(slice(segment, 0, start - position), position);
    if (next > end) {
      const from = Math.max(end - position, 0);
      patched.set(slice(segment, from, segment.length), position + from + shift);
    }
    position = next;
  }
  // The buffer came unfilled: if a byte were left out, an old secret could go to a provider in its place.
  if (position !== totalBytes) {
    throw new RangeError(`segments do not add up to ${totalBytes} bytes`);
  }
  patched.set(replacement, start);
  return patched;
}

function slice(segment: Uint8Array, from: number, to: number): Uint8Array {
  return from === 0 && to >= segment.length ? segment : segment.subarray(from, to);
}

/** What was read of a provider and not offered to the client yet, in pieces that are lent for a turn of the loop. */

export function countBytes(pieces: readonly Buffer[]): number {
  let bytes = 0;
  for (let i = 0; i < pieces.length; i += 1) {
    bytes += pieces[i]!.length;
  }
  return bytes;
}

/**
 * Copies what is lent.
 * @param from those before it are copies.
 * @returns how many are copies now: all.
 */
export function keepPieces(pieces: Buffer[], from: number): number {
  for (let i = from; i < pieces.length; i += 1) {
    pieces[i] = Buffer.from(pieces[i]!);
  }
  return pieces.length;
}

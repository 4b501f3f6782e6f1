/** The mixing of MurmurHash3, 32 bits (Austin Appleby, public domain): no cryptography; whoever needs a secret adds a seed. */

/** Takes in another block; begin with a seed or 0, and end with finish(). */
export function mixBlock(hash: number, block: number): number {
  const mixed = hash ^ Math.imul(turn(Math.imul(block, 0xcc9e2d51), 15), 0x1b873593);
  return (Math.imul(turn(mixed, 13), 5) + 0xe6546b64) | 0;
}

export function turn(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

/** From 0 to 2^32 - 1; each bit of the input changes half of the output's. */
export function finish(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

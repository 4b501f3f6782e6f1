/** Who may see an exchange's timeline: whoever sends the admin port's token, or the one set for it, as `x-weir-debug`. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { BOUNDS } from '../core/bounds.js';

export class DebugGuard {
  /** SHA-256 of each token, so that comparing takes as long whatever is sent. */
  readonly #digests: readonly Buffer[];

  /** @param tokens null: there is none; without any nobody is let in. */
  constructor(tokens: readonly (string | null)[]) {
    this.#digests = tokens.filter((token) => token !== null).map(hash);
  }

  isTrusted(sent: string): boolean {
    if (sent.length > BOUNDS.adminTokenBytesMax) return false;
    const digest = hash(sent);
    let isKnown = false;
    for (const known of this.#digests) {
      isKnown = timingSafeEqual(known, digest) || isKnown;
    }
    return isKnown;
  }
}

function hash(text: string): Buffer {
  return createHash('sha256').update(text, 'utf8').digest();
}

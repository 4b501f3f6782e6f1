/** An answer of a provider on the wire, in each of the three framings, cut where it hurts. */
import { choosePoints } from './byte-splits.js';
import { LAST_CHUNK, renderChunk, renderHead } from './http-text.js';
import type { SeededRandom } from './seeded-random.js';
import type { HeaderPair } from './strict-http.js';

export const WIRE_FRAMINGS = ['chunked', 'length', 'close'] as const;
export type WireFraming = (typeof WIRE_FRAMINGS)[number];

export interface Replay {
  readonly wire: Buffer;
  /** Where to cut `wire`: in heads, in size lines, between CR and LF, in the middle of characters. */
  readonly points: readonly number[];
}

export function renderReplay(
  body: Buffer,
  framing: WireFraming,
  headers: readonly HeaderPair[],
  random: SeededRandom,
): Replay {
  const framed: HeaderPair[] = [...headers];
  if (framing === 'chunked') framed.push(['Transfer-Encoding', 'chunked']);
  if (framing === 'length') framed.push(['Content-Length', `${body.length}`]);
  if (framing === 'close') framed.push(['Connection', 'close']);
  const head = renderHead('HTTP/1.1 200 OK', framed);
  const points = new Set(choosePoints(head, random, { meanBytes: 60 }));
  // Cutting the body first and the wire afterwards makes chunks and reads disagree.
  const pieces = [head];
  if (framing === 'chunked') {
    let at = head.length;
    let from = 0;
    for (const end of [...choosePoints(body, random), body.length]) {
      const chunk = renderChunk(body.subarray(from, end));
      for (let inSize = 1; inSize < 6; inSize++) if (random.chance(0.1)) points.add(at + inSize);
      pieces.push(chunk);
      at += chunk.length;
      from = end;
    }
    pieces.push(LAST_CHUNK);
  } else {
    pieces.push(body);
  }
  const wire = Buffer.concat(pieces);
  for (const point of choosePoints(wire, random, { meanBytes: 2000, hostileShare: 0.05 })) {
    points.add(point);
  }
  return { wire, points: [...points].sort((one, other) => one - other) };
}

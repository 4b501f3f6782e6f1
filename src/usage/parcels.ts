/** Takes the next records out of a segment, as many as go into one request. */
import { BOUNDS } from '../core/bounds.js';
import type { Place } from './delivery-state.js';
import { decodeRecords } from './segment-format.js';
import { SegmentReader } from './segment-reader.js';
import { describeDamage } from './spool.js';

export interface GatheredParcel {
  readonly fields: readonly string[];
  readonly records: readonly unknown[][];
  /** One past the last of them. */
  readonly to: Place;
  /** The segment was closed here: nothing comes after these. */
  readonly isEnded: boolean;
  /** Records on the way that can't be read. */
  readonly damaged: number;
  /** Why nothing more can be read of a segment that was closed; null: nothing is wrong with it. */
  readonly restDamage: string | null;
}

/**
 * @param end where the parcel must end, since it was sent before; null: where it is full, or there is no more.
 * @throws what the file system throws.
 */
export async function gatherParcel(
  path: string,
  from: Place,
  end: Place | null,
  recordsMax: number,
): Promise<GatheredParcel> {
  const reader = await SegmentReader.open(path, from[0]);
  if (typeof reader === 'string') {
    return { fields: [], records: [], to: from, isEnded: false, damaged: 0, restDamage: null };
  }
  try {
    return await gather(reader, from, end, recordsMax);
  } finally {
    await reader.close();
  }
}

async function gather(
  reader: SegmentReader,
  from: Place,
  end: Place | null,
  recordsMax: number,
): Promise<GatheredParcel> {
  const records: unknown[][] = [];
  let to: Place = from;
  let isEnded = false;
  let damaged = 0;
  let restDamage: string | null = null;
  let bytes = 0;
  while (!isReached(to, end) && bytes < BOUNDS.usageDeliveryBytesMax) {
    const step = await reader.next();
    if (step.kind === 'damaged') {
      damaged += step.head.records;
      to = [reader.offset, 0];
      continue;
    }
    if (step.kind !== 'batch') {
      if (step.kind === 'tail' && step.isDamage) {
        restDamage = describeDamage(step.offset, step.restBytes);
      }
      isEnded = step.kind === 'end' || restDamage !== null;
      break;
    }
    const all = decodeRecords(step.records);
    const first = step.offset === from[0] ? from[1] : 0;
    const room = end === null ? recordsMax - records.length : Number.POSITIVE_INFINITY;
    const last = Math.min(all.length, step.offset === end?.[0] ? end[1] : first + room);
    records.push(...all.slice(first, last));
    bytes += step.records.length;
    to = last < all.length ? [step.offset, last] : [reader.offset, 0];
    if (last < all.length || (end === null && records.length >= recordsMax)) {
      break;
    }
  }
  return { fields: reader.head.fields, records, to, isEnded, damaged, restDamage };
}

function isReached(place: Place, end: Place | null): boolean {
  return end !== null && place[0] === end[0] && place[1] === end[1];
}

/**
 * How far records were delivered, by segment: a small file beside the segments, written anew and renamed for each
 * change, so that a reader finds the old one or the new one. It need not be on the disk to be right: an older one makes
 * records be delivered again, never passed over.
 */
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const FILE_NAME = 'delivery.json';
const VERSION = 1;

/** A place between two records: so many of those in the batch that begins at `offset` lie before it. */
export type Place = readonly [offset: number, skip: number];

/** What a request to the receiver holds: the records between two places. Its name is the same at each try. */
export interface Parcel {
  readonly segment: string;
  readonly from: Place;
  readonly to: Place;
}

interface Entry {
  place: Place;
  isDone: boolean;
}

const BEGINNING: Place = [0, 0];

export class DeliveryState {
  readonly #path: string;
  readonly #segments = new Map<string, Entry>();
  /** Was perhaps delivered already; is sent again as it was, so that the receiver can tell. */
  pending: Parcel | null = null;

  constructor(dir: string) {
    this.#path = join(dir, FILE_NAME);
  }

  placeIn(segment: string): Place {
    return this.#segments.get(segment)?.place ?? BEGINNING;
  }

  /** Whether all of the segment was delivered and nothing more will come to it. */
  isDone(segment: string): boolean {
    return this.#segments.get(segment)?.isDone === true;
  }

  /** Bytes of a segment that has so many which were not delivered. */
  restBytes(segment: string, bytes: number): number {
    return this.isDone(segment) ? 0 : Math.max(0, bytes - this.placeIn(segment)[0]);
  }

  setPlace(segment: string, place: Place): void {
    this.#entryOf(segment).place = place;
  }

  setDone(segment: string): void {
    this.#entryOf(segment).isDone = true;
  }

  /** Segments that are gone need not be remembered. @returns whether there were any. */
  keepOnly(names: ReadonlySet<string>): boolean {
    const before = this.#segments.size;
    for (const name of this.#segments.keys()) {
      if (!names.has(name)) {
        this.#segments.delete(name);
      }
    }
    if (this.pending !== null && !names.has(this.pending.segment)) {
      this.pending = null;
    }
    return this.#segments.size !== before;
  }

  /** Reads what was saved last; where that can't be, it is as if nothing was delivered. @returns why it can't, or null. */
  async load(): Promise<string | null> {
    this.#segments.clear();
    this.pending = null;
    let text: string;
    try {
      text = await readFile(this.#path, 'utf8');
    } catch (error) {
      const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
      return isMissing ? null : String(error);
    }
    try {
      this.#take(JSON.parse(text));
      return null;
    } catch {
      return `${FILE_NAME} is damaged`;
    }
  }

  /** @throws what the file system throws. */
  async save(): Promise<void> {
    const segments = Object.fromEntries(
      [...this.#segments].map(([name, { place, isDone }]) => [name, [...place, isDone]]),
    );
    const beside = `${this.#path}.${process.pid}.tmp`;
    try {
      const text = JSON.stringify({ version: VERSION, segments, pending: this.pending });
      await writeFile(beside, `${text}\n`, { mode: 0o600 });
      await rename(beside, this.#path);
    } catch (error) {
      await rm(beside, { force: true }).catch(() => {});
      throw error;
    }
  }

  #entryOf(segment: string): Entry {
    const known = this.#segments.get(segment);
    if (known !== undefined) {
      return known;
    }
    const entry = { place: BEGINNING, isDone: false };
    this.#segments.set(segment, entry);
    return entry;
  }

  #take(value: unknown): void {
    const { version, segments, pending } = value as {
      version: unknown;
      segments: Record<string, unknown>;
      pending: unknown;
    };
    if (version !== VERSION) {
      throw new Error('another version');
    }
    for (const [name, entry] of Object.entries(segments)) {
      const [offset, skip, isDone] = entry as unknown[];
      this.#segments.set(name, { place: toPlace([offset, skip]), isDone: isDone === true });
    }
    if (pending !== null) {
      const { segment, from, to } = pending as Record<keyof Parcel, unknown>;
      this.pending = { segment: String(segment), from: toPlace(from), to: toPlace(to) };
    }
  }
}

function toPlace(value: unknown): Place {
  const [offset, skip] = value as unknown[];
  if (!isCount(offset) || !isCount(skip)) {
    throw new Error('no place');
  }
  return [offset, skip];
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** For `idempotency-key`. */
export function nameParcel({ segment, from, to }: Parcel): string {
  return `${segment.replace(/\.usage$/, '')}:${from.join('.')}-${to.join('.')}`;
}

/**
 * Snapshots on disk: 8 bytes that say what it is, a version, the length, a SHA-256 and then msgpack. Written beside
 * its place and renamed into it, so that a reader finds the old file or the new one and never half of one.
 */
import { createHash } from 'node:crypto';
import { open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Packr, Unpackr } from 'msgpackr';
import { BOUNDS } from '../core/bounds.js';
import type { SavedBucket, Snapshot } from './snapshot.js';

const MAGIC = Buffer.from('WEIRLIMS', 'latin1');
const VERSION = 1;
const AT = { version: 8, length: 12, digest: 16, payload: 48 } as const;

export type Decoded =
  | { readonly snapshot: Snapshot; readonly reason: null }
  | { readonly snapshot: null; readonly reason: string };

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });

export function encodeSnapshot(snapshot: Snapshot): Buffer {
  const payload = packr.pack([snapshot.wallMs, snapshot.consumers]);
  const bytes = Buffer.alloc(AT.payload + payload.length);
  MAGIC.copy(bytes);
  bytes.writeUInt32LE(VERSION, AT.version);
  bytes.writeUInt32LE(payload.length, AT.length);
  payload.copy(bytes, AT.payload);
  digest(bytes).copy(bytes, AT.digest);
  return bytes;
}

/** Never throws: whatever is wrong with the bytes is the reason. */
export function decodeSnapshot(bytes: Buffer): Decoded {
  if (bytes.length < AT.payload) {
    return refuse(bytes.length === 0 ? 'the file is empty' : 'the file ends within its head');
  }
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) {
    return refuse('the file is no snapshot of limits');
  }
  const version = bytes.readUInt32LE(AT.version);
  if (version !== VERSION) {
    return refuse(`the file has version ${version}, and this program reads version ${VERSION}`);
  }
  const length = bytes.readUInt32LE(AT.length);
  const found = bytes.length - AT.payload;
  if (found !== length)
    return refuse(`the file holds ${found} bytes where ${length} are announced`);
  if (!digest(bytes).equals(bytes.subarray(AT.digest, AT.payload))) {
    return refuse('the checksum does not fit, so the file is damaged');
  }
  try {
    const snapshot = toSnapshot(unpackr.unpack(bytes.subarray(AT.payload)));
    if (snapshot !== null) return { snapshot, reason: null };
  } catch {
    // Falls through: what msgpack makes of it is of no use to anybody.
  }
  return refuse('the contents are no snapshot of limits');
}

/** Resolves to null, or to why there is no snapshot; `the file does not exist` is the one of a first start. */
export async function readSnapshotFile(path: string): Promise<Decoded> {
  try {
    const { size } = await stat(path);
    if (size > BOUNDS.snapshotBytesMax) return refuse(`the file has ${size} bytes, too many`);
    return decodeSnapshot(await readFile(path));
  } catch (error) {
    if (readCode(error) === 'ENOENT') return refuse('the file does not exist');
    return refuse(`the file can't be read: ${describe(error)}`);
  }
}

/** Resolves to null once the file is on the disk, else to why it is not; what was there before is there then. */
export async function writeSnapshotFile(path: string, snapshot: Snapshot): Promise<string | null> {
  const beside = `${path}.${process.pid}.tmp`;
  try {
    await writeDurably(beside, encodeSnapshot(snapshot));
    await rename(beside, path);
    await syncDirectory(dirname(path));
    return null;
  } catch (error) {
    await rm(beside, { force: true }).catch(() => {});
    return `the snapshot can't be written: ${describe(error)}`;
  }
}

async function writeDurably(path: string, bytes: Buffer): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A rename is on the disk when its directory is. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** Over all but itself. */
function digest(bytes: Buffer): Buffer {
  const hash = createHash('sha256');
  return hash.update(bytes.subarray(0, AT.digest)).update(bytes.subarray(AT.payload)).digest();
}

/** The checksum says that nothing was damaged, not who has written it. */
function toSnapshot(value: unknown): Snapshot | null {
  if (!Array.isArray(value) || value.length !== 2) return null;
  const [wallMs, consumers]: unknown[] = value;
  if (typeof wallMs !== 'number' || !Number.isFinite(wallMs)) return null;
  if (!Array.isArray(consumers) || !consumers.every(isConsumer)) return null;
  return { wallMs, consumers };
}

function isConsumer(value: unknown): value is [string, SavedBucket[]] {
  if (!Array.isArray(value) || value.length !== 2) return false;
  const [name, buckets]: unknown[] = value;
  return typeof name === 'string' && Array.isArray(buckets) && buckets.every(isBucket);
}

function isBucket(value: unknown): value is SavedBucket {
  if (!Array.isArray(value) || value.length !== 2) return false;
  const [identity, missing]: unknown[] = value;
  return typeof identity === 'string' && typeof missing === 'number' && missing >= 0;
}

function refuse(reason: string): Decoded {
  return { snapshot: null, reason };
}

function readCode(error: unknown): string | null {
  return error instanceof Error && 'code' in error ? String(error.code) : null;
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

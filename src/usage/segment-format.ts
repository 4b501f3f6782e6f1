/**
 * The bytes of a segment, a file of the spool: msgpack values one after the other, which any msgpack library reads.
 *
 * ```
 * { weir_usage: 1, writer, segment, created_ms, fields: [names] }      the head
 * { batch, records, bytes, crc32 }                                     then so many bytes:
 *   [values] [values] …                                                a record each
 * { batch, … } …
 * { end: true }                                                        where the file was closed
 * ```
 *
 * A batch is written at once. What a crash has cut off, or has left unwritten, shows by the length or the checksum.
 * Batches of one writer are numbered from 1, over all its segments: where a failed write was tried again and the first
 * one had come through after all, the same number stands there twice.
 */
import { crc32 } from 'node:zlib';
import { Packr, Unpackr } from 'msgpackr';
import { USAGE_FIELDS } from './fields.js';

export const SEGMENT_VERSION = 1;

export interface SegmentHead {
  /** Random; tells processes that write to one directory apart. */
  readonly writer: string;
  /** From 1, of that writer. */
  readonly segment: number;
  readonly createdMs: number;
  readonly fields: readonly string[];
}

export interface BatchHead {
  readonly batch: number;
  readonly records: number;
  readonly bytes: number;
  readonly crc32: number;
}

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' });

/** Of a head; a file that has none within them is no segment. */
export const SEGMENT_HEAD_BYTES_MAX = 8192;

export function encodeSegmentHead(writer: string, segment: number, createdMs: number): Buffer {
  return packr.pack({
    weir_usage: SEGMENT_VERSION,
    writer,
    segment,
    created_ms: createdMs,
    fields: USAGE_FIELDS,
  });
}

export type DecodedHead =
  | { readonly head: SegmentHead; readonly bytes: number; readonly reason: null }
  | { readonly head: null; readonly reason: string };

/** @param bytes the file's beginning. Never throws: whatever is wrong is the reason. */
export function decodeSegmentHead(bytes: Buffer): DecodedHead {
  const first = unpackFirst(bytes);
  if (first === null) {
    return refuse(bytes.length === 0 ? 'the file is empty' : 'the file has no head');
  }
  const { value, end } = first;
  if (!isObject(value) || typeof value['weir_usage'] !== 'number') {
    return refuse('the file holds no usage records');
  }
  if (value['weir_usage'] !== SEGMENT_VERSION) {
    return refuse(
      `the file has version ${value['weir_usage']}, and this program reads version ${SEGMENT_VERSION}`,
    );
  }
  const { writer, segment, created_ms: createdMs, fields } = value;
  if (typeof writer !== 'string' || typeof segment !== 'number' || typeof createdMs !== 'number') {
    return refuse('the file’s head is damaged');
  }
  if (!Array.isArray(fields) || !fields.every((name) => typeof name === 'string')) {
    return refuse('the file’s head names no fields');
  }
  return { head: { writer, segment, createdMs, fields }, bytes: end, reason: null };
}

function unpackFirst(bytes: Buffer): { value: unknown; end: number } | null {
  let first: { value: unknown; end: number } | null = null;
  try {
    unpackr.unpackMultiple(bytes, (value: unknown, _start?: number, end?: number) => {
      first = { value, end: end ?? 0 };
      return false;
    });
  } catch {
    // What follows it may be cut off, which is nothing to the head.
  }
  return first;
}

/** The head of a batch, in the one form that is written and read: 32-bit numbers in this order. */
const HEAD_PARTS = ['batch', 'records', 'bytes', 'crc32'] as const;
const UINT32 = 0xce;
const TEMPLATE = Buffer.concat([
  Buffer.from([0x80 | HEAD_PARTS.length]),
  ...HEAD_PARTS.map((name) =>
    Buffer.concat([
      Buffer.from([0xa0 | name.length]),
      Buffer.from(name),
      Buffer.from([UINT32, 0, 0, 0, 0]),
    ]),
  ),
]);
const PLACES = HEAD_PARTS.map((name) => TEMPLATE.indexOf(name) + name.length + 1);

export const BATCH_HEAD_BYTES = TEMPLATE.length;

/** Writes the head of a batch whose records stand behind it already. */
export function sealBatch(into: Buffer, at: number, end: number, batch: number, records: number) {
  const from = at + BATCH_HEAD_BYTES;
  TEMPLATE.copy(into, at);
  const values = [batch >>> 0, records, end - from, crc32(into.subarray(from, end))];
  values.forEach((value, i) => {
    into.writeUInt32BE(value, at + (PLACES[i] ?? 0));
  });
}

/** null: there is none at this place. */
export function readBatchHead(bytes: Buffer, at: number): BatchHead | null {
  if (bytes.length - at < BATCH_HEAD_BYTES) {
    return null;
  }
  const [batch = 0, records = 0, length = 0, crc = 0] = PLACES.map((place) =>
    bytes.readUInt32BE(at + place),
  );
  for (let i = 0; i < BATCH_HEAD_BYTES; i += 1) {
    const isValue = PLACES.some((place) => i >= place && i < place + 4);
    if (!isValue && bytes[at + i] !== TEMPLATE[i]) {
      return null;
    }
  }
  return { batch, records, bytes: length, crc32: crc };
}

export function isSound(head: BatchHead, records: Buffer): boolean {
  return records.length === head.bytes && crc32(records) === head.crc32;
}

export const SEGMENT_END: Buffer = Buffer.from(packr.pack({ end: true }));

/** @param bytes the records of a sound batch. @throws where they are no msgpack, which their checksum makes unlikely. */
export function decodeRecords(bytes: Buffer): unknown[][] {
  const values = bytes.length === 0 ? [] : unpackr.unpackMultiple(bytes);
  return (values ?? []).filter((value): value is unknown[] => Array.isArray(value));
}

/** Values as one segment that any library reads, for a receiver: a head, then the records. */
export function encodeRecords(fields: readonly string[], records: readonly unknown[][]): Buffer {
  const parts = records.map((values) => Buffer.from(packr.pack(values)));
  return Buffer.concat([
    Buffer.from(packr.pack({ weir_usage: SEGMENT_VERSION, fields })),
    ...parts,
  ]);
}

function refuse(reason: string): DecodedHead {
  return { head: null, reason };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

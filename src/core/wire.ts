/**
 * How threads talk: a value is packed with msgpackr into an ArrayBuffer of its own, and that buffer is
 * handed over (transferred), not copied.
 */
import { Packr, RESET_BUFFER_MODE } from 'msgpackr';

export interface WireMessage {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The second argument of postMessage(). */
  readonly transfer: ArrayBuffer[];
}

/** Without records: a message stands for itself, whichever thread reads it and in whatever order. */
const packr = new Packr({ useRecords: false });

/**
 * msgpackr packs into a pool that its later results share. Transferring a slice of that pool would
 * detach the pool under everyone else, so the bytes move into a buffer of exactly their size first.
 */
export function encodeMessage(value: unknown): WireMessage {
  const packed = packr.pack(value, RESET_BUFFER_MODE);
  const bytes = new Uint8Array(packed.byteLength);
  bytes.set(packed);
  return { bytes, transfer: [bytes.buffer] };
}

/** Binary fields of the result are views on `bytes`. The caller narrows the type; nothing is trusted here. */
export function decodeMessage(bytes: Uint8Array): unknown {
  return packr.unpack(bytes);
}

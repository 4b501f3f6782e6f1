/**
 * How threads send what is only now and then worth a message, but many fields long: as JSON. The engine writes and reads it
 * natively, while msgpackr (wire.ts) is JavaScript, and code that is seldom run costs six times what a busy loop shows of it.
 */

export function encodeJson(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value));
}

/** The caller narrows the type; nothing is trusted here. */
export function decodeJson(bytes: Uint8Array): unknown {
  const { buffer, byteOffset, byteLength } = bytes;
  return JSON.parse(Buffer.from(buffer, byteOffset, byteLength).toString());
}

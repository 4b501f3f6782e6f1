/**
 * The request heads of aws/http-desync-guardian, as typed records, and the bytes that they stand for.
 * The YAML escapes bytes as \x12; the parser turns these into code points below 0x100, which are
 * written as single bytes (latin-1). Names with letters beyond that are meant as UTF-8.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { LAST_CHUNK, renderChunk } from './http-text.js';
import { FIXTURES } from './need.js';

const TIERS = ['Compliant', 'Acceptable', 'Ambiguous', 'Severe'] as const;

const VECTOR = z.object({
  name: z.string(),
  uri: z.string(),
  method: z.string(),
  version: z.string(),
  headers: z
    .array(z.object({ name: z.string(), value: z.coerce.string(), tier: z.string() }))
    .nullish(),
  expected: z.object({ tier: z.enum(TIERS), reason: z.string() }),
});

export type DesyncTier = (typeof TIERS)[number];

export interface DesyncVector {
  readonly file: string;
  readonly name: string;
  readonly method: string;
  readonly uri: string;
  /** Empty means HTTP/0.9. */
  readonly version: string;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  readonly tier: DesyncTier;
  readonly reason: string;
}

export function loadDesyncVectors(): DesyncVector[] {
  const folder = join(FIXTURES, 'http-desync');
  return readdirSync(folder)
    .filter((file) => file.endsWith('.yaml'))
    .sort()
    .flatMap((file) => {
      const entries = z.array(VECTOR).parse(parse(readFileSync(join(folder, file), 'utf8')));
      return entries.map(({ expected, headers, ...entry }) => ({
        ...entry,
        file,
        headers: headers ?? [],
        tier: expected.tier,
        reason: expected.reason,
      }));
    });
}

export interface RenderOptions {
  /** Put before every path, for a gateway that serves only below it. */
  readonly pathPrefix?: string;
  /** Sent first, before the vector's own headers, so that the oracle can tell whose request it is. */
  readonly leadHeaders?: readonly (readonly [string, string])[];
}

export interface RenderedVector {
  /** Head and body as they go over the wire. */
  readonly bytes: Buffer;
  /** What the body is once its framing is taken off. */
  readonly payload: Buffer;
  /** How the body is framed, judged by headers that are spelled exactly right. */
  readonly framing: 'none' | 'length' | 'chunked';
  readonly target: string;
}

/**
 * The vectors are heads only. A body is added where a well-spelled header announces one: as long as
 * content-length says, or one chunk. Behind a misspelled header nothing follows.
 */
export function renderDesyncVector(
  vector: DesyncVector,
  options: RenderOptions = {},
): RenderedVector {
  const target = addPrefix(vector.uri, options.pathPrefix ?? '');
  const version = vector.version === '' ? '' : ` ${vector.version}`;
  const fields = [
    ...(options.leadHeaders ?? []).map(([name, value]) => `${name}: ${value}\r\n`),
    ...vector.headers.map(({ name, value }) => `${name}: ${value}\r\n`),
  ];
  const head = Buffer.concat(
    [`${vector.method} `, target, `${version}\r\n`, ...fields, '\r\n'].map(encode),
  );
  const framing = judgeFraming(vector);
  const payload = createPayload(framing === 'length' ? readLength(vector) : 64, framing);
  const body = framing === 'chunked' ? Buffer.concat([renderChunk(payload), LAST_CHUNK]) : payload;
  return { bytes: Buffer.concat([head, body]), payload, framing, target };
}

/** Bytes where the text has only bytes, UTF-8 where it has letters. */
function encode(text: string): Buffer {
  for (let at = 0; at < text.length; at++) {
    if (text.charCodeAt(at) > 0xff) return Buffer.from(text, 'utf8');
  }
  return Buffer.from(text, 'latin1');
}

/** Also the path of a second request that is hidden in the first one's target. */
function addPrefix(uri: string, prefix: string): string {
  if (!uri.startsWith('/')) return uri;
  return prefix + uri.replace('GET\t/', `GET\t${prefix}/`);
}

function valuesOf(vector: DesyncVector, name: string): string[] {
  return vector.headers
    .filter((header) => header.name.toLowerCase() === name)
    .map((header) => header.value);
}

function judgeFraming(vector: DesyncVector): RenderedVector['framing'] {
  if (valuesOf(vector, 'transfer-encoding').some((value) => /chunked/i.test(value))) {
    return 'chunked';
  }
  return valuesOf(vector, 'content-length').length > 0 ? 'length' : 'none';
}

function readLength(vector: DesyncVector): number {
  const length = Number.parseInt(valuesOf(vector, 'content-length')[0] ?? '', 10);
  return Number.isSafeInteger(length) ? length : 0;
}

/** JSON as long as asked for, where a JSON object fits. */
function createPayload(length: number, framing: RenderedVector['framing']): Buffer {
  if (framing === 'none') return Buffer.alloc(0);
  const start = '{"model":"m"}';
  if (length < start.length) return Buffer.alloc(length, '1');
  return Buffer.from(start.padEnd(length, ' '), 'latin1');
}

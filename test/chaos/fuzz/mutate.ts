/** Bytes that are nearly right: a few changes to valid ones, by chance that can be repeated. */
import type { SeededRandom } from '../../helpers/seeded-random.js';

/** Bytes at which readers of HTTP, JSON and event streams decide something. */
const DECISIVE = Buffer.from('\0\t\n\r ,:;"\\{}[]=0f-\x7f\x80\xff', 'latin1');

/** What a parser may stumble over when it stands where it was not expected. */
const TOKENS: readonly string[] = [
  '\r\n\r\n',
  '\r\n',
  '\n\n',
  '0\r\n\r\n',
  'ffffffffffffffff\r\n',
  '-1\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: gzip, chunked\r\n',
  'Content-Length: 5\r\n',
  'Content-Length: 99999999999999999999\r\n',
  'Connection: close\r\n',
  'Connection: content-length\r\n',
  'Expect: 100-continue\r\n',
  'Content-Encoding: gzip\r\n',
  'x: \r\n folded\r\n',
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.0 200 OK\r\n\r\n',
  'GET /v1/models HTTP/1.1\r\nhost: smuggled\r\n\r\n',
  '"model":"other",',
  '"stream":true,',
  '"usage":{"prompt_tokens":-1,"completion_tokens":1e999},',
  '\\ud800',
  '\\u0000',
  'event: error\n',
  'data: [DONE]\n\n',
  'data:',
  '[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[',
  '{"a":',
  '9'.repeat(400),
  'é\u2028😀',
];

const PIECE_MAX = 40;
const REPEATS_MAX = 400;

type Change = (
  bytes: Buffer,
  at: number,
  random: SeededRandom,
  others: readonly Buffer[],
) => Buffer;

const CHANGES: readonly Change[] = [
  (bytes, at, random) =>
    replace(bytes, at, 1, Buffer.of((bytes[at] ?? 0) ^ (1 << random.integer(0, 7)))),
  (bytes, at, random) =>
    replace(bytes, at, 1, Buffer.of(DECISIVE[random.integer(0, DECISIVE.length - 1)] ?? 0)),
  (bytes, at, random) =>
    replace(bytes, at, 0, Buffer.of(DECISIVE[random.integer(0, DECISIVE.length - 1)] ?? 0)),
  (bytes, at, random) => replace(bytes, at, 0, random.bytes(random.integer(1, 8))),
  (bytes, at, random) => replace(bytes, at, 0, Buffer.from(random.pick(TOKENS))),
  (bytes, at, random) => replace(bytes, lineStart(bytes, at), 0, Buffer.from(random.pick(TOKENS))),
  (bytes, at, random) => replace(bytes, at, random.integer(1, PIECE_MAX), Buffer.alloc(0)),
  (bytes, at, random) =>
    replace(bytes, at, 0, bytes.subarray(at, at + random.integer(1, PIECE_MAX))),
  (bytes, at, random) =>
    replace(bytes, at, 0, Buffer.alloc(random.integer(1, REPEATS_MAX), bytes[at] ?? 0)),
  (bytes, at) => bytes.subarray(0, at),
  (bytes, at, random, others) => {
    const other = random.pick(others);
    return Buffer.concat([bytes.subarray(0, at), other.subarray(random.integer(0, other.length))]);
  },
];

/** The head is where most is decided; half of all changes are made there. */
const HEAD_SHARE = 0.5;
const HEAD_BYTES = 300;

/**
 * @param others to splice with.
 * @param changesMax at least one is made.
 */
export function mutate(
  original: Buffer,
  random: SeededRandom,
  others: readonly Buffer[],
  changesMax = 5,
): Buffer {
  let bytes = original;
  for (let left = random.integer(1, changesMax); left > 0 && bytes.length > 0; left--) {
    const end = random.chance(HEAD_SHARE) ? Math.min(HEAD_BYTES, bytes.length) : bytes.length;
    const at = random.integer(0, end - 1);
    bytes = random.pick(CHANGES)(bytes, at, random, others);
  }
  return bytes;
}

function replace(bytes: Buffer, at: number, count: number, by: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, at), by, bytes.subarray(at + count)]);
}

function lineStart(bytes: Buffer, at: number): number {
  return bytes.lastIndexOf(10, at) + 1;
}

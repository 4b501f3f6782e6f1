import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  createMultipartScan,
  parseMultipartBoundary,
  scanMultipart,
} from '../../src/inspect/multipart-scan.js';

const BOUNDARY_CHARS = [..."0123456789AZaz'()+_,-./:=?"];
const boundaryText = fc
  .array(fc.constantFrom(...BOUNDARY_CHARS), { minLength: 1, maxLength: 70 })
  .map((chars) => chars.join(''));

/** Bytes full of beginnings of the boundary, but without it. */
const binaryPieces = fc.array(
  fc.oneof(
    fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
    fc
      .constantFrom('\r', '\n', '\r\n', '\r\n-', '\r\n--', '--', '\r\n\r\n')
      .map((text) => Buffer.from(text)),
    fc.nat({ max: 69 }),
  ),
  { maxLength: 8 },
);

interface Part {
  readonly kind: 'model' | 'field' | 'file';
  readonly pieces: readonly (Buffer | number)[];
}

const part: fc.Arbitrary<Part> = fc.record({
  kind: fc.constantFrom('model' as const, 'field' as const, 'file' as const, 'file' as const),
  pieces: binaryPieces,
});

function writeHead(kind: Part['kind']): string {
  if (kind === 'file') {
    return 'Content-Disposition: form-data; name="model"; filename="m"\r\nContent-Type: audio/mpeg';
  }
  return `content-disposition: form-data; name=${kind === 'model' ? 'model' : '"not; name=model"'}`;
}

test('finds the field at whatever place the body is cut, and no sooner than it is whole', () => {
  fc.assert(
    fc.property(
      boundaryText,
      fc.array(part, { maxLength: 5 }),
      fc.boolean(),
      (boundary, parts, isQuoted) => {
        const delimiter = `\r\n--${boundary}`;
        const chunks: Buffer[] = [];
        const models: { start: number; end: number }[] = [];
        let length = 0;
        const write = (data: string | Buffer): void => {
          const chunk = Buffer.isBuffer(data) ? data : Buffer.from(data, 'latin1');
          chunks.push(chunk);
          length += chunk.length;
        };
        write(`--${boundary}`);
        for (const { kind, pieces } of parts) {
          write(`\r\n${writeHead(kind)}\r\n\r\n`);
          const value = Buffer.concat(
            pieces.map((piece) =>
              Buffer.isBuffer(piece) ? piece : Buffer.from(delimiter.slice(0, piece)),
            ),
          );
          // What begins before the value or ends after it can complete a boundary too.
          const isClear =
            Buffer.concat([Buffer.from('\r\n'), value, Buffer.from(delimiter)]).indexOf(
              delimiter,
            ) ===
            value.length + 2;
          fc.pre(isClear);
          if (kind === 'model') models.push({ start: length, end: length + value.length });
          write(value);
          write(delimiter);
        }
        write('--\r\n');
        const body = Buffer.concat(chunks);

        const contentType = `multipart/form-data; boundary=${isQuoted ? `"${boundary}"` : boundary}`;
        assert.equal(parseMultipartBoundary(contentType), boundary);

        const continued = createMultipartScan(boundary);
        for (let end = 0; end <= body.length; end++) {
          const status = scanMultipart(continued, Buffer.from(body.subarray(0, end)), false);
          const fresh = createMultipartScan(boundary);
          const freshStatus = scanMultipart(fresh, body.subarray(0, end), false);
          assert.equal(status, freshStatus);
          assert.deepEqual([continued.start, continued.end], [fresh.start, fresh.end]);
          const first = models[0];
          const isWhole = first !== undefined && end >= first.end + delimiter.length;
          if (!isWhole)
            assert.ok(status === 'incomplete' || (first === undefined && status === 'absent'));
          else assert.deepEqual([continued.start, continued.end], [first.start, first.end]);
        }
        const expected =
          models.length === 0 ? 'absent' : models.length === 1 ? 'found' : 'duplicate';
        assert.equal(scanMultipart(continued, body, true), expected);
      },
    ),
    { numRuns: 300 },
  );
});

test('never throws on arbitrary bytes, and says the same however they are cut', () => {
  const noise = fc.array(
    fc.constantFrom(
      '\r\n',
      '--b',
      '--b--',
      '\r\n\r\n',
      'content-disposition: form-data; name=model',
      'x',
      '\r',
      '\n',
      '"',
    ),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(noise, (words) => {
      const body = Buffer.from(words.join(''));
      const whole = createMultipartScan('b');
      scanMultipart(whole, body, true);
      const continued = createMultipartScan('b');
      for (let end = 0; end <= body.length; end++)
        scanMultipart(continued, body.subarray(0, end), false);
      scanMultipart(continued, body, true);
      assert.deepEqual(
        [continued.status, continued.start, continued.end],
        [whole.status, whole.start, whole.end],
      );
    }),
    { numRuns: 2000 },
  );
});

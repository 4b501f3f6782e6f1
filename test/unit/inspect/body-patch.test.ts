import assert from 'node:assert/strict';
import { test } from 'node:test';
import { copyPatched, encodeJsonString } from '../../../src/inspect/body-patch.js';

test('encodes strings as JSON in UTF-8', () => {
  for (const value of ['', 'gpt-4o', 'a"b\\c\n', 'ü😀', '\ud800']) {
    assert.equal(JSON.parse(encodeJsonString(value).toString('utf8')), value);
  }
  assert.equal(encodeJsonString('ü').toString('hex'), '22c3bc22');
});

test('replaces the range in whatever segments it lies, in whatever segments the body comes', () => {
  const body = Buffer.from('0123456789');
  for (let cut = 0; cut <= 10; cut++) {
    for (let cut2 = cut; cut2 <= 10; cut2++) {
      const segments = [body.subarray(0, cut), body.subarray(cut, cut2), body.subarray(cut2)];
      for (let start = 0; start <= 10; start++) {
        for (let end = start; end <= 10; end++) {
          for (const text of ['', 'x', 'abcdefghijkl']) {
            const patched = copyPatched(segments, 10, { start, end }, Buffer.from(text));
            assert.equal(
              patched.toString(),
              `0123456789`.slice(0, start) + text + '0123456789'.slice(end),
            );
          }
        }
      }
    }
  }
  assert.equal(body.toString(), '0123456789');
});

test('never gives out bytes that were not written', () => {
  const segments = [Buffer.from('abc'), Buffer.from('def')];
  assert.throws(() => copyPatched(segments, 5, { start: 0, end: 1 }, Buffer.from('')), RangeError);
  assert.throws(() => copyPatched(segments, 7, { start: 0, end: 1 }, Buffer.from('')), RangeError);
  assert.throws(
    () => copyPatched(segments, 6, { start: -1, end: -1 }, Buffer.from('')),
    RangeError,
  );
  assert.throws(() => copyPatched(segments, 6, { start: 3, end: 2 }, Buffer.from('')), RangeError);
  assert.throws(() => copyPatched(segments, 6, { start: 3, end: 7 }, Buffer.from('')), RangeError);
});

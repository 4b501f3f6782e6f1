import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findStringEnd, isJsonSpace, skipJsonSpace } from '../../../src/core/json-bytes.js';

/** Where the string that begins at 0 ends, searched from behind its quote. */
function endOf(text: string, end = text.length): number {
  return findStringEnd(Buffer.from(text), 1, end);
}

test('a string ends at the first quote with an even number of backslashes before it', () => {
  for (const inner of ['', 'a', 'short', 'x'.repeat(7), 'x'.repeat(8), 'x'.repeat(100)]) {
    for (const escapes of ['', '\\\\', '\\"', '\\\\\\"', '\\"\\"\\"']) {
      const text = `"${inner}${escapes}`;
      assert.equal(endOf(`${text}" "`), text.length, text);
      assert.equal(endOf(text), -1, text);
    }
  }
});

test('a quote at the end, or behind it, is none', () => {
  for (const length of [1, 7, 8, 9, 40]) {
    const text = `"${'x'.repeat(length)}"`;
    assert.equal(endOf(text, text.length - 1), -1);
    assert.equal(endOf(text, 1), -1);
    assert.equal(endOf(text), length + 1);
  }
});

test('spaces are those of JSON, and nothing else', () => {
  const all = Array.from({ length: 256 }, (_, byte) => byte).filter(isJsonSpace);
  assert.deepEqual(all, [0x09, 0x0a, 0x0d, 0x20]);
  assert.equal(isJsonSpace(undefined), false);
  assert.equal(skipJsonSpace(Buffer.from(' \t\r\n x'), 0, 6), 5);
  assert.equal(skipJsonSpace(Buffer.from('    '), 0, 3), 3);
  assert.equal(skipJsonSpace(Buffer.from(' \0 '), 0, 3), 1);
});

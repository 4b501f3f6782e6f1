import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDecimal, skipNumber } from '../../../src/core/durations.js';

test('a decimal has digits on both sides of its point, and nothing else', () => {
  for (const [text, value] of [
    ['0', 0],
    ['007', 7],
    ['1.5', 1.5],
    ['34.07', 34.07],
    ['123456789012345', 123_456_789_012_345],
  ] as const) {
    assert.equal(readDecimal(text), value);
  }
  const others = [
    '',
    '.',
    '1.',
    '.5',
    '1.2.3',
    '-1',
    '+1',
    '1e3',
    ' 1',
    '1 ',
    '0x10',
    '１',
    '9'.repeat(16),
  ];
  for (const text of others) assert.equal(readDecimal(text), -1, text);
});

test('a number is passed over as far as it goes', () => {
  assert.equal(skipNumber('12.5s', 0), 4);
  assert.equal(skipNumber('6m0s', 2), 3);
  assert.equal(skipNumber('s', 0), 0);
  assert.equal(skipNumber('12', 0), 2);
});

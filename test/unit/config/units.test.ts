import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import {
  DURATION_PATTERN,
  formatDuration,
  formatSize,
  parseDurationMs,
  parseSizeBytes,
} from '../../../src/config/units.js';

test('durations of each unit', () => {
  const cases = {
    '500ms': 500,
    '30s': 30_000,
    '1m': 60_000,
    '1h': 3_600_000,
    '1d': 86_400_000,
    '0.3s': 300,
    '1.5m': 90_000,
    '0s': 0,
  };
  for (const [text, expected] of Object.entries(cases))
    assert.equal(parseDurationMs(text), expected, text);
});

test('what is no duration', () => {
  for (const text of [
    '',
    '5',
    's',
    '-5s',
    '+5s',
    '5 s',
    ' 5s',
    '5s\n',
    '5S',
    '5sec',
    '1m30s',
    '1e3s',
    '.5s',
    '5.s',
    '0.5ms',
    '1w',
    '99999999999999999d',
    '5constructor',
  ]) {
    assert.equal(parseDurationMs(text), null, JSON.stringify(text));
  }
});

test('sizes of each unit', () => {
  const cases = {
    '7b': 7,
    '64kb': 65_536,
    '10mb': 10_485_760,
    '1gb': 1_073_741_824,
    '1.5kb': 1536,
  };
  for (const [text, expected] of Object.entries(cases))
    assert.equal(parseSizeBytes(text), expected, text);
  for (const text of ['', '64', '64k', '64KB', '-1kb', '0.3b', '64 kb'])
    assert.equal(parseSizeBytes(text), null, text);
});

test('a formatted duration reads back as itself, and editors accept it', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.nat(),
        fc.maxSafeNat(),
        fc.nat(5000).map((n) => n * 60_000),
      ),
      (durationMs) => {
        const text = formatDuration(durationMs);
        assert.equal(parseDurationMs(text), durationMs);
        assert.match(text, new RegExp(DURATION_PATTERN));
      },
    ),
  );
});

test('a formatted size reads back as itself', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (sizeBytes) => {
      assert.equal(parseSizeBytes(formatSize(sizeBytes)), sizeBytes);
    }),
  );
});

test('thousandths of a second are exact', () => {
  fc.assert(
    fc.property(fc.nat(10_000_000), (thousandths) => {
      assert.equal(parseDurationMs(`${(thousandths / 1000).toFixed(3)}s`), thousandths);
    }),
  );
});

test('formatting takes the largest unit that fits', () => {
  assert.equal(formatDuration(90_000), '90s');
  assert.equal(formatDuration(3_600_000), '1h');
  assert.equal(formatDuration(0), '0ms');
  assert.equal(formatSize(65_536), '64kb');
});

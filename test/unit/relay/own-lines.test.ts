import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTiming } from '../../../src/relay/own-lines.js';

test('a time loses its places, or its zeros', () => {
  const cases: [number, string][] = [
    [0, '0.000'],
    [-1, '0.000'],
    [0.0004, '0.000'],
    [0.0015, '0.002'],
    [0.05, '0.050'],
    [0.9996, '1.000'],
    [12.345, '12.345'],
    [600_000, '600000.000'],
  ];
  for (const [ms, text] of cases) assert.equal(formatTiming(ms), `weir;dur=${text}`);
});

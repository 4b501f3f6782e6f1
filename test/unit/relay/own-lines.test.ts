import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAttemptLines, formatTiming } from '../../../src/relay/own-lines.js';

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

test('attempts are told of, with a provider’s name that fits into a header', () => {
  assert.equal(formatAttemptLines(1, 'p'), 'x-weir-attempts: 1\r\nx-weir-provider: p\r\n');
  assert.equal(formatAttemptLines(2, 'p'), 'x-weir-attempts: 2\r\nx-weir-provider: p\r\n');
  assert.match(formatAttemptLines(2, 'é\u2028'), /x-weir-provider: %C3%A9%E2%80%A8\r\n$/);
});

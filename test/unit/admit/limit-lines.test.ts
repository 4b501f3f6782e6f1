import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dropLimitLines, formatLimitLines, formatReset } from '../../../src/admit/limit-lines.js';

test('durations as OpenAI writes them, never too short', () => {
  const cases: [number, string][] = [
    [0, '0s'],
    [-5, '0s'],
    [0.2, '1ms'],
    [20, '20ms'],
    [1000, '1s'],
    [1500, '1.5s'],
    [59_999.5, '1m0s'],
    [360_000, '6m0s'],
    [3_603_250, '1h0m3.25s'],
  ];
  for (const [ms, text] of cases) assert.equal(formatReset(ms), text);
});

test('only a kind that is limited is told of', () => {
  const state = { limit: 60, remaining: 59, resetMs: 1000 };
  assert.equal(formatLimitLines('requests', null), '');
  assert.equal(
    formatLimitLines('requests', state),
    'x-ratelimit-limit-requests: 60\r\nx-ratelimit-remaining-requests: 59\r\nx-ratelimit-reset-requests: 1s\r\n',
  );
  assert.match(formatLimitLines('tokens', state), /^x-ratelimit-limit-tokens: 60\r\n/);
});

test('a provider’s limits go, all else stays as it is', () => {
  const lines = 'a: x-ratelimit-\r\nX-RateLimit-Limit-Requests: 5\r\nb: c\r\n';
  assert.equal(dropLimitLines(lines), 'a: x-ratelimit-\r\nb: c\r\n');
  assert.equal(dropLimitLines('x: y\r\n'), 'x: y\r\n');
});

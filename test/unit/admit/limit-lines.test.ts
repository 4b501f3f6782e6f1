import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dropLimitLines, formatReset, LimitLines } from '../../../src/admit/limit-lines.js';

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
  const lines = new LimitLines();
  const none = { limit: 0, remaining: 7, resetMs: 7 };
  const state = { limit: 60, remaining: 59, resetMs: 1000 };
  assert.equal(lines.format(none, none), '');
  const requests =
    'x-ratelimit-limit-requests: 60\r\nx-ratelimit-remaining-requests: 59\r\nx-ratelimit-reset-requests: 1s\r\n';
  assert.equal(lines.format(state, none), requests);
  assert.equal(lines.format(none, state), requests.replaceAll('requests', 'tokens'));
  assert.equal(lines.format(state, state), requests + requests.replaceAll('requests', 'tokens'));
});

test('the limit of another consumer is not remembered as this one’s', () => {
  const lines = new LimitLines();
  const none = { limit: 0, remaining: 0, resetMs: 0 };
  for (const limit of [60, 70, 60]) {
    const text = lines.format({ limit, remaining: 1, resetMs: 0 }, none);
    assert.match(text, new RegExp(`^x-ratelimit-limit-requests: ${limit}\r\n`));
  }
});

test('large numbers are written in full', () => {
  const lines = new LimitLines();
  const none = { limit: 0, remaining: 0, resetMs: 0 };
  const large = [999_999_999, 1e9, 1_000_000_001, 2 ** 31, 99_999_998_765, 2 ** 40, 2 ** 53 - 1];
  for (const remaining of large) {
    const text = lines.format({ limit: 2 ** 53, remaining, resetMs: 0 }, none);
    assert.match(text, new RegExp(`\r\nx-ratelimit-remaining-requests: ${remaining}\r\n`));
  }
});

test('a provider’s limits go, all else stays as it is', () => {
  const lines = 'a: x-ratelimit-\r\nX-RateLimit-Limit-Requests: 5\r\nb: c\r\n';
  assert.equal(dropLimitLines(lines), 'a: x-ratelimit-\r\nb: c\r\n');
  assert.equal(dropLimitLines('x: y\r\n'), 'x: y\r\n');
});

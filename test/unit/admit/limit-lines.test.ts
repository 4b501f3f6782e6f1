import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { dropLimitLines, formatReset, LimitLines } from '../../../src/admit/limit-lines.js';
import type { Headroom } from '../../../src/limits/reservation.js';

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

const NONE: Headroom = { limit: 0, remaining: 7, resetMs: 7 };

function read(lines: LimitLines, requests: Headroom, tokens: Headroom = NONE): string | null {
  const bytes = lines.format(requests, tokens);
  return bytes === null ? null : Buffer.from(bytes).toString('latin1');
}

function expectLines(kind: string, { limit, remaining, resetMs }: Headroom): string {
  return limit === 0
    ? ''
    : `x-ratelimit-limit-${kind}: ${limit}\r\nx-ratelimit-remaining-${kind}: ${remaining}\r\nx-ratelimit-reset-${kind}: ${formatReset(resetMs)}\r\n`;
}

test('only a kind that is limited is told of', () => {
  const lines = new LimitLines();
  const state = { limit: 60, remaining: 59, resetMs: 1000 };
  const requests =
    'x-ratelimit-limit-requests: 60\r\nx-ratelimit-remaining-requests: 59\r\nx-ratelimit-reset-requests: 1s\r\n';
  const tokens = requests.replaceAll('requests', 'tokens');
  assert.equal(read(lines, NONE, NONE), null);
  assert.equal(read(lines, state, NONE), requests);
  assert.equal(read(lines, NONE, state), tokens);
  assert.equal(read(lines, state, state), requests + tokens);
  assert.equal(read(lines, NONE, NONE), null);
});

test('lines of another call that stood there before are never left over, in part or whole', () => {
  const headroom = fc.record({
    limit: fc.constantFrom(0, 60, 60, 2 ** 53 - 1),
    remaining: fc.oneof(
      fc.constantFrom(0, 1, 9, 10, 99, 100, 999_999_999, 1e9, 1_000_000_001),
      fc.constantFrom(2 ** 31, 99_999_998_765, 2 ** 40, 2 ** 53 - 1),
      fc.nat(),
    ),
    resetMs: fc.constantFrom(0, 1, 60_000),
  });
  fc.assert(
    fc.property(fc.array(fc.tuple(headroom, headroom), { maxLength: 30 }), (calls) => {
      const lines = new LimitLines();
      for (const [requests, tokens] of calls) {
        const expected = expectLines('requests', requests) + expectLines('tokens', tokens);
        assert.equal(read(lines, requests, tokens) ?? '', expected);
      }
    }),
    { numRuns: 300 },
  );
});

test('a provider’s limits go, all else stays as it is', () => {
  const lines = 'a: x-ratelimit-\r\nX-RateLimit-Limit-Requests: 5\r\nb: c\r\n';
  assert.equal(dropLimitLines(lines), 'a: x-ratelimit-\r\nb: c\r\n');
  assert.equal(dropLimitLines('x: y\r\n'), 'x: y\r\n');
});

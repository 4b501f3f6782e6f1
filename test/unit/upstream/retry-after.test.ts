/** When a provider may be asked again, in all the ways in which providers say it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BOUNDS } from '../../../src/core/bounds.js';
import { readRetryAfterMs, readRetryDelayMs } from '../../../src/upstream/retry-after.js';

const NOW_MS = Date.UTC(2026, 10, 23, 6, 0, 0);

function read(...lines: readonly string[]): number {
  return readRetryAfterMs(lines.map((line) => `${line}\r\n`).join(''), NOW_MS);
}

const CASES: readonly (readonly [what: string, lines: readonly string[], ms: number])[] = [
  ['nothing', [], -1],
  ['other headers', ['content-type: application/json', 'x-request-id: 7'], -1],
  ['seconds', ['retry-after: 20'], 20_000],
  ['seconds, in other letters and spaces', ['Retry-After:   7  '], 7000],
  ['seconds with a fraction, rounded up', ['retry-after: 0.0201'], 21],
  ['no wait at all', ['retry-after: 0'], 0],
  ['a duration where seconds belong', ['retry-after: 1m2.5s'], 60_000],
  ['a short duration where seconds belong', ['retry-after: 34.4s'], 34_400],
  ['a date', ['retry-after: Mon, 23 Nov 2026 06:00:30 GMT'], 30_000],
  ['a date as RFC 850 had it', ['retry-after: Monday, 23-Nov-26 06:00:30 GMT'], 30_000],
  ['a date that is over', ['retry-after: Sun, 06 Nov 1994 08:49:37 GMT'], 0],
  ['a year, capped', ['retry-after: 31536000'], BOUNDS.retryAfterMsMax],
  ['a far date, capped', ['retry-after: Tue, 23 Nov 2027 06:00:00 GMT'], BOUNDS.retryAfterMsMax],
  ['milliseconds before seconds', ['retry-after: 2', 'retry-after-ms: 1500'], 1500],
  ['milliseconds with a fraction', ['retry-after-ms: 12.25'], 13],
  ['Azure’s milliseconds', ['x-ms-retry-after-ms: 900', 'retry-after: 1'], 900],
  [
    'seconds where the milliseconds can’t be read',
    ['retry-after-ms: soon', 'retry-after: 3'],
    3000,
  ],
  ['the longer of two', ['retry-after: 3', 'retry-after: 5', 'retry-after: x'], 5000],
  ['minus', ['retry-after: -5'], -1],
  ['an exponent', ['retry-after: 1e3'], -1],
  ['no number', ['retry-after: NaN', 'retry-after-ms: Infinity', 'x-ms-retry-after-ms: '], -1],
  ['two points', ['retry-after: 1.2.3'], -1],
  ['a point alone', ['retry-after: .', 'retry-after-ms: .'], -1],
  ['a number without end', [`retry-after: ${'9'.repeat(400)}`], -1],
  ['a date without a day', ['retry-after: 23 Nov 2026 06:00:30 GMT'], -1],
  ['a date that never was', ['retry-after: Mon, 99 Nov 2026 06:00:30 GMT'], -1],
  [
    'what can be read of two',
    ['retry-after: 5', 'retry-after: Mon, 99 Nov 2026 06:00:30 GMT'],
    5000,
  ],
  ['a duration that is broken within', ['retry-after: 1.2.3s5h'], -1],
  ['words', ['retry-after: Monday', 'retry-after: later, perhaps'], -1],
  ['a line without a colon', ['retry-after 20', ': 20', 'retry-after'], -1],
  [
    'OpenAI’s requests, which are used up',
    ['x-ratelimit-remaining-requests: 0', 'x-ratelimit-reset-requests: 12ms'],
    12,
  ],
  [
    'OpenAI’s tokens, which are not',
    ['x-ratelimit-remaining-tokens: 17', 'x-ratelimit-reset-tokens: 6m0s'],
    -1,
  ],
  [
    'only what is used up of the two',
    [
      'x-ratelimit-reset-tokens: 50s',
      'x-ratelimit-reset-requests: 1s',
      'x-ratelimit-remaining-tokens: 5',
      'x-ratelimit-remaining-requests: 0',
    ],
    1000,
  ],
  [
    'the later of two that are used up',
    [
      'x-ratelimit-reset-tokens: 50s',
      'x-ratelimit-reset-requests: 1s',
      'x-ratelimit-remaining-tokens: 0',
      'x-ratelimit-remaining-requests: 0',
    ],
    50_000,
  ],
  [
    'Groq’s fractions',
    ['x-ratelimit-remaining-tokens: 0', 'x-ratelimit-reset-tokens: 7.66s'],
    7660,
  ],
  [
    'all of Go’s units',
    ['x-ratelimit-remaining-tokens: 0', 'x-ratelimit-reset-tokens: 1s2ms3\xb5s4ns'],
    1003,
  ],
  [
    'hours, capped',
    ['x-ratelimit-remaining-tokens: 0', 'x-ratelimit-reset-tokens: 2h59m56s'],
    BOUNDS.retryAfterMsMax,
  ],
  ['a unit that is none', ['x-ratelimit-remaining-tokens: 0', 'x-ratelimit-reset-tokens: 3w'], -1],
  [
    'a unit without a number',
    ['x-ratelimit-remaining-tokens: 0', 'x-ratelimit-reset-tokens: ms'],
    -1,
  ],
  ['Azure’s reset alone, in seconds', ['x-rate-limit-reset-tokens: 55'], 55_000],
  [
    'Azure, which knows neither',
    ['x-ratelimit-remaining-tokens: -1', 'x-ratelimit-reset-tokens: 0'],
    -1,
  ],
  [
    'an explicit wait before a limit’s',
    ['x-ratelimit-remaining-tokens: 0', 'x-ratelimit-reset-tokens: 50s', 'retry-after: 3'],
    3000,
  ],
  [
    'Anthropic’s moment',
    [
      'anthropic-ratelimit-requests-limit: 5',
      'anthropic-ratelimit-requests-remaining: 0',
      'anthropic-ratelimit-requests-reset: 2026-11-23T06:00:10Z',
      'anthropic-ratelimit-tokens-remaining: 16000',
      'anthropic-ratelimit-tokens-reset: 2026-11-23T06:00:40Z',
    ],
    10_000,
  ],
  [
    'Anthropic’s kinds of tokens',
    [
      'anthropic-ratelimit-input-tokens-remaining: 0',
      'anthropic-ratelimit-input-tokens-reset: 2026-11-23T06:00:10Z',
      'anthropic-ratelimit-output-tokens-remaining: 0',
      'anthropic-ratelimit-output-tokens-reset: 2026-11-23T06:00:20.5Z',
    ],
    20_500,
  ],
  [
    'a moment that is over',
    [
      'anthropic-ratelimit-tokens-remaining: 0',
      'anthropic-ratelimit-tokens-reset: 2026-11-23T05:59:59Z',
    ],
    0,
  ],
  [
    'a moment that never was',
    [
      'anthropic-ratelimit-tokens-remaining: 0',
      'anthropic-ratelimit-tokens-reset: 2026-13-99T06:00:00Z',
    ],
    -1,
  ],
  ['a limit without a kind', ['x-ratelimit-remaining: 0', 'x-ratelimit-reset: 30'], -1],
];

for (const [what, lines, ms] of CASES) {
  test(`read from the headers: ${what}`, () => {
    assert.equal(read(...lines), ms);
  });
}

test('a head that names very many limits is read within bounds', () => {
  const lines = Array.from({ length: 2000 }, (_, i) => `x-ratelimit-reset-k${i}: 1s`);
  assert.equal(read(...lines, 'x-ratelimit-reset-last: 50s'), 1000);
});

test('a head without its last line’s end is read as far as it goes', () => {
  assert.equal(readRetryAfterMs('retry-after: 2', NOW_MS), 2000);
});

test('a date as C prints it is in GMT, whatever the machine’s zone', () => {
  const zone = process.env['TZ'];
  process.env['TZ'] = 'Asia/Tokyo';
  try {
    assert.equal(read('retry-after: Mon Nov 23 06:00:30 2026'), 30_000);
  } finally {
    if (zone === undefined) delete process.env['TZ'];
    else process.env['TZ'] = zone;
  }
});

/** Google's, as its OpenAI-compatible API sends it and as its own does. */
function nameDelay(...delays: readonly unknown[]): unknown {
  const details = delays.map((retryDelay) => ({
    '@type': 'type.googleapis.com/google.rpc.RetryInfo',
    retryDelay,
  }));
  return { error: { code: 429, status: 'RESOURCE_EXHAUSTED', details } };
}

test('read from an error’s body: how long Google wants to be left alone', () => {
  assert.equal(readRetryDelayMs(nameDelay('34s')), 34_000);
  assert.equal(readRetryDelayMs([nameDelay('34.074824224s')]), 34_075);
  assert.equal(readRetryDelayMs(nameDelay('3s', '7s', '5s')), 7000);
  assert.equal(readRetryDelayMs(nameDelay('86400s')), BOUNDS.retryAfterMsMax);
  assert.equal(readRetryDelayMs({ details: [{ retryDelay: '0s' }] }), 0);
});

test('read from an error’s body: nothing, where none of it is such a delay', () => {
  const many = Array.from({ length: 100 }, () => 'x');
  const others = [null, 'retryDelay: 3s', [], {}, { error: { details: { retryDelay: '3s' } } }];
  for (const document of [...others, nameDelay(34, null, '-1s', {}), nameDelay(...many, '3s')]) {
    assert.equal(readRetryDelayMs(document), -1, JSON.stringify(document));
  }
});

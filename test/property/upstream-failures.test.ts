/** Backoff, retry budget and what is read of failed answers: whatever comes, they keep their bounds and never throw. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BOUNDS } from '../../src/core/bounds.js';
import { Backoff } from '../../src/upstream/backoff.js';
import { classifyErrorAnswer, classifyErrorBody } from '../../src/upstream/error-body.js';
import { ERROR_CODES, ERROR_PHRASES } from '../../src/upstream/error-phrases.js';
import { classifyStatus, FAILURE_CLASSES } from '../../src/upstream/failure-classes.js';
import { readRetryAfterMs } from '../../src/upstream/retry-after.js';
import { RetryBudget } from '../../src/upstream/retry-budget.js';
import { findStreamError, mayHoldError } from '../../src/upstream/stream-error.js';

const SEED = Number(process.env['WEIR_SEED'] ?? 20261123);
const OPTIONS = { seed: SEED, numRuns: 500 };

test(`in any sequence further attempts stay within their share of the first ones and the floor (seed ${SEED})`, () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 100 }),
      fc.array(
        fc.oneof(
          fc.nat(300),
          fc.nat(300).map((count) => -count),
        ),
        { maxLength: 60 },
      ),
      (percent, runs) => {
        const budget = new RetryBudget(percent);
        let firsts = 0;
        let taken = 0;
        // A number above zero is so many first attempts, below zero so many wishes for further ones.
        for (const run of runs) {
          for (let i = 0; i < run; i += 1) {
            budget.noteFirst();
            firsts += 1;
          }
          for (let i = 0; i > run; i -= 1) {
            taken += budget.tryTake() ? 1 : 0;
          }
          assert.ok(taken * 100 <= percent * firsts + BOUNDS.retryBudgetFloor * 100);
        }
        // And no fewer are allowed than that, as long as the savings never overflowed.
        if (
          percent > 0 &&
          percent * firsts <= (BOUNDS.retryBudgetSavedMax - BOUNDS.retryBudgetFloor) * 100
        ) {
          while (budget.tryTake()) taken += 1;
          assert.equal(taken, Math.floor((percent * firsts) / 100) + BOUNDS.retryBudgetFloor);
        }
      },
    ),
    OPTIONS,
  );
});

test(`a wait lies between nothing and both its bounds, and grows with its chance (seed ${SEED})`, () => {
  fc.assert(
    fc.property(
      fc.nat(60_000),
      fc.nat(600_000),
      fc.oneof(fc.integer(), fc.double()),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (baseMs, maxMs, attempt, chance) => {
        const ms = new Backoff(baseMs, maxMs, () => chance).delayMs(attempt);
        assert.ok(ms >= 0 && ms <= maxMs, String(ms));
        if (chance > 0) {
          const longer = new Backoff(baseMs, maxMs, () => chance).delayMs(attempt + 1);
          assert.ok(longer >= ms || Number.isNaN(attempt));
        }
        if (attempt <= 1) assert.ok(ms <= baseMs);
      },
    ),
    OPTIONS,
  );
});

const headerName = fc.oneof(
  fc.constantFrom(
    ...[
      'retry-after',
      'Retry-After-Ms',
      'x-ms-retry-after-ms',
      'x-ratelimit-',
      'x-ratelimit-reset',
    ],
    ...['x-ratelimit-remaining-tokens', 'x-ratelimit-reset-tokens', 'x-rate-limit-reset-tokens'],
    ...['anthropic-ratelimit-tokens-remaining', 'anthropic-ratelimit-tokens-reset'],
    ...['anthropic-ratelimit-', 'anthropic-ratelimit-reset', ''],
  ),
  fc.string({ maxLength: 20 }),
);
const headerValue = fc.oneof(
  fc.constantFrom(
    '0',
    '1',
    '-1',
    '.',
    '1.',
    '.5',
    'NaN',
    'Infinity',
    '1e99',
    '0x10',
    '9'.repeat(30),
  ),
  fc.constantFrom(
    'Mon',
    'Mon, 23 Nov 2026 06:00:30 GMT',
    'Sun Nov',
    '2026-11-23T06:00:00Z',
    '2026-1',
  ),
  fc.constantFrom('1h2m3s', '12ms', '1.5s', 's', '1h2', '1.2.3s', '-1s', '1µs', '\xb5s', '1\xb5s'),
  fc.double().map(String),
  fc.integer().map(String),
  fc.date({ noInvalidDate: true }).map((date) => date.toUTCString()),
  fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
  fc.string({ maxLength: 50 }),
);
const headerLine = fc
  .tuple(
    headerName,
    fc.constantFrom(': ', ':', '', ' :'),
    headerValue,
    fc.constantFrom('\r\n', '\n', '\r', ''),
  )
  .map((parts) => parts.join(''));

test(`whatever stands in a head, what is read of it is -1 or a whole number within its bound (seed ${SEED})`, () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.array(headerLine, { maxLength: 12 }).map((lines) => lines.join('')),
        fc.string({ unit: 'binary', maxLength: 200 }),
      ),
      fc.oneof(
        fc.nat(2 ** 31).map((seconds) => seconds * 1000),
        fc.double(),
      ),
      (lines, wallNowMs) => {
        const ms = readRetryAfterMs(lines, wallNowMs);
        assert.ok(Number.isInteger(ms), String(ms));
        assert.ok(ms >= -1 && ms <= BOUNDS.retryAfterMsMax, String(ms));
      },
    ),
    { ...OPTIONS, numRuns: 2000 },
  );
});

test(`a wait in seconds, in milliseconds and as a date is the same wait (seed ${SEED})`, () => {
  fc.assert(
    fc.property(fc.nat(60), fc.nat(2 ** 31), (seconds, nowSeconds) => {
      const nowMs = nowSeconds * 1000;
      const date = new Date(nowMs + seconds * 1000).toUTCString();
      for (const line of [
        `retry-after: ${seconds}`,
        `retry-after-ms: ${seconds * 1000}`,
        `retry-after: ${date}`,
        `x-ratelimit-reset-requests: ${seconds}s`,
        `anthropic-ratelimit-tokens-reset: ${new Date(nowMs + seconds * 1000).toISOString()}`,
      ]) {
        assert.equal(readRetryAfterMs(`${line}\r\n`, nowMs), seconds * 1000, line);
      }
    }),
    OPTIONS,
  );
});

const status = fc.oneof(
  fc.integer({ min: 400, max: 430 }),
  fc.integer({ min: 0, max: 1000 }),
  fc.double(),
);
const sign = fc.constantFrom(...ERROR_CODES.keys(), ...ERROR_PHRASES.map(([phrase]) => phrase));
const key = fc.constantFrom(
  ...[
    'error',
    'code',
    'type',
    'status',
    'message',
    'detail',
    'innererror',
    'metadata',
    'raw',
    'msg',
  ],
  ...['__proto__', 'constructor', 'toString', 'input'],
);
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof(
    { depthSize: 'medium' },
    fc.oneof(sign, fc.string({ maxLength: 20 }), fc.integer(), fc.constant(null), fc.boolean()),
    fc.array(tie('tree'), { maxLength: 3 }),
    fc.array(fc.tuple(key, tie('tree')), { maxLength: 4 }).map((entries) => {
      const fields = entries.map(
        ([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`,
      );
      // As text, because an object would not take `__proto__` as a field.
      return JSON.parse(`{${fields.join(',')}}`) as unknown;
    }),
  ),
}));
const body = fc.oneof(
  { weight: 4, arbitrary: tree.map((value) => Buffer.from(JSON.stringify(value) ?? '')) },
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  fc.string({ maxLength: 100 }).map((text) => Buffer.from(text)),
);
const encoding = fc.constantFrom(
  '',
  'content-encoding: gzip\r\n',
  'content-encoding: br\r\n',
  ':\r\n',
);

test(`whatever a failed answer holds, its class is a row, and its body only refines what is to be refined (seed ${SEED})`, () => {
  fc.assert(
    fc.property(
      status,
      body,
      encoding,
      fc.boolean(),
      fc.nat(100),
      (of, bytes, lines, isOwn, cut) => {
        for (const held of [bytes, bytes.subarray(0, cut)]) {
          const plain = classifyStatus(of, isOwn);
          const name = classifyErrorAnswer(of, isOwn, held, lines);
          if (plain === null || !FAILURE_CLASSES[plain].needsBody) {
            assert.equal(name, plain);
          } else {
            assert.ok(name !== null && Object.hasOwn(FAILURE_CLASSES, name));
          }
          const special = classifyErrorBody(of, held, lines);
          assert.ok(special === null || special === name);
        }
      },
    ),
    { ...OPTIONS, numRuns: 2000 },
  );
});

test(`every code and every phrase is found in an error of OpenAI’s form, and codes count before messages (seed ${SEED})`, () => {
  const pairs = [...ERROR_CODES, ...ERROR_PHRASES];
  fc.assert(
    fc.property(fc.constantFrom(...ERROR_CODES), fc.constantFrom(...pairs), (code, phrase) => {
      const text = { error: { message: `It said: ${phrase[0].toUpperCase()}.`, code: code[0] } };
      const bytes = Buffer.from(JSON.stringify(text));
      assert.equal(classifyErrorAnswer(400, true, bytes), code[1]);
    }),
    OPTIONS,
  );
  for (const [phrase, name] of ERROR_PHRASES) {
    const bytes = Buffer.from(JSON.stringify({ error: { message: `Well, ${phrase} …` } }));
    assert.equal(classifyErrorAnswer(400, true, bytes), name, phrase);
  }
});

test(`whatever a stream begins with, looking for an error in it gives a class or none (seed ${SEED})`, () => {
  const line = fc.oneof(
    tree.map((value) => `data: ${JSON.stringify(value)}`),
    fc.string({ maxLength: 30 }).map((text) => `data: ${text}`),
    fc.constantFrom('event: error', 'event:error', 'data:', ':', 'event', '\ufeffdata: {}'),
  );
  const text = fc
    .array(fc.tuple(line, fc.constantFrom('\n', '\n\n', '\r\n\r\n', '\r', '\r\r')), {
      maxLength: 8,
    })
    .map((lines) => lines.flat().join(''));
  fc.assert(
    fc.property(text, fc.boolean(), fc.boolean(), (events, isOver, isOwn) => {
      const found = findStreamError(events, isOver, isOwn);
      if (found !== null) {
        assert.ok(found.className in FAILURE_CLASSES, found.className);
        assert.ok(found.retryAfterMs >= -1 && found.retryAfterMs <= BOUNDS.retryAfterMsMax);
      }
      assert.equal(typeof mayHoldError(Buffer.from(events)), 'boolean');
    }),
    OPTIONS,
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayError } from '../../../src/core/errors.js';
import { readTimeoutMs } from '../../../src/inspect/timeout.js';

test('durations are read with their unit, and as seconds without one', () => {
  const cases: Record<string, number> = {
    '30s': 30_000,
    '1500ms': 1500,
    '20': 20_000,
    '0.5': 500,
    '1.5s': 1500,
    '2m': 120_000,
    '1h': 3_600_000,
    '1ms': 1,
    '007s': 7000,
    '24d': 24 * 86_400_000,
    '0.25m': 15_000,
  };
  for (const [value, expected] of Object.entries(cases)) {
    assert.equal(readTimeoutMs(value), expected, value);
  }
});

test('anything else is refused, saying what was expected', () => {
  for (const value of [
    '',
    's',
    '0',
    '0ms',
    '0.5ms',
    '-1s',
    '+1s',
    '1 s',
    ' 1s',
    '1S',
    '1sec',
    '1e3',
    '0x10',
    '.5s',
    '1.s',
    '1.2.3s',
    '1.',
    '.',
    '25d',
    '577h',
    'Infinity',
    'NaN',
    '30s, 20s',
    '1,5s',
    '９s',
    '9'.repeat(400),
    '0.000000000000001d',
    '__proto__',
  ]) {
    assert.throws(
      () => readTimeoutMs(value),
      (error: unknown) => {
        assert.ok(error instanceof GatewayError, value);
        assert.deepEqual([error.code, error.param], ['bad_timeout', 'x-weir-timeout']);
        assert.match(
          error.message,
          /must be a duration from 1ms to 24d, such as 30s, 1500ms or 20/,
        );
        assert.ok(error.message.length < 250);
        return true;
      },
      value,
    );
  }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { findUsageName, NOWHERE } from '../../../src/relay/usage-name.js';

test('a name is overlooked, or found where it is not', () => {
  const text = fc
    .array(
      fc.constantFrom(
        '"',
        'u',
        's',
        'a',
        'g',
        'e',
        'usag',
        '"usage',
        'usage"',
        'x',
        'ggggggggg',
        '\\"',
      ),
    )
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(text, fc.nat(12), (value, from) => {
      const at = value.indexOf('"usage', from);
      assert.equal(findUsageName(Buffer.from(value), from), at < 0 ? NOWHERE : at);
    }),
    { numRuns: 3000 },
  );
});

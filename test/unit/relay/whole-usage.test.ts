import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { UsageFigures } from '../../../src/relay/json-usage.js';
import { takeWholeUsage } from '../../../src/relay/whole-usage.js';

test('the usage of a whole answer is not found from its end, whatever stands around it', () => {
  const text = fc
    .array(fc.constantFrom('"', 'usage', 'g', 'ggggggggg', '"usage"', 'usag', 'x', '\\', '{', '}'))
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(text, text, fc.nat(), (before, after, figure) => {
      const answer = {
        before,
        usage: { prompt_tokens: figure },
        after: [`g${after}g`, { after: `g${after}g` }],
      };
      const figures = new UsageFigures();
      assert.equal(takeWholeUsage(Buffer.from(JSON.stringify(answer)), figures), true);
      assert.equal(figures.toUsage()?.inputTokens, figure);
    }),
    { numRuns: 2000 },
  );
});

test('usage is found where there is none', () => {
  for (const text of ['', '{', '"usage"', 'g', '{}', '{"g":1}', '{"a":"\\"usage\\":{}"}']) {
    assert.equal(takeWholeUsage(Buffer.from(text), new UsageFigures()), false, text);
  }
});

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

test('an answer is read as the one before it where they end in different ways', () => {
  const figure = fc.constantFrom(0, 7, 10, 99, 2 ** 31, 2 ** 40, 2 ** 40 + 1, 1.5, -3, 10 ** 14);
  const usage = fc.record(
    {
      prompt_tokens: figure,
      completion_tokens: figure,
      total_tokens: figure,
      prompt_tokens_details: fc.record({ cached_tokens: figure, audio_tokens: figure }),
      completion_tokens_details: fc.record({ rejected_prediction_tokens: figure }),
    },
    { requiredKeys: ['prompt_tokens'] },
  );
  const end = fc.constantFrom('', ',"system_fingerprint":"fp_1"', ',"a":{"usage":12}', ',"b":10');
  const answers = fc.array(fc.tuple(usage, end, fc.constantFrom('', '\n', '  '), fc.boolean()), {
    minLength: 2,
    maxLength: 12,
  });
  fc.assert(
    fc.property(answers, (list) => {
      for (const [object, rest, space, isCut] of list) {
        const text = `{"id":"x","usage":${JSON.stringify(object)}${rest}}${space}`;
        const bytes = Buffer.from(isCut ? text.slice(1) : text);
        const figures = new UsageFigures();
        const isRead = takeWholeUsage(bytes, figures);
        const parsed = new UsageFigures();
        parsed.take(object);
        if (isRead) assert.deepEqual(figures.toUsage(), parsed.toUsage(), text);
        assert.equal(isRead, !isCut && !rest.includes('usage'), text);
      }
    }),
    { numRuns: 2000 },
  );
});

test('usage is found where there is none', () => {
  for (const text of ['', '{', '"usage"', 'g', '{}', '{"g":1}', '{"a":"\\"usage\\":{}"}']) {
    assert.equal(takeWholeUsage(Buffer.from(text), new UsageFigures()), false, text);
  }
});

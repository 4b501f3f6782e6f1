/** What is read of a usage object where it lies is what a parser reads, whatever stands in it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { UsageFigures } from '../../src/relay/json-usage.js';
import { ScannedUsage, scanUsage } from '../../src/relay/usage-scan.js';

const FIGURE = fc.oneof(fc.nat(), fc.constantFrom(0, 2 ** 40, 2 ** 40 + 1, 1e15, 0.5, -1, null));
const DETAILS = fc.oneof(
  fc.record(
    { cached_tokens: FIGURE, audio_tokens: FIGURE, reasoning_tokens: FIGURE },
    { requiredKeys: [] },
  ),
  fc.constantFrom(null, 7, [], 'x'),
);
const USAGE = fc.record(
  {
    prompt_tokens: FIGURE,
    completion_tokens: FIGURE,
    total_tokens: FIGURE,
    input_tokens: FIGURE,
    'an "other\\': FIGURE,
    prompt_tokens_details: DETAILS,
    completion_tokens_details: DETAILS,
  },
  { requiredKeys: [] },
);
const SPACE = fc.constantFrom(undefined, 1, '\t');

function parse(...texts: readonly string[]): UsageFigures {
  const figures = new UsageFigures();
  for (const text of texts) figures.takeText(text);
  return figures;
}

function scan(...texts: readonly string[]): UsageFigures {
  const figures = new UsageFigures();
  for (const text of texts) {
    const bytes = Buffer.from(`x${text}y`);
    figures.takeBytes(bytes, 1, bytes.length - 1);
  }
  return figures;
}

test('a figure is read otherwise than a parser does, or a later one does not win', () => {
  fc.assert(
    fc.property(fc.array(USAGE, { minLength: 1, maxLength: 3 }), SPACE, (objects, space) => {
      const texts = objects.map((object) => JSON.stringify(object, null, space));
      assert.deepEqual(scan(...texts).toUsage(), parse(...texts).toUsage());
    }),
  );
});

test('what is cut, doubled or altered in a byte is read otherwise than a parser does', () => {
  const text =
    '{"prompt_tokens":12,"completion_tokens":3,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":4}}';
  fc.assert(
    fc.property(
      fc.nat(text.length),
      fc.nat(text.length),
      fc.string({ maxLength: 3 }),
      (a, b, c) => {
        const altered = text.slice(0, Math.min(a, b)) + c + text.slice(Math.max(a, b));
        assert.deepEqual(scan(altered).toUsage(), parse(altered).toUsage());
      },
    ),
    { numRuns: 2000 },
  );
  const twice = '{"prompt_tokens":1,"prompt_tokens":2}';
  assert.deepEqual(scan(twice).toUsage(), parse(twice).toUsage());
  const zeros = '{"prompt_tokens":012}';
  assert.equal(scan(zeros).toUsage(), null);
});

test('OpenAI’s usual object has to be parsed', () => {
  const bytes = Buffer.from(
    '{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,"prompt_tokens_details":' +
      '{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,' +
      '"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}',
  );
  const scanned = new ScannedUsage();
  assert.equal(scanUsage(bytes, 0, bytes.length, scanned), bytes.length);
  assert.deepEqual([...scanned.values.subarray(0, 7)], [19, 10, 29, 0, 0, 0, 0]);
  assert.equal(scanned.count, 9);
});

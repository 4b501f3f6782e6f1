/** A tap that keeps events unread measures what one measures that reads each of them when it comes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BOUNDS } from '../../src/core/bounds.js';
import { UsageTap } from '../../src/relay/usage-tap.js';
import { splitAt } from '../helpers/byte-splits.js';
import { type Measured, measureEagerly } from '../helpers/eager-sample.js';

const SEED = Number(process.env['WEIR_SEED'] ?? 20261123);

const document = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .string({ maxLength: 40 })
      .map((content) => JSON.stringify({ choices: [{ delta: { content } }], usage: null })),
  },
  fc
    .nat(3000)
    .map((length) =>
      JSON.stringify({ type: 'x', delta: { text: 'ä'.repeat(length) }, text: 'no' }),
    ),
  fc.constantFrom('{}', '[DONE]', '{"choices":[{"delta":{"content":"broken', '', ' ', 'usage'),
  fc.constant(JSON.stringify({ delta: { text: 'x'.repeat(BOUNDS.unreadEventBytesMax) } })),
);
const event = fc.oneof(
  { weight: 8, arbitrary: document.map((text) => `data: ${text}\n\n`) },
  { weight: 3, arbitrary: document.map((text) => `event: delta\ndata: ${text}\n\n`) },
  document.map((text) => `data:${text}\ndata: ${text}\n\n`),
  document.map((text) => `id: 7\ndata: ${text}\r\n\r\n`),
  document.map((text) => `data: ${text}\r\r`),
  document.map((text) => `\ufeffdata: ${text}\n\n`),
  fc.constantFrom(
    ': comment\n\n',
    '\n',
    '\r\n',
    'event: delta\n\n',
    'data\n\n',
    'data:\n\n',
    'event: x\r\ndata: {"delta":{"text":"a"}}\n\n',
    'data: {"delta":{"text":"a"}}\n\r\n',
  ),
);
const events = fc
  .tuple(fc.array(event, { maxLength: 40 }), fc.nat(3))
  .map(([list, repeated]) => Array.from({ length: repeated + 1 }, () => list).flat());

function readMeasured(tap: UsageTap): Measured {
  const { eventCount, contentEventCount, contentBytes } = tap;
  return { eventCount, contentEventCount, contentBytes };
}

test(`the text of random events is measured as if each had been read at once, however split and whenever asked for (seed ${SEED})`, () => {
  fc.assert(
    fc.property(
      events,
      fc.boolean(),
      fc.array(fc.nat(20_000), { maxLength: 12 }),
      fc.array(fc.boolean(), { maxLength: 12 }),
      (list, isByEvent, points, asks) => {
        const bytes = Buffer.from(list.join(''));
        const cuts = points.sort((a, b) => a - b);
        const pieces = isByEvent ? list.map((text) => Buffer.from(text)) : splitAt(bytes, cuts);
        const expected = measureEagerly(pieces);
        const tap = new UsageTap(true);
        pieces.forEach((piece, index) => {
          const lent = Buffer.from(piece);
          tap.take(lent);
          lent.fill(0x7d);
          if (asks[index % asks.length] === true) {
            assert.deepEqual(readMeasured(tap), expected[index]);
          }
        });
        assert.equal(tap.usage, null);
        if (pieces.length > 0) assert.deepEqual(readMeasured(tap), expected.at(-1));
        tap.release();
      },
    ),
    { seed: SEED, numRuns: 600 },
  );
});

/** Random documents with usage in right and wrong places, split at random: the tap reads what the slow oracle reads. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { UsageFilter } from '../../src/relay/usage-filter.js';
import { UsageTap } from '../../src/relay/usage-tap.js';
import { splitAt } from '../helpers/byte-splits.js';
import { readUsageSlowly } from '../helpers/usage-oracle.js';

const SEED = Number(process.env['WEIR_SEED'] ?? 20261122);

const figure = fc.oneof(
  fc.nat(1000),
  fc.constantFrom<unknown>(-1, 1.5, 2 ** 41, null, '3', true, [], {}),
);
const usage = fc.oneof(
  fc.record(
    {
      prompt_tokens: figure,
      completion_tokens: figure,
      total_tokens: figure,
      prompt_tokens_details: fc.record({ cached_tokens: figure }),
      note: fc.string(),
    },
    { requiredKeys: [] },
  ),
  fc.record({ input_tokens: figure, output_tokens: figure, cache_read_input_tokens: figure }),
  fc.constant<unknown>(null),
);
const name = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom('usage', 'usageMetadata', 'response', 'message', 'x_groq'),
  },
  fc.constantFrom('choices', 'delta', 'content', 'usag', 'usage_', 'a"b\\', '"usage":{'),
  fc.string({ maxLength: 24 }),
);
const { inner } = fc.letrec<{ inner: unknown }>((tie) => ({
  inner: fc.oneof(
    { maxDepth: 4 },
    usage,
    fc.string(),
    fc.integer(),
    fc.array(tie('inner'), { maxLength: 3 }),
    fc
      .array(fc.tuple(name, tie('inner')), { maxLength: 4 })
      .map((members) => Object.fromEntries(members)),
  ),
}));
const documents = fc.array(
  fc
    .array(fc.tuple(name, inner), { maxLength: 5 })
    .map((members): Record<string, unknown> => Object.fromEntries(members)),
  { minLength: 1, maxLength: 6 },
);
const cuts = fc
  .array(fc.nat(3000), { maxLength: 12 })
  .map((points) => points.sort((a, b) => a - b));
const indent = fc.constantFrom(0, 1);
const lineEnd = fc.constantFrom('\n', '\r\n', '\r');

test(`random events yield what an oracle reads in them, however split (seed ${SEED})`, () => {
  fc.assert(
    fc.property(documents, cuts, lineEnd, indent, (events, points, end, spaces) => {
      const text = events
        .map((event) => JSON.stringify(event, null, spaces).replaceAll('\n', `${end}data:`))
        .map((event) => `data: ${event}${end}${end}`)
        .join('');
      const bytes = Buffer.from(text);
      const tap = new UsageTap(true);
      for (const piece of splitAt(bytes, points)) tap.take(piece);
      assert.deepEqual(tap.usage, readUsageSlowly(events));
    }),
    { seed: SEED, numRuns: 1500 },
  );
});

test(`a random JSON answer yields what an oracle reads in it, however split (seed ${SEED})`, () => {
  fc.assert(
    fc.property(documents, cuts, indent, ([document], points, spaces) => {
      const bytes = Buffer.from(JSON.stringify(document, null, spaces));
      const expected = readUsageSlowly([document]);
      const tap = new UsageTap(false);
      for (const piece of splitAt(bytes, points)) tap.take(piece);
      assert.deepEqual(tap.usage, expected);
    }),
    { seed: SEED, numRuns: 1500 },
  );
});

test(`random events lose through a filter what they had only been asked for (seed ${SEED})`, () => {
  fc.assert(
    fc.property(documents, cuts, indent, fc.boolean(), (events, points, spaces, asksFirst) => {
      const frame = (list: readonly unknown[]): string =>
        list
          .map((event) => JSON.stringify(event, null, spaces).replaceAll('\n', '\ndata:'))
          .map((event) => `data: ${event}\n\n`)
          .join('');
      const unasked = events.map((event) => {
        const { usage: _, ...rest } = event;
        return { ...rest, choices: [{ delta: rest }] };
      });
      const asked: unknown[] = unasked.map((event) =>
        asksFirst ? { usage: null, ...event } : { ...event, usage: null, obfuscation: 1 },
      );
      const final = { choices: [], usage: { prompt_tokens: 3, completion_tokens: 4 } };
      const expected = frame(
        asksFirst ? unasked : unasked.map((event) => ({ ...event, obfuscation: 1 })),
      );
      // A number as a name comes first in JavaScript, whatever the order; such names are left to the unit tests.
      fc.pre(!/"\d+": ?/.test(expected));
      const filter = new UsageFilter(new UsageTap(true));
      const kept: Buffer[] = [];
      for (const piece of splitAt(Buffer.from(frame([...asked, final])), points)) {
        const out: Buffer[] = [];
        filter.take(piece, out);
        for (const view of out) kept.push(Buffer.from(view));
      }
      const rest = filter.flush();
      assert.equal(rest, null);
      const text = Buffer.concat(kept).toString('utf8');
      if (spaces === 0) assert.equal(text, expected);
      else assert.deepEqual(parseAll(text), parseAll(expected));
    }),
    { seed: SEED, numRuns: 1000 },
  );
});

/** A member that stood on a line of its own leaves its neighbours on one line, or two; the document is the same. */
function parseAll(text: string): unknown[] {
  return text
    .split('\n\n')
    .filter((event) => event !== '')
    .map((event) => JSON.parse(event.replaceAll(/^data: ?/gm, '')) as unknown);
}

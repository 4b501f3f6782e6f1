/**
 * Where content begins in recorded streams of seven providers and in random ones: at the event that a slow oracle finds,
 * and at the same byte however the stream is split.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FirstTokenWatch } from '../../src/relay/first-token.js';
import { splitAt } from '../helpers/byte-splits.js';
import { findFirstTokenSlowly } from '../helpers/first-token-oracle.js';
import { loadStreams } from '../helpers/fixtures.js';
import { hasFixtures, skipUnless } from '../helpers/need.js';

const SEED = Number(process.env['WEIR_SEED'] ?? 20261123);
/** Every split of more would take seconds. */
const EVERY_SPLIT_BYTES_MAX = 6000;

/** How many bytes it takes until content is found, byte by byte; -1 where it never is. */
function findHit(bytes: Buffer): number {
  const watch = new FirstTokenWatch();
  for (let at = 0; at < bytes.length; at += 1) {
    if (watch.take(bytes.subarray(at, at + 1))) return at + 1;
  }
  return -1;
}

function checkSplit(bytes: Buffer, hit: number, points: readonly number[]): void {
  const watch = new FirstTokenWatch();
  let taken = 0;
  for (const piece of splitAt(bytes, points)) {
    taken += piece.length;
    // Memory that is lent.
    const lent = Buffer.from(piece);
    const isBegun = watch.take(lent);
    lent.fill(0x22);
    if (isBegun !== (hit >= 0 && taken >= hit)) {
      assert.fail(`after ${taken} bytes ${isBegun}, should begin after ${hit}; split at ${points}`);
    }
  }
}

/** The event in which a byte stands; events end with an empty line. */
function eventOf(bytes: Buffer, hit: number): number {
  if (hit < 0) return -1;
  const before = bytes.toString('latin1', 0, hit).replaceAll('\r\n', '\n').replaceAll('\r', '\n');
  return before.split('\n\n').length - 1 - (before.endsWith('\n\n') ? 1 : 0);
}

test('every recorded stream begins where an oracle says, at every split', {
  skip: skipUnless(hasFixtures, 'the fixtures'),
}, (t) => {
  let begun = 0;
  for (const { provider, name, framing, events, sse } of loadStreams()) {
    const listed = framing === 'openai-chat' ? [...events, '[DONE]'] : events;
    const hit = findHit(sse);
    const where = `${provider}/${name}`;
    assert.equal(eventOf(sse, hit), findFirstTokenSlowly(listed), where);
    begun += hit < 0 ? 0 : 1;
    // What follows the hit is not looked at.
    const head = hit < 0 ? sse : sse.subarray(0, Math.min(sse.length, hit + 20));
    if (head.length <= EVERY_SPLIT_BYTES_MAX) {
      for (let at = 1; at < head.length; at += 1) checkSplit(head, hit, [at]);
    }
    for (const width of [1, 2, 3, 7, 64, 1000]) {
      const points = Array.from({ length: Math.ceil(head.length / width) }, (_, i) => i * width);
      checkSplit(head, hit, points);
    }
  }
  t.diagnostic(`${begun} streams begin`);
  assert.ok(begun > 90);
});

const text = fc.oneof(fc.constantFrom('', '"', '\\', 'Hi', ' ', '\n', 'delta'), fc.string());
const name = fc.constantFrom(
  ...['delta', 'choices', 'candidates', 'content', 'text', 'type', 'role', 'finish_reason'],
  ...['message', 'event_type', 'delt', 'deltas', 'a"b\\', 'item', 'mimeType', 'tool_calls'],
);
const type = fc.constantFrom(
  ...['ping', 'message_start', 'x.created', 'x.done', 'x_delta', 'error', 'response.in_progress'],
  ...['message_stop', 'x-start', 'text', 'output_item.added', '', 'a_very_long_name_of_an_event'],
);
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    text,
    type,
    fc.constantFrom<unknown>(null, 1, true, {}, []),
    fc.array(
      fc.oneof(
        fc.integer(),
        fc.array(fc.tuple(name, tie('value')), { maxLength: 3 }).map(Object.fromEntries),
      ),
      { maxLength: 3 },
    ),
    fc.array(fc.tuple(name, tie('value')), { maxLength: 3 }).map(Object.fromEntries),
  ),
}));
const delta = fc.array(fc.tuple(name, value), { maxLength: 3 }).map(Object.fromEntries);
const event = fc.oneof(
  fc.record({ type }),
  fc.record({ type, delta: value }),
  fc.record({ event_type: type, delta }),
  fc.record({ choices: fc.array(fc.record({ delta, finish_reason: fc.constant(null) })) }),
  fc.record({ candidates: fc.array(fc.record({ content: value }), { maxLength: 2 }) }),
  fc.array(fc.tuple(name, value), { maxLength: 4 }).map(Object.fromEntries),
);
const lineEnd = fc.constantFrom('\n', '\r\n', '\r');
const cuts = fc.array(fc.nat(600), { maxLength: 9 }).map((points) => points.sort((a, b) => a - b));

test(`random events begin where an oracle says, at every split (seed ${SEED})`, () => {
  fc.assert(
    fc.property(
      fc.array(event, { minLength: 1, maxLength: 6 }),
      lineEnd,
      fc.constantFrom('', ': a comment', 'id: 1', 'event: message'),
      fc.constantFrom(0, 1),
      cuts,
      (events, end, before, spaces, points) => {
        const lines = before === '' ? '' : `${before}${end}`;
        const bytes = Buffer.from(
          events
            .map((one) => JSON.stringify(one, null, spaces).replaceAll('\n', `${end}data:`))
            .map((one) => `${lines}data: ${one}${end}${end}`)
            .join(''),
        );
        const hit = findHit(bytes);
        const expected = findFirstTokenSlowly(events.map((one) => JSON.stringify(one)));
        assert.equal(eventOf(bytes, hit), expected, bytes.toString());
        checkSplit(bytes, hit, points);
      },
    ),
    { seed: SEED, numRuns: 2000 },
  );
});

test(`bytes of any kind are taken without a throw, and alike at every split (seed ${SEED})`, () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.string({
      unit: fc.constantFrom('d', 'data:', '\n', '\r', '{', '}', '[', '"', ':', ',', '\\'),
    }),
  );
  fc.assert(
    fc.property(bytes, cuts, (raw, points) => {
      const buffer = Buffer.from(raw as string);
      checkSplit(buffer, findHit(buffer), points);
    }),
    { seed: SEED, numRuns: 1500 },
  );
});

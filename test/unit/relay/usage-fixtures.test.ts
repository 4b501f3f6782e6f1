/** Recorded answers of seven providers: the tap reads what they state, however the bytes are split. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Usage } from '../../../src/core/usage.js';
import { Meter } from '../../../src/relay/meter.js';
import { UsageTap } from '../../../src/relay/usage-tap.js';
import { choosePoints, splitAt } from '../../helpers/byte-splits.js';
import { loadJsonAnswers, loadStreams } from '../../helpers/fixtures.js';
import { hasFixtures, skipUnless } from '../../helpers/need.js';
import { createRandom } from '../../helpers/seeded-random.js';
import { parseEvent, readUsageSlowly } from '../../helpers/usage-oracle.js';

const skip = skipUnless(hasFixtures, 'the fixtures');
/** Every split of a file of so many bytes takes about 20 ms. */
const EVERY_SPLIT_BYTES_MAX = 4000;
const ROUNDS = 12;

function tapAll(pieces: readonly Buffer[], isEventStream: boolean): Usage | null {
  const tap = new UsageTap(isEventStream);
  for (const piece of pieces) {
    // Memory that is lent: what the tap did not copy is gone after the call.
    const lent = Buffer.from(piece);
    tap.take(lent);
    lent.fill(0x22);
  }
  return tap.usage;
}

function checkSplits(bytes: Buffer, isEventStream: boolean, expected: Usage | null): void {
  const random = createRandom();
  const where = `seed ${random.seed}`;
  assert.deepEqual(tapAll([bytes], isEventStream), expected, 'in one piece');
  const single = bytes.length <= 120_000 ? splitAt(bytes, [...bytes.keys()]) : [bytes];
  assert.deepEqual(tapAll(single, isEventStream), expected, 'byte by byte');
  if (bytes.length <= EVERY_SPLIT_BYTES_MAX) {
    for (let at = 1; at < bytes.length; at += 1) {
      const halves = [bytes.subarray(0, at), bytes.subarray(at)];
      assert.deepEqual(tapAll(halves, isEventStream), expected, `split at ${at}`);
    }
  }
  for (let round = 0; round < ROUNDS; round += 1) {
    const meanBytes = random.pick([7, 60, 700, 5000]);
    const points = choosePoints(bytes, random, { meanBytes });
    assert.deepEqual(tapAll(splitAt(bytes, points), isEventStream), expected, where);
  }
}

test('every recorded stream yields what its events state, at every split', { skip }, (t) => {
  let stated = 0;
  for (const { provider, name, events, sse } of loadStreams()) {
    const expected = readUsageSlowly(events.map(parseEvent));
    if (expected !== null) stated += 1;
    checkSplits(sse, true, expected);
    t.diagnostic(`${provider}/${name}: ${JSON.stringify(expected?.outputTokens)}`);
  }
  assert.ok(stated >= 80, `only ${stated} streams state usage`);
});

test('every recorded JSON answer yields what it states, at every split', { skip }, () => {
  let stated = 0;
  for (const { bytes } of loadJsonAnswers()) {
    const expected = readUsageSlowly([JSON.parse(bytes.toString('utf8'))]);
    if (expected !== null) stated += 1;
    checkSplits(bytes, false, expected);
    const atOnce = new Meter(false, bytes.length, false);
    atOnce.take(bytes, []);
    assert.deepEqual(atOnce.usage, expected, 'at once');
  }
  assert.ok(stated >= 80, `only ${stated} answers state usage`);
});

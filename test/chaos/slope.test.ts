/** The soak's verdict: a rise is told from a sway. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '../helpers/seeded-random.js';
import { fitSlope, isLevel, type Point, takeLast } from './measure/slope.js';

const EVERY_MS = 5000;
const POINTS = 270;

/** A heap that fills and is collected again and again, and keeps `risePerHour` of it. */
function sway(random: SeededRandom, risePerHour: number): Point[] {
  let garbage = 0;
  return Array.from({ length: POINTS }, (_, at) => {
    garbage = random.chance(0.1) ? 0 : garbage + random.next();
    const atMs = at * EVERY_MS;
    return { atMs, value: 100 + garbage + (risePerHour * atMs) / 3_600_000 };
  });
}

test('what only sways is level, and what rises is not', () => {
  const random = new SeededRandom(7);
  let level = 0;
  for (let round = 0; round < 100; round++) {
    if (isLevel(fitSlope(sway(random, 0)), 0)) level += 1;
    assert.equal(isLevel(fitSlope(sway(random, 100)), 0), false);
  }
  assert.ok(level >= 90, `${level} of 100`);
});

test('a slope is told an hour, and what is negligible is level', () => {
  const line = Array.from({ length: 10 }, (_, at) => ({ atMs: at * 1000, value: at }));
  assert.ok(Math.abs(fitSlope(line).perHour - 3600) < 1e-6);
  assert.equal(isLevel(fitSlope(line), 3599), false);
  assert.equal(isLevel(fitSlope(line), 3601), true);
  assert.equal(fitSlope(line.slice(0, 3)).plusMinus, Number.POSITIVE_INFINITY);
  assert.deepEqual(
    takeLast(line, 1 / 3).map(({ value }) => value),
    [6, 7, 8, 9],
  );
});

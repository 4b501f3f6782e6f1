/** Of n exchanges that ended well n times the share have a line, rounded down or up, whatever is drawn. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AccessSampler } from '../../src/observe/access-sampler.js';

/** Of 10^9, so that the true number of lines can be told in whole numbers. */
const PARTS = 1_000_000_000;
const part = fc.oneof(
  fc.integer({ min: 1, max: PARTS - 1 }),
  fc.constantFrom(1, 10_000_000, 300_000_000, 333_333_333, 500_000_000, 999_999_999),
);
/** Edges of a stretch are where two lines come close to each other. */
const draw = fc.oneof(
  fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  fc.constantFrom(0, 1 - Number.EPSILON / 2, 0.5),
);

test('the number of lines is never further from its share than rounding', () => {
  fc.assert(
    fc.property(part, fc.array(draw, { minLength: 1, maxLength: 20 }), (parts, draws) => {
      let drawn = 0;
      const sampler = new AccessSampler(parts / PARTS, () => draws[drawn++ % draws.length]!);
      let lines = 0;
      for (let n = 1; n <= 1000; n += 1) {
        if (sampler.take()) lines += 1;
        const due = BigInt(n) * BigInt(parts);
        const least = Number(due / BigInt(PARTS));
        const most = least + Number(due % BigInt(PARTS) > 0n);
        assert.ok(lines >= least && lines <= most, `${lines} of ${n}, due ${least} to ${most}`);
      }
    }),
    { numRuns: 300 },
  );
});

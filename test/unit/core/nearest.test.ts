import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { BOUNDS } from '../../../src/core/bounds.js';
import { editDistance, nearestNames } from '../../../src/core/nearest.js';

/** The textbook's whole matrix, to compare the banded one with. */
function plainDistance(a: string, b: string): number {
  const d = Array.from({ length: a.length + 1 }, (_, i) =>
    Array.from({ length: b.length + 1 }, (_, j) => (i === 0 ? j : j === 0 ? i : 0)),
  );
  const at = (i: number, j: number): number => d[i]?.[j] ?? Number.NaN;
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, at(i - 2, j - 2) + 1);
      }
      (d[i] ?? [])[j] = best;
    }
  }
  return at(a.length, b.length);
}

const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '-'), maxLength: 12 });

test('the banded distance is the textbook distance, cut off at the maximum', () => {
  fc.assert(
    fc.property(word, word, fc.integer({ min: 0, max: 6 }), (a, b, max) => {
      assert.equal(editDistance(a, b, max), Math.min(plainDistance(a, b), max + 1));
    }),
    { numRuns: 3000 },
  );
});

test('a slip of any kind is found', () => {
  const names = ['gpt-4o', 'gpt-4o-mini', 'claude-sonnet', 'gemini-pro'];
  for (const slip of [
    'claude-sonet',
    'claude-ssonnet',
    'claude-sonnat',
    'cluade-sonnet',
    'CLAUDE-SONNET',
  ]) {
    assert.deepEqual(nearestNames(slip, names, 3), ['claude-sonnet'], slip);
  }
  assert.deepEqual(nearestNames('llama', names, 3), []);
  assert.deepEqual(nearestNames('', names, 3), []);
});

test('the nearest come first, equally near ones in their order, and never more than asked for', () => {
  assert.deepEqual(nearestNames('aaaa', ['aabb', 'aaab', 'aaaa', 'aaac'], 3), [
    'aaaa',
    'aaab',
    'aaac',
  ]);
  assert.deepEqual(nearestNames('aaaa', ['aabb', 'aaab', 'aaaa', 'aaac'], 1), ['aaaa']);
  assert.deepEqual(nearestNames('aaaa', ['aaaa'], 0), []);
});

test('the result is the start of all candidates within reach, sorted by distance', () => {
  fc.assert(
    fc.property(
      word,
      fc.array(word, { maxLength: 20 }),
      fc.integer({ min: 1, max: 4 }),
      (name, candidates, max) => {
        const reach = Math.min(4, Math.max(1, Math.ceil(name.length / 3)));
        const expected = candidates
          .map((candidate) => ({ candidate, distance: plainDistance(name, candidate) }))
          .filter((entry) => entry.distance <= reach)
          .sort((a, b) => a.distance - b.distance)
          .slice(0, max)
          .map((entry) => entry.candidate);
        assert.deepEqual(nearestNames(name, candidates, max), expected);
      },
    ),
    { numRuns: 2000 },
  );
});

test('only the beginning of a long name is compared', () => {
  const long = 'x'.repeat(BOUNDS.suggestionNameCharsMax);
  assert.deepEqual(nearestNames(`${long}abcdefgh`, [long], 3), [long]);
  assert.deepEqual(nearestNames(`abcdefgh${long}`, [long], 3), []);
});

test('candidates beyond the bound are not looked at', () => {
  const many = Array.from({ length: BOUNDS.suggestionCandidatesMax }, () => 'zzzzzzzz');
  assert.deepEqual(nearestNames('gpt-4o', [...many.slice(1), 'gpt-4o'], 3), ['gpt-4o']);
  assert.deepEqual(nearestNames('gpt-4o', [...many, 'gpt-4o'], 3), []);
});

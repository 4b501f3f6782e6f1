/** P-35: mutated bytes from both sides in the short form; the long one is `npm run endure -- --only fuzz`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasFixtures, skipUnless } from '../helpers/need.js';
import { fuzz } from './scenarios/fuzz.js';

test('P-35 mutated-bytes-crash-hang-or-leak', {
  timeout: 90_000,
  skip: skipUnless(hasFixtures, 'the fixtures'),
}, async (t) => {
  const seed = 20_261_123;
  const { figures } = await fuzz.run({ seconds: 5, seed, say: (line) => t.diagnostic(line) });
  for (const { what, measured } of figures) t.diagnostic(`${what}: ${measured}`);
  assert.deepEqual(
    figures.filter(({ holds }) => holds === false),
    [],
  );
});

/** P-33: the soak in its short form, which shows that all comes back to where it was; the long one, `npm run endure -- --only soak`, that nothing rises. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { soak } from './scenarios/soak.js';

test('P-33 a-mixed-load-leaves-files-bodies-or-exchanges-behind', {
  timeout: 120_000,
}, async (t) => {
  const seed = 20_261_123;
  const { figures } = await soak.run({ seconds: 8, seed, say: (line) => t.diagnostic(line) });
  for (const { what, measured } of figures) t.diagnostic(`${what}: ${measured}`);
  assert.deepEqual(
    figures.filter(({ holds }) => holds === false),
    [],
  );
});

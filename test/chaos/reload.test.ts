/** P-29: reloads under load in the short form; the long one is `npm run endure -- --only reload`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reload } from './scenarios/reload.js';

test('P-29 a-request-fails-or-a-stream-is-cut-while-reloading', {
  timeout: 90_000,
}, async (t) => {
  const seed = 20_261_123;
  const { figures } = await reload.run({ seconds: 8, seed, say: (line) => t.diagnostic(line) });
  for (const { what, measured } of figures) t.diagnostic(`${what}: ${measured}`);
  assert.deepEqual(
    figures.filter(({ holds }) => holds === false),
    [],
  );
});

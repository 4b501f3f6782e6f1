/** P-28: a killed server in the short form; the long one is `npm run endure -- --only crash`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crash } from './scenarios/crash.js';

test('P-28 a-killed-server-does-not-come-back-or-forgets', { timeout: 90_000 }, async (t) => {
  const { figures } = await crash.run({ seconds: 8, seed: 1, say: (line) => t.diagnostic(line) });
  for (const { what, measured } of figures) t.diagnostic(`${what}: ${measured}`);
  assert.deepEqual(
    figures.filter(({ holds }) => holds === false),
    [],
  );
});

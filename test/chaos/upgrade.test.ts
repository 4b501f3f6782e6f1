/** P-27: upgrades under load in the short form; the long one is `npm run endure -- --only upgrade`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { skipUnless } from '../helpers/need.js';
import { canMakeNamespace, NAMESPACE_NEEDS } from '../helpers/network-namespace.js';
import { upgrade } from './scenarios/upgrade.js';

test('P-27 a-request-fails-or-a-limit-is-lost-over-upgrades', {
  timeout: 120_000,
  skip: skipUnless(canMakeNamespace(), NAMESPACE_NEEDS),
}, async (t) => {
  const { figures } = await upgrade.run({ seconds: 8, seed: 1, say: (line) => t.diagnostic(line) });
  for (const { what, measured } of figures) t.diagnostic(`${what}: ${measured}`);
  assert.deepEqual(
    figures.filter(({ holds }) => holds === false),
    [],
  );
});

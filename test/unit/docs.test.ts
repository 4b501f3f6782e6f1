/** The pages printed from the tables in src/core are those that are committed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findStalePages, renderBounds, renderErrors } from '../../docs/generate.js';
import { BOUND_TABLE } from '../../src/core/bounds.js';
import { ERRORS } from '../../src/core/errors.js';

test('docs/errors.md and docs/bounds.md are up to date (`npm run docs` writes them)', () => {
  assert.deepEqual(findStalePages(), []);
});

test('every row of both tables is on its page', () => {
  const errors = renderErrors();
  for (const code of Object.keys(ERRORS)) assert.ok(errors.includes(`| \`${code}\` |`), code);
  const bounds = renderBounds();
  for (const name of Object.keys(BOUND_TABLE)) assert.ok(bounds.includes(`| \`${name}\` |`), name);
});

/** The pages printed from tables in src are those that are committed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  findStalePages,
  renderBounds,
  renderErrors,
  renderFailureClasses,
} from '../../docs/generate.js';
import { BOUND_TABLE } from '../../src/core/bounds.js';
import { ERRORS } from '../../src/core/errors.js';
import { FAILURE_CLASSES } from '../../src/upstream/failure-classes.js';

test('the printed pages of docs/ are up to date (`npm run docs` writes them)', () => {
  assert.deepEqual(findStalePages(), []);
});

test('every row of the tables is on its page', () => {
  const errors = renderErrors();
  for (const code of Object.keys(ERRORS)) assert.ok(errors.includes(`| \`${code}\` |`), code);
  const bounds = renderBounds();
  for (const name of Object.keys(BOUND_TABLE)) assert.ok(bounds.includes(`| \`${name}\` |`), name);
  const classes = renderFailureClasses();
  for (const name of Object.keys(FAILURE_CLASSES)) {
    // The second cell tells where the class comes from.
    assert.match(classes, new RegExp(`^\\| \`${name}\` \\| \\S`, 'm'));
  }
});

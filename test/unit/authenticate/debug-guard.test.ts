import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DebugGuard } from '../../../src/authenticate/debug-guard.js';

const [ADMIN, DEBUG] = ['admin-token-0123456789', 'debug-token-0123456789'];

test('either token opens, nothing else does', () => {
  const guard = new DebugGuard([ADMIN, DEBUG]);
  assert.deepEqual(
    [ADMIN, DEBUG].map((token) => guard.isTrusted(token)),
    [true, true],
  );
  for (const wrong of ['', `${ADMIN} `, ADMIN.toUpperCase(), ADMIN + DEBUG, 'x'.repeat(5000)]) {
    assert.equal(guard.isTrusted(wrong), false, wrong.slice(0, 40));
  }
});

test('without a token nobody is let in', () => {
  const guard = new DebugGuard([null, null]);
  for (const sent of ['', 'null', 'undefined']) assert.equal(guard.isTrusted(sent), false);
});

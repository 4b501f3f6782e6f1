/** Whom the admin port lets in. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AdminGuard } from '../../../src/primary/admin-guard.js';

const TOKEN = 'an-admin-token-of-24-ch';
const locked = new AdminGuard(TOKEN);
const local = new AdminGuard(null);

const errorOf = (
  guard: AdminGuard,
  headers: Readonly<Record<string, string>>,
  { path = '/metrics', isReading = true } = {},
): string | null => guard.judge(path, isReading, headers)?.error ?? null;

test('without the token more than health is shown', () => {
  for (const authorization of [
    ...['', TOKEN, `Basic ${TOKEN}`, 'Bearer', 'Bearer ', `Bearer ${TOKEN}x`, `Bearer x${TOKEN}`],
    ...[`Bearer ${TOKEN.slice(1)}`, `Bearer ${TOKEN} x`, `Bearer ${TOKEN.toUpperCase()}`],
    `Bearer ${'x'.repeat(10_000)}`,
  ]) {
    assert.equal(errorOf(locked, { authorization }), 'unauthorized', authorization);
  }
  // Also on this machine, and before it is told what there is.
  assert.equal(errorOf(locked, { host: 'localhost' }, { path: '/nothing' }), 'unauthorized');
  assert.equal(errorOf(locked, {}, { path: '/healthz' }), null);
  assert.equal(locked.isTrusted({}), false);
});

test('with the token it is not', () => {
  assert.equal(errorOf(locked, { authorization: `Bearer ${TOKEN}`, host: 'weir.internal' }), null);
  assert.equal(errorOf(locked, { authorization: `bearer  ${TOKEN}` }), null);
  assert.equal(locked.isTrusted({ authorization: `Bearer ${TOKEN}` }), true);
});

test('a page that was loaded under a name of its own reads a port of this machine', () => {
  for (const host of [
    '127.0.0.1:8081',
    'localhost',
    'LOCALHOST:1',
    '[::1]:8081',
    '127.9.9.9',
    '[::ffff:127.0.0.1]',
  ]) {
    assert.equal(errorOf(local, { host }), null, host);
  }
  for (const host of [
    'evil.test',
    'evil.test:8081',
    '',
    'localhost.evil.test',
    '10.0.0.1:8081',
    '127.0.0.1.evil.test',
    '[::1',
    'localhost:x',
  ]) {
    assert.equal(errorOf(local, { host }), 'foreign_host', host);
  }
  assert.equal(errorOf(local, {}), 'foreign_host');
  assert.equal(errorOf(local, { host: 'evil.test' }, { path: '/readyz' }), null);
});

test('a page of another origin changes something', () => {
  const host = 'localhost:8081';
  const change = { path: '/api/targets/drain', isReading: false };
  const authorization = `Bearer ${TOKEN}`;
  for (const guard of [local, locked]) {
    const own = { host, authorization };
    assert.equal(errorOf(guard, own, change), null);
    assert.equal(errorOf(guard, { ...own, origin: `http://${host}` }, change), null);
    assert.equal(errorOf(guard, { ...own, 'sec-fetch-site': 'same-origin' }, change), null);
    for (const origin of ['null', 'http://evil.test', 'http://localhost:8080', '']) {
      assert.equal(errorOf(guard, { ...own, origin }, change), 'foreign_origin', origin);
    }
    for (const site of ['cross-site', 'same-site']) {
      const headers = { ...own, 'sec-fetch-site': site };
      assert.equal(errorOf(guard, headers, change), 'foreign_origin', site);
    }
  }
});

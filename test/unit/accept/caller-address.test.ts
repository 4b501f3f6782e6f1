import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nameCaller } from '../../../src/accept/caller-address.js';

test('a client is another caller over IPv6’s socket than over IPv4’s', () => {
  assert.equal(nameCaller('127.0.0.5'), '127.0.0.5');
  assert.equal(nameCaller('0000:0000:0000:0000:0000:ffff:7f00:0005'), '127.0.0.5');
  assert.equal(nameCaller('0000:0000:0000:0000:0000:ffff:ffff:ff0a'), '255.255.255.10');
});

test('addresses of one /64 are several callers, or those of two are one', () => {
  const first = nameCaller('2001:0db8:0000:0001:0000:0000:0000:0001');
  assert.equal(nameCaller('2001:0db8:0000:0001:ffff:ffff:ffff:ffff'), first);
  assert.notEqual(nameCaller('2001:0db8:0000:0002:0000:0000:0000:0001'), first);
});

test('an address that the system does not tell lets a caller go without limits', () => {
  assert.notEqual(nameCaller(''), '');
  assert.equal(nameCaller(''), nameCaller('something quite different'));
});

import assert from 'node:assert/strict';
import test from 'node:test';
import { doAddressesClash, formatAddress, parseAddress } from '../../../src/config/address.js';

test('addresses', () => {
  const cases: [unknown, string, number][] = [
    ['0.0.0.0:8080', '0.0.0.0', 8080],
    ['localhost:0', 'localhost', 0],
    ['weir.internal-1.example:65535', 'weir.internal-1.example', 65_535],
    ['[::1]:80', '::1', 80],
    [8080, 'd', 8080],
    ['8080', 'd', 8080],
  ];
  for (const [value, host, port] of cases) {
    assert.deepEqual(parseAddress(value, 'd'), { host, port }, String(value));
  }
});

test('what is no address', () => {
  for (const value of [
    '',
    ':80',
    'a:',
    'a:65536',
    65_536,
    -1,
    80.5,
    '::1:80',
    '[::1]',
    '[1.2.3.4]:80',
    '[a]:80',
    '1.2.3.999:80',
    '1.2.3:80',
    'a b:80',
    '-a:80',
    'a:80/x',
    'http://a:80',
    null,
    true,
    [],
  ]) {
    assert.equal(parseAddress(value, 'd'), null, JSON.stringify(value));
  }
});

test('a formatted address reads back as itself', () => {
  for (const address of [
    { host: '::1', port: 1 },
    { host: '127.0.0.1', port: 65_535 },
    { host: 'a.b', port: 0 },
  ]) {
    assert.deepEqual(parseAddress(formatAddress(address), 'd'), address);
  }
});

test('addresses clash on the same port of the same or any host', () => {
  const at = (host: string, port: number) => ({ host, port });
  assert.equal(doAddressesClash(at('a', 1), at('a', 1)), true);
  assert.equal(doAddressesClash(at('0.0.0.0', 1), at('127.0.0.1', 1)), true);
  assert.equal(doAddressesClash(at('127.0.0.1', 1), at('::', 1)), true);
  assert.equal(doAddressesClash(at('a', 1), at('b', 1)), false);
  assert.equal(doAddressesClash(at('a', 1), at('a', 2)), false);
  assert.equal(doAddressesClash(at('a', 0), at('a', 0)), false);
});

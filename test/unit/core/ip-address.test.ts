import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { test } from 'node:test';
import {
  formatIp,
  isWithin,
  parseIp,
  parseNetwork,
  readNetworks,
} from '../../../src/core/ip-address.js';

function rewrite(text: string): string | null {
  const address = parseIp(text);
  return address === null ? null : formatIp(address);
}

test('addresses are read, and written as RFC 5952 asks for', () => {
  assert.equal(rewrite('192.0.2.1'), '192.0.2.1');
  assert.equal(rewrite('255.255.255.255'), '255.255.255.255');
  assert.equal(rewrite('2001:0DB8:0000:0000:0001:0000:0000:0001'), '2001:db8::1:0:0:1');
  assert.equal(rewrite('2001:db8:0:1:1:1:1:1'), '2001:db8:0:1:1:1:1:1');
  assert.equal(rewrite('2001:0:0:1::1'), '2001:0:0:1::1');
  assert.equal(rewrite('::'), '::');
  assert.equal(rewrite('::1'), '::1');
  assert.equal(rewrite('fe80::'), 'fe80::');
  assert.equal(rewrite('::ffff:192.0.2.1'), '192.0.2.1');
  assert.equal(rewrite('::FFFF:c000:201'), '192.0.2.1');
  assert.equal(rewrite('64:ff9b::192.0.2.1'), '64:ff9b::c000:201');
});

test('what is no address is read as one', () => {
  for (const text of [
    ...[
      '',
      '.',
      ':',
      '1',
      '1.2.3',
      '1.2.3.4.',
      '.1.2.3.4',
      '1..2.3',
      '1.2.3.256',
      '01.2.3.4',
      '1.2.3.4 ',
    ],
    ...[
      '0x1.2.3.4',
      '1.2.3.-4',
      '１.2.3.4',
      ':::',
      '::1::',
      '1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7:8:9',
      '12345::',
    ],
    ...[
      '::g',
      ':1::2',
      '1::2:',
      '::1.2.3',
      '1.2.3.4::',
      '::1.2.3.4:5',
      'fe80::1%eth0',
      '[::1]',
      '1:2:3:4:5:6:7:1.2.3.4',
    ],
    '1:2:3:4:5:6:7::8:9',
  ]) {
    assert.equal(isIP(text.replace(/%.*/, '%')), 0, `Node reads ${text}`);
    assert.equal(parseIp(text), null, text);
  }
});

test('networks are read with nothing behind their prefix', () => {
  for (const text of [
    '10.0.0.0/8',
    '192.0.2.1',
    '192.0.2.1/32',
    '2001:db8::/32',
    '::1/128',
    '0.0.0.0/0',
    '::/0',
  ]) {
    assert.ok(parseNetwork(text) !== null, text);
  }
  for (const text of [
    '10.0.0.1/8',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/08',
    '2001:db8::1/32',
    '::/129',
    '/8',
    '10.0.0.0/8/8',
    '10.0.0.0/-1',
  ]) {
    assert.equal(parseNetwork(text), null, text);
  }
  assert.equal(readNetworks('private')?.length, 4);
  assert.equal(readNetworks('constructor'), null);
});

test('a network of IPv6 holds addresses of IPv4', () => {
  const isIn = (text: string, network: string): boolean => {
    const [address, parsed] = [parseIp(text), parseNetwork(network)];
    assert.ok(address !== null && parsed !== null);
    return isWithin(address, parsed);
  };
  assert.equal(isIn('192.0.2.1', '::/0'), false);
  assert.equal(isIn('192.0.2.1', '::/64'), false);
  assert.equal(isIn('192.0.2.1', '::ffff:192.0.2.0/120'), true);
  assert.equal(isIn('::ffff:192.0.2.1', '192.0.2.0/24'), true);
  assert.equal(isIn('::1', '0.0.0.0/0'), false);
});

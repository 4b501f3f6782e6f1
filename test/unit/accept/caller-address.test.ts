import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClientAddresses } from '../../../src/accept/caller-address.js';
import { BOUNDS } from '../../../src/core/bounds.js';

const strangers = new ClientAddresses([]);
const behindProxies = new ClientAddresses(['10.0.0.0/8', '2001:db8:ffff::/48']);

function nameCaller(text: string): string {
  return strangers.find(text)?.caller ?? 'no address';
}

/** What a request is taken to come from, whose connection comes from `peer`. */
function findClient(peer: string, ...values: readonly string[]): string | undefined {
  const headers = ['host', 'weir.test', ...values.flatMap((value) => ['x-forwarded-for', value])];
  const found = behindProxies.find(peer);
  assert.ok(found !== null, peer);
  return behindProxies.findClient(found, [...headers, 'x-real-ip', '6.6.6.6']).text;
}

test('a client is another caller over IPv6’s socket than over IPv4’s', () => {
  assert.equal(nameCaller('127.0.0.5'), '127.0.0.5');
  assert.equal(nameCaller('0000:0000:0000:0000:0000:ffff:7f00:0005'), '127.0.0.5');
  assert.equal(nameCaller('0000:0000:0000:0000:0000:ffff:ffff:ff0a'), '255.255.255.10');
});

test('addresses of one /64 are several callers, or those of two are one', () => {
  const first = nameCaller('2001:0db8:0000:0001:0000:0000:0000:0001');
  assert.equal(first, '2001:db8:0:1::');
  assert.equal(nameCaller('2001:0db8:0000:0001:ffff:ffff:ffff:ffff'), first);
  assert.notEqual(nameCaller('2001:0db8:0000:0002:0000:0000:0000:0001'), first);
});

test('an address that the system does not tell lets a caller go without limits', () => {
  const response = { getRemoteAddressAsText: () => new ArrayBuffer(0) };
  type Response = Parameters<ClientAddresses['readPeer']>[0];
  const peer = strangers.readPeer(response as unknown as Response, null);
  assert.equal(peer.caller, 'unknown');
  assert.equal(peer.isTrusted, false);
});

test('a stranger’s x-forwarded-for is believed', () => {
  assert.equal(findClient('192.0.2.1', '198.51.100.7'), '192.0.2.1');
  assert.equal(findClient('192.0.2.1', '10.0.0.1, 198.51.100.7'), '192.0.2.1');
});

test('the client is the last address that no trusted proxy has', () => {
  assert.equal(findClient('10.1.1.1', '198.51.100.7'), '198.51.100.7');
  // What the client itself wrote stands in front.
  assert.equal(findClient('10.1.1.1', '6.6.6.6, 198.51.100.7'), '198.51.100.7');
  assert.equal(findClient('10.1.1.1', '6.6.6.6,198.51.100.7 , 10.2.2.2'), '198.51.100.7');
  assert.equal(findClient('10.1.1.1', '6.6.6.6', '198.51.100.7, 10.2.2.2'), '198.51.100.7');
  assert.equal(findClient('10.1.1.1', '198.51.100.7', '10.2.2.2'), '198.51.100.7');
  assert.equal(findClient('2001:db8:ffff::1', '2001:db8::7'), '2001:db8::7');
  assert.equal(findClient('::ffff:10.1.1.1', '::ffff:198.51.100.7'), '198.51.100.7');
});

test('where all are trusted the first is the client', () => {
  assert.equal(findClient('10.1.1.1'), '10.1.1.1');
  assert.equal(findClient('10.1.1.1', '10.3.3.3, 10.2.2.2'), '10.3.3.3');
});

test('what is no address ends the walk, and the last good one counts', () => {
  for (const bad of [
    'unknown',
    '_hidden',
    '',
    ' ',
    '1.2.3',
    '1.2.3.4.5',
    '01.2.3.4',
    '1.2.3.4:',
    ':80',
  ]) {
    assert.equal(findClient('10.1.1.1', `198.51.100.7, ${bad}, 10.2.2.2`), '10.2.2.2', bad);
    assert.equal(findClient('10.1.1.1', `198.51.100.7, ${bad}`), '10.1.1.1', bad);
  }
  assert.equal(findClient('10.1.1.1', '198.51.100.7,'), '10.1.1.1');
  assert.equal(findClient('10.1.1.1', ',198.51.100.7'), '198.51.100.7');
});

test('a port that a proxy writes is no part of the address', () => {
  assert.equal(findClient('10.1.1.1', '198.51.100.7:4711'), '198.51.100.7');
  assert.equal(findClient('10.1.1.1', '[2001:db8::7]:4711'), '2001:db8::7');
  assert.equal(findClient('10.1.1.1', '[2001:db8::7]'), '2001:db8::7');
  for (const bad of [
    '[2001:db8::7',
    '[2001:db8::7]x',
    '198.51.100.7:port',
    '198.51.100.7:123456',
  ]) {
    assert.equal(findClient('10.1.1.1', bad), '10.1.1.1', bad);
  }
});

test('a list of trusted addresses without end is walked to its end', () => {
  const list = Array.from({ length: BOUNDS.forwardedHopsMax + 1 }, (_, at) => `10.0.0.${at}`);
  assert.equal(findClient('10.1.1.1', list.join(',')), '10.0.0.1');
  assert.equal(
    findClient('10.1.1.1', ['198.51.100.7', ...list.slice(2)].join(',')),
    '198.51.100.7',
  );
});

test('more addresses than are remembered are still read', () => {
  for (let at = 0; at < BOUNDS.knownAddressesMax + 10; at += 1) {
    const text = `172.16.${at >> 8}.${at & 255}`;
    assert.equal(strangers.find(text)?.text, text);
  }
});

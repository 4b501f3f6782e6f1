/** Networks and addresses against Node's own BlockList, and the walk through x-forwarded-for against its definition. */

import assert from 'node:assert/strict';
import { BlockList, isIP, isIPv4, isIPv6, SocketAddress } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { ClientAddresses } from '../../src/accept/caller-address.js';
import { formatIp, isWithin, parseIp, parseNetwork } from '../../src/core/ip-address.js';

const ipv4 = fc.ipV4();
/** Few bits that differ, so that networks and addresses meet. */
const nearIpv4 = fc
  .tuple(
    fc.constantFrom(10, 11, 192),
    fc.constantFrom(0, 1, 128),
    fc.constant(0),
    fc.integer({ min: 0, max: 255 }),
  )
  .map((parts) => parts.join('.'));
const ipv6 = fc.ipV6();
const nearIpv6 = fc
  .tuple(
    fc.constantFrom('2001:db8', '2001:db9', 'fc00:0'),
    fc.constantFrom('0', '8000', '1'),
    fc.integer({ min: 0, max: 0xffff }),
  )
  .map(([head, third, last]) => `${head}:${third}::${last.toString(16)}`);
const anyAddress = fc.oneof(ipv4, nearIpv4, ipv6, nearIpv6);

const RUNS = { numRuns: 2000 };

test('an address that Node reads is not read, or another one', () => {
  const nearly = fc.string({ unit: fc.constantFrom(...'0129af:.'), maxLength: 24 });
  fc.assert(
    fc.property(fc.oneof(anyAddress, nearly), (text) => {
      const address = parseIp(text);
      assert.equal(address !== null, isIP(text) !== 0, text);
      if (address === null) return;
      const written = formatIp(address);
      assert.deepEqual(parseIp(written), address, written);
      if (isIPv4(text)) assert.equal(written, text);
      if (!isIPv6(written)) return;
      const { address: ofNode } = new SocketAddress({ address: text, family: 'ipv6' });
      // Of ::/96 it writes the end dotted, as if it were an old kind of IPv4.
      if (!ofNode.includes('.')) assert.equal(written, ofNode, text);
    }),
    RUNS,
  );
});

/** With the bits behind the prefix cleared, as parseNetwork() asks for. */
function toNetwork(text: string, share: number): { network: string; list: BlockList } {
  const address = parseIp(text);
  assert.ok(address !== null);
  const isV4 = isIPv4(formatIp(address));
  const bits = Math.floor(share * (isV4 ? 33 : 129));
  const total = isV4 ? bits + 96 : bits;
  const words = address.words.map((word, index) => {
    const kept = Math.min(32, Math.max(0, total - 32 * index));
    return kept === 0 ? 0 : (word & (-1 << (32 - kept))) >>> 0;
  });
  const [a = 0, b = 0, c = 0, d = 0] = words;
  const base = formatIp({ words: [a, b, c, d] });
  const list = new BlockList();
  list.addSubnet(base, bits, isV4 ? 'ipv4' : 'ipv6');
  return { network: `${base}/${bits}`, list };
}

const share = fc.double({ min: 0, max: 0.999, noNaN: true });

test('an address is within a network where Node says that it is not', () => {
  let inside = 0;
  fc.assert(
    fc.property(anyAddress, anyAddress, share, (text, base, part) => {
      const { network, list } = toNetwork(base, part);
      const parsed = parseNetwork(network);
      const address = parseIp(text);
      assert.ok(parsed !== null && address !== null, network);
      const written = formatIp(address);
      // Node finds every address of IPv4 in ::/0.
      const isOneKind = isIPv4(written) === isIPv4(base);
      const expected = isOneKind && list.check(written, isIPv4(written) ? 'ipv4' : 'ipv6');
      inside += expected ? 1 : 0;
      assert.equal(isWithin(address, parsed), expected, `${text} in ${network}`);
    }),
    RUNS,
  );
  assert.ok(inside > 50, `only ${inside} inside`);
});

const TRUSTED = ['10.0.0.0/8', '192.0.2.1', 'fc00::/7'];
const junk = fc.constantFrom('', 'unknown', '_x', '1.2.3', '999.1.1.1', 'é');
const entry = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom('10.0.0.1', '10.9.9.9', '192.0.2.1', 'fc00::1', '::ffff:10.0.0.3'),
  },
  { weight: 2, arbitrary: fc.constantFrom('198.51.100.1', '2001:db8::1', '11.0.0.1') },
  { weight: 1, arbitrary: junk },
);

/** As the definition reads: one list of all values, from its end, while the one behind is trusted. */
function findByDefinition(peer: string, values: readonly string[], list: BlockList): string {
  const entries = [...values.flatMap((value) => value.split(',')).map((text) => text.trim())];
  let client = peer;
  for (const text of entries.reverse()) {
    const plain = client.replace('::ffff:', '');
    if (!list.check(plain, isIPv4(plain) ? 'ipv4' : 'ipv6') || isIP(text) === 0) break;
    client = text;
  }
  return client.replace('::ffff:', '');
}

test('the walk stops elsewhere than its definition', () => {
  const addresses = new ClientAddresses(TRUSTED);
  const list = new BlockList();
  list.addSubnet('10.0.0.0', 8, 'ipv4');
  list.addAddress('192.0.2.1', 'ipv4');
  list.addSubnet('fc00::', 7, 'ipv6');
  const space = fc.constantFrom('', ' ', '\t', '  ');
  const value = fc
    .array(fc.tuple(space, entry, space), { minLength: 1, maxLength: 5 })
    .map((parts) => parts.map((part) => part.join('')).join(','));
  const peers = fc.constantFrom('10.0.0.2', '198.51.100.9', 'fc00::2', '::ffff:10.0.0.9');
  fc.assert(
    fc.property(peers, fc.array(value, { maxLength: 4 }), (peer, values) => {
      const headers = values.flatMap((text) => ['accept', '*/*', 'x-forwarded-for', text]);
      const start = addresses.find(peer);
      assert.ok(start !== null);
      const expected = findByDefinition(peer, values, list);
      assert.equal(addresses.findClient(start, headers).text, expected, JSON.stringify(values));
    }),
    RUNS,
  );
});

import assert from 'node:assert/strict';
import test from 'node:test';
import {
  type ProxyVersions,
  readProxyHeader,
  readStranger,
} from '../../../src/accept/proxy-header.js';
import { BOUNDS } from '../../../src/core/bounds.js';
import { TCP_4, TCP_6, V1, version2 } from '../../helpers/proxy-headers.js';

const AFTER = Buffer.from('GET / HTTP/1.1\r\n\r\n');

function read(bytes: Buffer | string, versions: ProxyVersions = 'either') {
  return readProxyHeader(Buffer.from(bytes as string, 'latin1'), versions);
}

const GOOD: readonly (readonly [name: string, header: Buffer, source: string | null])[] = [
  ['v1, IPv4', Buffer.from(V1), '192.0.2.1'],
  ['v1, IPv6', Buffer.from('PROXY TCP6 2001:db8::1 2001:db8::2 65535 0\r\n'), '2001:db8::1'],
  ['v1, unknown', Buffer.from('PROXY UNKNOWN\r\n'), null],
  ['v1, unknown with more', Buffer.from('PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n'), null],
  [
    'v1, the longest',
    Buffer.from(`PROXY UNKNOWN ${'f'.repeat(107 - 'PROXY UNKNOWN \r\n'.length)}\r\n`),
    null,
  ],
  ['v2, IPv4', version2({ address: TCP_4 }), '192.0.2.1'],
  ['v2, IPv6', version2({ family: 0x21, address: TCP_6 }), '2001:db8::1'],
  ['v2, with more behind', version2({ address: TCP_4, tlvBytes: 72 }), '192.0.2.1'],
  ['v2, IPv6 with more', version2({ family: 0x21, address: TCP_6, tlvBytes: 4 }), '2001:db8::1'],
  ['v2, local', version2({ command: 0, family: 0, address: Buffer.alloc(0) }), null],
  ['v2, local with an address', version2({ command: 0, address: TCP_4 }), null],
  ['v2, unknown family', version2({ family: 0, address: Buffer.alloc(7) }), null],
  ['v2, UDP', version2({ family: 0x12, address: TCP_4 }), null],
  ['v2, unix', version2({ family: 0x31, address: Buffer.alloc(216, 0x2f) }), null],
  [
    'v2, the longest',
    version2({ address: TCP_4, tlvBytes: BOUNDS.proxyHeaderBytesMax - 16 - 12 }),
    '192.0.2.1',
  ],
];

test('a header is read otherwise, or takes bytes of the client', () => {
  for (const [name, header, source] of GOOD) {
    const expected = { kind: 'header', bytes: header.length, source };
    assert.deepEqual(read(header), expected, name);
    assert.deepEqual(read(Buffer.concat([header, AFTER])), expected, name);
    // The first bytes of the client may look like another one.
    assert.deepEqual(read(Buffer.concat([header, header])), expected, name);
  }
});

test('a header that comes in pieces is refused, or taken before it is whole', () => {
  for (const [name, header] of GOOD) {
    for (let length = 0; length < header.length; length += 1) {
      const { kind } = read(header.subarray(0, length));
      assert.equal(kind, 'incomplete', `${name}, ${length} bytes`);
    }
  }
});

test('a version that was not asked for is read', () => {
  for (const [name, header] of GOOD) {
    const [own, other]: ProxyVersions[] = name.startsWith('v1') ? ['v1', 'v2'] : ['v2', 'v1'];
    assert.equal(read(header, own!).kind, 'header', name);
    assert.equal(read(header.subarray(0, 1), other!).kind, 'wrong', name);
  }
});

const BAD: Readonly<Record<string, Buffer | string>> = {
  'no header': AFTER,
  TLS: Buffer.from('160301', 'hex'),
  'v1, lower case': 'proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n',
  'v1, another word': 'PROXYTCP4 192.0.2.1 192.0.2.2 1 2\r\n',
  'v1, nothing': 'PROXY \r\n',
  'v1, no such family': 'PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n',
  'v1, IPv6 as IPv4': 'PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n',
  'v1, IPv4 as IPv6': 'PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n',
  'v1, no address': 'PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n',
  'v1, no second address': 'PROXY TCP4 192.0.2.1 weir 1 2\r\n',
  'v1, zeros in front': 'PROXY TCP4 192.0.02.1 192.0.2.2 1 2\r\n',
  'v1, a zone': 'PROXY TCP6 fe80::1%eth0 fe80::2 1 2\r\n',
  'v1, no ports': 'PROXY TCP4 192.0.2.1 192.0.2.2\r\n',
  'v1, one port': 'PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n',
  'v1, a field more': 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n',
  'v1, two spaces': 'PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n',
  'v1, port too high': 'PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n',
  'v1, port in hex': 'PROXY TCP4 192.0.2.1 192.0.2.2 0x1 2\r\n',
  'v1, LF alone': `PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n${'GET / HTTP/1.1\r\n'.repeat(9)}`,
  'v1, CR alone': 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\rG',
  'v1, too long': `PROXY UNKNOWN ${'f'.repeat(108 - 'PROXY UNKNOWN \r\n'.length)}\r\n`,
  'v1, no end': `PROXY UNKNOWN ${'f'.repeat(107)}`,
  'v2, another version': version2({ version: 1, address: TCP_4 }),
  'v2, another command': version2({ command: 2, address: TCP_4 }),
  'v2, IPv4 cut off': version2({ address: TCP_4.subarray(1) }),
  'v2, IPv6 cut off': version2({ family: 0x21, address: TCP_4 }),
  'v2, too long': version2({ address: TCP_4, tlvBytes: BOUNDS.proxyHeaderBytesMax }),
  'v2, another signature': Buffer.from('0d0a0d0a000d0a515549540b', 'hex'),
};

for (const [name, bytes] of Object.entries(BAD)) {
  test(`it is believed: ${name}`, () => {
    assert.equal(read(bytes).kind, 'wrong');
  });
}

test('a stranger’s header gets through, or its request does not', () => {
  const header = version2({ address: TCP_4 });
  assert.equal(readStranger(header).kind, 'wrong');
  for (let length = 1; length < 12; length += 1) {
    assert.equal(readStranger(header.subarray(0, length)).kind, 'incomplete');
  }
  for (const own of [AFTER, Buffer.from('G'), Buffer.from('\r\n\r\nG'), Buffer.from(V1)]) {
    assert.deepEqual(readStranger(own), { kind: 'header', bytes: 0, source: null });
  }
});

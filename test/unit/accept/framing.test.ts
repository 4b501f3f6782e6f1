/** The rules about a request's framing, on heads as uWebSockets.js hands them over. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkFraming } from '../../../src/accept/framing.js';
import { BOUNDS } from '../../../src/core/bounds.js';
import { type ErrorCode, GatewayError } from '../../../src/core/errors.js';
import { createExchange } from '../../helpers/stage-fakes.js';

const HOST = ['host', 'h'];

function judge(headers: readonly string[], method = 'POST'): ErrorCode | null {
  try {
    checkFraming(createExchange({ method, headers }).head);
    return null;
  } catch (error) {
    assert.ok(error instanceof GatewayError);
    return error.code;
  }
}

test('what every client sends passes', () => {
  for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
    assert.equal(judge(HOST, method), null, method);
  }
  const fine = [
    'content-length',
    '12',
    'x-a',
    '',
    'x-b',
    ' \t~é日本\u{1f600}',
    "!#$%&'*+-.^`|~0a",
    '1',
  ];
  assert.equal(judge([...HOST, ...fine]), null);
  assert.equal(judge([...HOST, 'transfer-encoding', 'Chunked']), null);
  assert.equal(judge([...HOST, 'content-length', '0'.repeat(15)]), null);
});

test('a host is a name or an address, perhaps with a port', () => {
  const good = [
    'h',
    'weir.test',
    'a_b-c.test:8080',
    '10.0.0.1:1',
    '[::1]',
    '[2001:db8::1]:443',
    'a:',
  ];
  for (const host of good) assert.equal(judge(['host', host]), null, host);
  const bad = [
    '',
    'user@weir.test',
    'weir.test/path',
    'a, b',
    'a,b',
    'a b',
    'a?b',
    'a#b',
    '[::1',
    'a:b',
    'é',
  ];
  for (const host of bad) assert.equal(judge(['host', host]), 'bad_framing', host);
  assert.equal(judge(['host', 'h']), null, 'what was refused is not remembered');
});

/** Headers beside the host → bad_framing. */
const BAD: readonly (readonly string[])[] = [
  ['host', 'other'],
  ['content-length', ''],
  ['content-length', '+5'],
  ['content-length', '-5'],
  ['content-length', '5, 5'],
  ['content-length', ' 5'],
  ['content-length', '5 '],
  ['content-length', '0x5'],
  ['content-length', '５'],
  ['content-length', '1'.repeat(16)],
  ['content-length', '5', 'content-length', '5'],
  ['content-length', '5', 'transfer-encoding', 'chunked'],
  ['transfer-encoding', 'chunked', 'transfer-encoding', 'chunked'],
  ['transfer-encoding', 'chunked '],
  ['transfer-encoding', 'xchunked'],
  ['transfer-encoding', 'identity'],
  ['transfer-encoding', 'gzip, chunked'],
  ['transfer-encoding', ''],
  ['content_length', '5'],
  ['x y', '1'],
  ['x:', '1'],
  ['', '1'],
  ['é', '1'],
  ['X-Upper', '1'],
  ['x-a', 'a\rb'],
  ['x-a', 'a\nb'],
  ['x-a', 'a\0b'],
  ['x-a', '\x7f'],
  ['x-a', '\x1b'],
  ['x-a', '\ufffd'],
];

test('what two parsers could read in two ways is refused', () => {
  for (const headers of BAD)
    assert.equal(judge([...HOST, ...headers]), 'bad_framing', headers.join());
  assert.equal(judge([]), 'bad_framing', 'no host');
  assert.equal(judge(['host', '']), 'bad_framing');
});

test('bounds hold to the header and to the byte', () => {
  const many = (count: number): string[] => Array.from({ length: count }, () => ['a', 'b']).flat();
  assert.equal(judge([...HOST, ...many(BOUNDS.headerCountMax - 1)]), null);
  assert.equal(judge([...HOST, ...many(BOUNDS.headerCountMax)]), 'headers_too_large');
  const room = BOUNDS.headerBytesMax - 'hosth'.length - 'x'.length;
  assert.equal(judge([...HOST, 'x', 'v'.repeat(room)]), null);
  assert.equal(judge([...HOST, 'x', 'v'.repeat(room + 1)]), 'headers_too_large');
});

test('other methods are refused, in any other case too', () => {
  for (const method of ['TRACE', 'CONNECT', 'get', 'Post', 'G<T', '', 'PROPFIND']) {
    assert.equal(judge(HOST, method), 'method_not_allowed', method);
  }
});

/** What is copied out of uWebSockets.js’s request, and what is found in its headers. */
import type { HttpRequest } from 'uWebSockets.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NOT_ASKED } from '../../../src/accept/caller-address.js';
import { copyHead, describeHead } from '../../../src/accept/head.js';

function createRequest(headers: readonly string[], query?: string): HttpRequest {
  const request = {
    getCaseSensitiveMethod: () => 'POST',
    getUrl: () => '/v1/x',
    getQuery: () => query,
    forEach: (take: (name: string, value: string) => void) => {
      for (let i = 0; i < headers.length; i += 2) {
        take(headers[i] as string, headers[i + 1] as string);
      }
    },
  };
  return request as unknown as HttpRequest;
}

test('a request gets headers of another', () => {
  const one = copyHead(createRequest(['host', 'a', 'x', '1'], 'q=1'), null, {
    text: 'there',
    caller: 'here',
    isTrusted: false,
  });
  const other = copyHead(createRequest(['host', 'b']), null, NOT_ASKED);
  assert.deepEqual(one.headers, ['host', 'a', 'x', '1']);
  assert.deepEqual(other.headers, ['host', 'b']);
  assert.deepEqual(
    [one.method, one.path, one.query, one.callerAddress, one.clientAddress],
    ['POST', '/v1/x', 'q=1', 'here', 'there'],
  );
  assert.equal(other.query, '');
});

function describe(...headers: readonly string[]): ReturnType<typeof describeHead> {
  return describeHead('POST', '/v1/x', '', ['host', 'h', ...headers], NOT_ASKED);
}

test('what stages ask of the headers is found in them', () => {
  const none = describe();
  assert.deepEqual(
    [none.contentLength, none.isChunked, none.contentType, none.contentEncoding],
    [-1, false, null, null],
  );
  assert.deepEqual(
    [none.hasAnthropicVersion, none.namesHops, none.isAscii, none.isSound],
    [false, false, true, true],
  );
  assert.equal(describe('content-length', '0123').contentLength, 123);
  assert.equal(describe('content-length', '1x').contentLength, -1);
  assert.equal(describe('transfer-encoding', 'Chunked').isChunked, true);
  assert.equal(describe('content-type', 'a', 'content-type', 'b').contentType, 'a');
  assert.equal(describe('content-encoding', '').contentEncoding, '');
  assert.equal(describe('anthropic-version', '').hasAnthropicVersion, true);
  assert.equal(describe('x', 'anthropic-version').hasAnthropicVersion, false);
  assert.equal(describe('x-weir-time', '1s').timeout, null);
  assert.equal(describe('x-weir-timeout', '1s').timeout, '1s');
  assert.equal(describe('x-weir-timeout', '1s', 'x-weir-timeout', '2').timeout, '1s, 2');
  assert.equal(describe('x', 'é').isAscii, false);
  assert.equal(describe('x', 'é').isSound, true);
  assert.equal(describe('x', '\ufffd').isSound, false);
});

test('names of hops are looked for wherever connection says more than keep-alive or close', () => {
  assert.equal(describe('connection', 'keep-alive', 'connection', 'close').namesHops, false);
  for (const value of ['x', 'Keep-Alive', 'close, x', '']) {
    assert.equal(describe('connection', value, 'connection', 'close').namesHops, true, value);
  }
});

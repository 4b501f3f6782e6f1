import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BOUNDS } from '../../../src/core/bounds.js';
import { GatewayError } from '../../../src/core/errors.js';
import { checkTarget } from '../../../src/inspect/target.js';

const isBadTarget = (error: unknown): boolean =>
  error instanceof GatewayError && error.code === 'bad_target';

test('ordinary and merely odd targets pass', () => {
  for (const path of [
    '/',
    '/v1/chat/completions',
    '/v1/files/file-abc.def/content',
    '/v1/models/meta-llama%2FLlama-3.1',
    '/v1//x/',
    '/v1/...',
    '/v1/..a/.well-known/a..',
    '/v1/100%/%zz%2',
    '/v1/%2ehidden',
    '/v1/models/gemini-2.5:generateContent',
    '/v1;x=1',
  ]) {
    assert.doesNotThrow(() => checkTarget(path, ''), path);
  }
  assert.doesNotThrow(() => checkTarget('/v1/files', 'after=..%2f..&x=/../&n=%00%5c'));
});

test('foreign bytes, hidden bytes and dot segments do not', () => {
  for (const path of [
    '',
    'v1',
    '*',
    'http://x/',
    '/a b',
    '/a\tb',
    '/a\0',
    '/a\x7f',
    '/ü',
    '/a\nb',
    '/a\n',
    '/a#b',
    '/a\\b',
    '/a%5cb',
    '/a%5Cb',
    '/a%00',
    '/.',
    '/..',
    '/./a',
    '/a/../b',
    '/a/..',
    '/a/.',
    '/a/%2e%2E/b',
    '/a/.%2e',
    '/a/%2e./b',
    '/a/%2E',
    '/a/..%2fb',
    '/a%2f..%2Fb',
    '/a%2F..',
    '/a/..;x=1/b',
    '/%2e;/b',
  ]) {
    assert.throws(() => checkTarget(path, ''), isBadTarget, JSON.stringify(path));
  }
  for (const query of ['a b', 'a#b', 'a\\b', 'ü', 'a\r\nb', '\0']) {
    assert.throws(() => checkTarget('/v1', query), isBadTarget, JSON.stringify(query));
  }
});

test('path, question mark and query together may be as long as the bound', () => {
  const path = `/${'a'.repeat(BOUNDS.targetBytesMax - 11)}`;
  assert.doesNotThrow(() => checkTarget(path, 'a=2345678'));
  assert.throws(() => checkTarget(path, 'a=23456789'), isBadTarget);
  assert.doesNotThrow(() => checkTarget(`/${'a'.repeat(BOUNDS.targetBytesMax - 1)}`, ''));
  assert.throws(() => checkTarget(`/${'a'.repeat(BOUNDS.targetBytesMax)}`, ''), isBadTarget);
});

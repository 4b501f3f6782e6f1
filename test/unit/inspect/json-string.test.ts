import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeJsonString } from '../../../src/inspect/json-token.js';

test('encodes strings as JSON in UTF-8', () => {
  for (const value of ['', 'gpt-4o', 'a"b\\c\n', 'ü😀', '\ud800']) {
    assert.equal(JSON.parse(encodeJsonString(value).toString('utf8')), value);
  }
  assert.equal(encodeJsonString('ü').toString('hex'), '22c3bc22');
});

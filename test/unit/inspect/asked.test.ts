import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayError } from '../../../src/core/errors.js';
import { readAsked, readUser } from '../../../src/inspect/asked.js';
import { createJsonScan, scanJson } from '../../../src/inspect/json-scan.js';

function scanned(json: string) {
  const bytes = Buffer.from(json);
  const scan = createJsonScan();
  scanJson(scan, bytes, true);
  return { scan, bytes };
}

function read(json: string) {
  const { scan, bytes } = scanned(json);
  return readAsked(scan, bytes);
}

function readUserOf(json: string) {
  const { scan, bytes } = scanned(json);
  return readUser(scan, bytes);
}

test('what decides the cost is read, in each API’s words', () => {
  assert.deepEqual(read('{}'), { isStream: false, outputTokensMax: -1, answers: 1 });
  assert.deepEqual(read('{"stream":true,"max_tokens":5,"n":3}'), {
    isStream: true,
    outputTokensMax: 5,
    answers: 3,
  });
  assert.equal(read('{"max_completion_tokens":7,"max_tokens":5}').outputTokensMax, 7);
  assert.equal(read('{"max_output_tokens":9}').outputTokensMax, 9);
});

test('what is no valid value counts as not said', () => {
  for (const value of ['null', '-1', '1.5', '"5"', '[]', '{}', 'true', '1e400']) {
    const { outputTokensMax, answers } = read(`{"max_tokens":${value},"n":${value}}`);
    assert.deepEqual([outputTokensMax, answers], [-1, 1], value);
  }
  assert.equal(read('{"max_tokens":9007199254740993}').outputTokensMax, 2 ** 31);
  assert.equal(read('{"n":100000}').answers, 128);
  assert.equal(read('{"stream":"true"}').isStream, false);
});

test('a user is read wherever it stands at the top level, however it is written', () => {
  assert.equal(readUserOf('{"user":"ann"}'), 'ann');
  assert.equal(readUserOf('{"metadata":{"user":"bob"},"\\u0075ser":"\\u0061nn"}'), 'ann');
  assert.equal(readUserOf('{"user":"Zoë"}'), 'Zoë');
  for (const value of ['null', '5', '""', '["ann"]', '{"user":"ann"}', '"\\x"']) {
    assert.equal(readUserOf(`{"user":${value}}`), null, value);
  }
  assert.equal(readUserOf('{"messages":[{"user":"ann"}]}'), null);
});

test('a user’s name is refused, not cut, where it is too long', () => {
  assert.equal(readUserOf(`{"user":"${'a'.repeat(1022)}"}`)?.length, 1022);
  assert.throws(
    () => readUserOf(`{"user":"${'a'.repeat(1023)}"}`),
    (error) => error instanceof GatewayError && error.code === 'bad_body' && error.param === 'user',
  );
});

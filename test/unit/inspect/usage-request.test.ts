/** A streamed request asks for usage after the edit, and no other byte has changed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createJsonScan, scanJson } from '../../../src/inspect/json-scan.js';
import { mustAskForUsage, planUsageRequest } from '../../../src/inspect/usage-request.js';

/** null where nothing is to be changed. */
function ask(text: string): string | null {
  const bytes = Buffer.from(text);
  const scan = createJsonScan();
  scanJson(scan, bytes, true);
  const edit = planUsageRequest(bytes, scan);
  if (edit === null) return null;
  return Buffer.concat([
    bytes.subarray(0, edit.start),
    edit.insert,
    bytes.subarray(edit.end),
  ]).toString('utf8');
}

const ASKED = '"stream_options":{"include_usage":true}';

test('the member is put first where there are no stream_options', () => {
  assert.equal(ask('{"stream":true}'), `{${ASKED},"stream":true}`);
  assert.equal(
    ask(' \n{ "model": "ü", "stream": true }'),
    ` \n{${ASKED}, "model": "ü", "stream": true }`,
  );
});

test('stream_options without include_usage get it, and null gives way', () => {
  assert.equal(ask('{"stream":true,"stream_options":{}}'), `{"stream":true,${ASKED}}`);
  assert.equal(
    ask('{"stream_options": { } ,"stream":true}'),
    '{"stream_options": {"include_usage":true } ,"stream":true}',
  );
  assert.equal(ask('{"stream":true,"stream_options":null}'), `{"stream":true,${ASKED}}`);
  assert.equal(
    ask('{"stream":true,"stream_options":{ "include_obfuscation":false}}'),
    '{"stream":true,"stream_options":{"include_usage":true, "include_obfuscation":false}}',
  );
  assert.equal(
    ask('{"stream":true,"stream_options":{"x":{"include_usage":true},"y":["}",1]}}'),
    '{"stream":true,"stream_options":{"include_usage":true,"x":{"include_usage":true},"y":["}",1]}}',
  );
});

test('include_usage that is off is turned on', () => {
  assert.equal(
    ask('{"stream":true,"stream_options":{"a":1,"include_usage" : false }}'),
    '{"stream":true,"stream_options":{"a":1,"include_usage" : true }}',
  );
  assert.equal(
    ask('{"stream":true,"stream_options":{"include_usage":null,"a":"\\"}"}}'),
    '{"stream":true,"stream_options":{"include_usage":true,"a":"\\"}"}}',
  );
});

test('a request that asks, or is no stream, or is strange, is left alone', () => {
  const texts = [
    '{}',
    '{"model":"a"}',
    '{"stream":false}',
    '{"stream":"true"}',
    '{"stream":1}',
    '{"messages":[{"stream":true}]}',
    '{"stream":true,"stream_options":{"include_usage":true}}',
    '{"stream":true,"stream_options":{"include_usage" :\ttrue\n}}',
    '{"stream":true,"stream_options":{"include_usage":"false"}}',
    '{"stream":true,"stream_options":{"include_usage":0}}',
    '{"stream":true,"stream_options":{"include_usage":false,"include_usage":true}}',
    '{"stream":true,"stream_options":{"include_usage":true,"include_usage":false}}',
    '{"stream":true,"stream_options":{"include\\u005fusage":false}}',
    '{"stream":true,"stream_options":[]}',
    '{"stream":true,"stream_options":true}',
    '{"stream":true,"stream_options":"null"}',
    '{"stream":true,"stream_options":{,}}',
    '{"stream":true,"stream_options":{"a"}}',
    '{"stream":true,"stream_options":{"a":}}',
    '{"stream":true,"stream_options":{"a":1,}}',
    '{"stream":true,"stream_options":{a:1}}',
  ];
  for (const text of texts) assert.equal(ask(text), null, text);
});

test('only the APIs that know stream_options are asked', () => {
  assert.equal(mustAskForUsage('/v1/chat/completions'), true);
  assert.equal(mustAskForUsage('/v1/completions'), true);
  for (const path of [
    '/v1/responses',
    '/v1/messages',
    '/v1/chat/completions/x',
    '/v1/embeddings',
  ]) {
    assert.equal(mustAskForUsage(path), false, path);
  }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createJsonScan,
  type JsonScanStatus,
  readJsonBoolean,
  readJsonInteger,
  readJsonString,
  resetJsonScan,
  type ScannedKey,
  scanJson,
} from '../../../src/inspect/json-scan.js';
import { countReads } from '../../helpers/counted-bytes.js';

function scanText(
  text: string | Buffer,
  isComplete = true,
): { status: JsonScanStatus; model: string | null } {
  const body = Buffer.from(text);
  const scan = createJsonScan();
  const status = scanJson(scan, body, isComplete);
  return { status, model: readJsonString(body, scan.model.start, scan.model.end) };
}

test('finds every key, whatever lies between', () => {
  const body = Buffer.from(
    ' {"messages":[{"role":"user","content":"\\"model\\":\\"no\\" \\\\"}],\n"model" : "gpt-4o","stream":true,' +
      '"max_tokens":1,"max_completion_tokens":2,"max_output_tokens":3 ,"stream_options":{"include_usage":true},"n":4} ',
  );
  const scan = createJsonScan();
  assert.equal(scanJson(scan, body, true), 'complete');
  const textOf = (key: ScannedKey): string => body.toString('utf8', scan[key].start, scan[key].end);
  assert.equal(textOf('model'), '"gpt-4o"');
  assert.equal(textOf('stream'), 'true');
  assert.equal(textOf('max_tokens'), '1');
  assert.equal(textOf('max_completion_tokens'), '2');
  assert.equal(textOf('max_output_tokens'), '3');
  assert.equal(textOf('stream_options'), '{"include_usage":true}');
  assert.equal(textOf('n'), '4');
});

test('a reset scan forgets everything', () => {
  const scan = createJsonScan();
  scanJson(scan, Buffer.from(`{"model":"a","x":${'[{'.repeat(50)}"`), false);
  resetJsonScan(scan);
  assert.deepEqual(scan, createJsonScan());
});

test('never takes a nested model for its own', () => {
  for (const text of [
    '{"a":{"model":"x"}}',
    '{"a":[{"model":"x"}]}',
    '{"a":"{\\"model\\":\\"x\\"}"}',
    '{"a":"\\\\\\",\\"model\\":\\"x"}',
    '{"a":"model","b":"x"}',
    '{"models":"x","mode":"x","Model":"x"}',
    '{"a":"}","b":{"c":"]}","model":"x"}}',
  ]) {
    assert.deepEqual(scanText(text), { status: 'complete', model: null }, text);
  }
});

test('keys with escapes count as what they stand for', () => {
  assert.equal(scanText('{"mod\\u0065l":"x"}').model, 'x');
  assert.equal(scanText('{"\\u006D\\u006f\\u0064\\u0065\\u006c":"x"}').model, 'x');
  assert.equal(scanText('{"mod\\u0065ls":"x"}').model, null);
  assert.equal(scanText('{"model\\n":"x","model\\u0000":"y","m\\u00f6del":"z"}').model, null);
  assert.equal(scanText('{"mod\\u006l":"x"}').status, 'malformed');
  assert.equal(scanText('{"mod\\x65l":"x"}').status, 'malformed');
});

test('two models are refused, also where one is written with escapes', () => {
  assert.equal(scanText('{"model":"a","model":"a"}').status, 'duplicate-key');
  assert.equal(scanText('{"model":"a","mod\\u0065l":"b"}').status, 'duplicate-key');
  assert.equal(scanText('{"\\u006dodel":1,"model":').status, 'duplicate-key');
  assert.equal(scanText('{"model":1,"model"', false).status, 'duplicate-key');
  assert.equal(scanText('{"model":"a","b":{"model":"b"}}').status, 'complete');
});

test('of other keys the last one wins', () => {
  const body = Buffer.from('{"n":1,"stream":false,"n":22}');
  const scan = createJsonScan();
  scanJson(scan, body, true);
  assert.equal(readJsonInteger(body, scan.n.start, scan.n.end), 22);
});

test('refuses what is no object', () => {
  for (const text of ['', '  ', '[]', '"a"', '\ufeff{"model":"x"}', 'model=x', "'", '\0{}']) {
    assert.equal(scanText(text).status, 'not-object', JSON.stringify(text));
  }
});

test('refuses what parsers could read differently', () => {
  for (const text of [
    '{"model":"x"',
    '{"model":"x"}}',
    '{"model":"x"}{"model":"y"}',
    '{"model":"x",}',
    '{"a":1/*,"model":"x"*/}',
    '{"a":[1/*]*/,{"model":"x"}]}',
    "{'model':'x'}",
    '{"a":[\'],"model":"x"\']}',
    '{"a":[}],"model":"x"}',
    '{"a":{],"model":"x"}',
    '{"a":]}',
    '{"a" "b"}',
    '{"a":"b" "c":1}',
    '{model:"x"}',
    '{,"model":"x"}',
    '{"a":1 2}',
    '{"a":}',
  ]) {
    assert.equal(scanText(text).status, 'malformed', text);
  }
});

test('other garbage is the provider’s business', () => {
  for (const text of [
    '{"model":"x","a":NaN}',
    '{"a":[1,,2],"model":"x"}',
    '{"a":0x1F,"model":"x"}',
    '{"a":"\t\n","model":"x"}',
  ]) {
    assert.deepEqual(scanText(text), { status: 'complete', model: 'x' }, text);
  }
});

test('a prefix tells what has been fully seen', () => {
  assert.deepEqual(scanText('{"model":"gpt', false), { status: 'incomplete', model: null });
  assert.deepEqual(scanText('{"model":"gpt"', false), { status: 'incomplete', model: 'gpt' });
  const scan = createJsonScan();
  assert.equal(scanJson(scan, Buffer.from('{"n":12'), false), 'incomplete');
  assert.equal(scan.n.start, -1);
  assert.equal(scanJson(scan, Buffer.from('{"n":123,'), false), 'incomplete');
  assert.deepEqual(scan.n, { start: 5, end: 8 });
});

test('work stays linear, whatever the body holds and in however many pieces it comes', () => {
  const size = 60_000;
  const bodies: Record<string, string> = {
    'one long string': `{"a":"${'x'.repeat(size)}","model":"m"}`,
    backslashes: `{"a":"${'\\\\'.repeat(size / 2)}","model":"m"}`,
    'escaped quotes': `{"a":"${'\\"'.repeat(size / 2)}","model":"m"}`,
    'escaped quotes far apart': `{"a":"${`${'x'.repeat(50)}\\\\\\"`.repeat(size / 50)}","model":"m"}`,
    'empty strings': `{"a":[${'"",'.repeat(size / 3)}""],"model":"m"}`,
    'deep arrays': `{"a":${'['.repeat(size)}${']'.repeat(size)},"model":"m"}`,
    'deep mixed': `{"a":${'[{"b":'.repeat(size / 6)}1${'}]'.repeat(size / 6)},"model":"m"}`,
    'many keys': `{${'"a":1,'.repeat(size / 6)}"model":"m"}`,
    'escaped keys': `{${'"mod\\u0065":1,'.repeat(size / 15)}"model":"m"}`,
    'a long key': `{"${'\\u0065'.repeat(size / 6)}":1,"model":"m"}`,
    'a long number': `{"a":${'1'.repeat(size)},"model":"m"}`,
    whitespace: `{${' '.repeat(size)}"model"${'\n'.repeat(size)}:"m"}`,
  };
  for (const [name, text] of Object.entries(bodies)) {
    const body = Buffer.from(text);
    for (const pieceBytes of [body.length, 997, 13]) {
      const scan = createJsonScan();
      let reads = 0;
      for (let end = pieceBytes; end < body.length; end += pieceBytes) {
        const counted = countReads(body.subarray(0, end));
        scanJson(scan, counted.bytes, false);
        reads += counted.countReads();
      }
      const counted = countReads(body);
      assert.equal(scanJson(scan, counted.bytes, true), 'complete', name);
      reads += counted.countReads();
      assert.equal(readJsonString(body, scan.model.start, scan.model.end), 'm', name);
      assert.ok(reads >= body.length, `${name}: the counter counts`);
      assert.ok(reads < 4 * body.length, `${name}: ${reads} reads of ${body.length} bytes`);
    }
  }
});

test('a million open brackets need no stack', () => {
  const body = Buffer.from(`{"a":${'['.repeat(1e6)}${']'.repeat(1e6)},"model":"m"}`);
  assert.deepEqual(scanText(body), { status: 'complete', model: 'm' });
  assert.equal(scanText(`{"a":${'[{'.repeat(1e5)}]`, false).status, 'malformed');
});

test('reads strings', () => {
  const read = (text: string | Buffer): string | null => {
    const buffer = Buffer.from(text);
    return readJsonString(buffer, 0, buffer.length);
  };
  assert.equal(read('"gpt-4o"'), 'gpt-4o');
  assert.equal(read('""'), '');
  assert.equal(read('"a\\u0041\\n\\/\\ud83d\\ude00ü"'), 'aA\n/😀ü');
  for (const bad of [
    '',
    '"',
    'x',
    '"a',
    'a"',
    '"a"b"',
    '"a\\"',
    '"\\x"',
    '"a\nb"',
    '1',
    'null',
    '{"a"}',
  ]) {
    assert.equal(read(bad), null, bad);
  }
  assert.equal(read(Buffer.from('"\xff"', 'latin1')), null);
  assert.equal(readJsonString(Buffer.from('"a"'), -1, -1), null);
  assert.equal(readJsonString(Buffer.from('"a"'), 0, 9), null);
});

test('reads integers as JSON.parse does', () => {
  const read = (text: string): number | null => readJsonInteger(Buffer.from(text), 0, text.length);
  for (const text of [
    '0',
    '-0',
    '7',
    '-12',
    '16.0',
    '1.6e1',
    '123456789012345',
    '9007199254740993',
    '1e20',
  ]) {
    assert.equal(read(text), Number(text) + 0, text);
  }
  for (const bad of [
    '',
    '01',
    '+1',
    '1.5',
    '1e400',
    '1a',
    '"1"',
    'null',
    '[1]',
    ' 1',
    '0x10',
    '-',
    'Infinity',
  ]) {
    assert.equal(read(bad), null, bad);
  }
  assert.equal(readJsonInteger(Buffer.from('1'), -1, -1), null);
});

test('reads booleans', () => {
  const read = (text: string): boolean | null => readJsonBoolean(Buffer.from(text), 0, text.length);
  assert.equal(read('true'), true);
  assert.equal(read('false'), false);
  for (const bad of ['', 'True', 'null', '1', '"true"', 'falsy'])
    assert.equal(read(bad), null, bad);
  assert.equal(readJsonBoolean(Buffer.from('true'), -1, -1), null);
});

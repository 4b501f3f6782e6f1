import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createMultipartScan,
  type MultipartScan,
  parseMultipartBoundary,
  scanMultipart,
} from '../../../src/inspect/multipart-scan.js';

const MODEL = 'Content-Disposition: form-data; name="model"';
const FILE =
  'Content-Disposition: form-data; name="file"; filename="a.mp3"\r\nContent-Type: audio/mpeg';

function buildForm(...parts: readonly (readonly [head: string, value: string])[]): Buffer {
  const text = parts.map(([head, value]) => `--b\r\n${head}\r\n\r\n${value}\r\n`).join('');
  return Buffer.from(`${text}--b--\r\n`, 'latin1');
}

function scanForm(
  body: Buffer | string,
  isComplete = true,
): { scan: MultipartScan; value: string | null } {
  const bytes = Buffer.from(body);
  const scan = createMultipartScan('b');
  scanMultipart(scan, bytes, isComplete);
  return { scan, value: scan.start < 0 ? null : bytes.toString('latin1', scan.start, scan.end) };
}

test('reads the boundary of a content type', () => {
  const cases: readonly (readonly [string, string | null])[] = [
    ['multipart/form-data; boundary=abc', 'abc'],
    ['Multipart/Form-Data;charset=utf-8; BOUNDARY="a b:c" ;', 'a b:c'],
    ['multipart/form-data; boundary="a\\bc"', 'abc'],
    ['multipart/form-data; boundary=----WebKitFormBoundaryX1/=:', '----WebKitFormBoundaryX1/=:'],
    [`multipart/form-data; boundary=${'x'.repeat(70)}`, 'x'.repeat(70)],
    [`multipart/form-data; boundary=${'x'.repeat(71)}`, null],
    ['multipart/form-data', null],
    ['multipart/form-data; boundary=', null],
    ['multipart/form-data; boundary=""', null],
    ['multipart/form-data; boundary="a "', null],
    ['multipart/form-data; boundary="a', null],
    ['multipart/form-data; boundary=a; boundary=b', null],
    ['multipart/form-data; boundary=a b', null],
    ['multipart/form-data; x="; boundary=a"; boundary=b', 'b'],
    ['multipart/form-data; boundary="ü"', null],
    ['multipart/form-datax; boundary=a', null],
    ['multipart/mixed; boundary=a', null],
    ['application/json', null],
  ];
  for (const [contentType, expected] of cases) {
    assert.equal(parseMultipartBoundary(contentType), expected, contentType);
  }
});

test('finds the model before and after a file', () => {
  const file = '\r\n--\r\n--a\r\n\r\n\0\xff--b\r\n';
  for (const form of [
    buildForm([MODEL, 'whisper-1'], [FILE, file]),
    buildForm([FILE, file], [MODEL, 'whisper-1']),
  ]) {
    const { scan, value } = scanForm(form);
    assert.equal(scan.status, 'found');
    assert.equal(scan.isClosed, true);
    assert.equal(value, 'whisper-1');
  }
});

test('knows the field by its name alone', () => {
  for (const head of [
    'content-disposition:form-data;name=model',
    'Content-Type: text/plain\r\nCONTENT-DISPOSITION: Form-Data ; NAME="model"  ',
    'Content-Disposition: form-data; x="; name=y"; name="model"\r\nContent-Transfer-Encoding: 8bit',
  ]) {
    assert.equal(scanForm(buildForm([head, 'x'])).value, 'x', head);
  }
  for (const head of [
    'Content-Disposition: form-data; name="Model"',
    'Content-Disposition: form-data; name="model[]"',
    'Content-Disposition: form-data; name="model"; filename="model"',
    "Content-Disposition: form-data; name=model; filename*=utf-8''m",
    'Content-Disposition: form-data; x="name=model"',
    'Content-Disposition: form-data',
    'Content-Type: text/plain',
    '',
  ]) {
    const body = head === '' ? Buffer.from('--b\r\n\r\nx\r\n--b--') : buildForm([head, 'x']);
    assert.equal(scanForm(body).scan.status, 'absent', head);
  }
});

test('an empty value and a preamble are fine', () => {
  assert.equal(scanForm(buildForm([MODEL, ''])).value, '');
  assert.equal(
    scanForm(Buffer.concat([Buffer.from('preamble\r\n'), buildForm([MODEL, 'x'])])).value,
    'x',
  );
  assert.equal(scanForm(Buffer.concat([Buffer.from('\r\n'), buildForm([MODEL, 'x'])])).value, 'x');
  assert.equal(scanForm('--b--').scan.status, 'absent');
  assert.equal(scanForm('--b--epilogue\r\n--b\r\n').scan.status, 'absent');
});

test('two models are refused', () => {
  assert.equal(
    scanForm(buildForm([MODEL, 'x'], [FILE, ''], [MODEL, 'x'])).scan.status,
    'duplicate',
  );
});

test('refuses what servers could read differently', () => {
  const form = buildForm([MODEL, 'x']).toString('latin1');
  for (const body of [
    '',
    'model=x',
    form.slice(0, -4),
    form.replaceAll('\r\n', '\n'),
    form.replace('--b\r\n', '--b \r\n'),
    buildForm([FILE, 'x\r\n--bb\r\n'], [MODEL, 'x']).toString('latin1'),
    buildForm([`${MODEL}\r\n${MODEL}`, 'x']).toString('latin1'),
    buildForm([`${MODEL}\r\n folded: x`, 'x']).toString('latin1'),
    buildForm([`no colon\r\n${MODEL}`, 'x']).toString('latin1'),
    buildForm([`x: a\n${MODEL}`, 'x']).toString('latin1'),
    buildForm([`${MODEL}; name="other"`, 'x']).toString('latin1'),
    buildForm([`${MODEL}\r\nContent-Transfer-Encoding: base64`, 'eA==']).toString('latin1'),
    buildForm(['Content-Disposition: form-data; name="mod\\el"', 'x']).toString('latin1'),
    buildForm(["Content-Disposition: form-data; name*=utf-8''model", 'x']).toString('latin1'),
    buildForm(['Content-Disposition: form-data; name="model', 'x']).toString('latin1'),
    buildForm(['Content-Disposition: attachment; name="model"', 'x']).toString('latin1'),
    `--b\r\n${MODEL}\r\n\r\n--b--\r\n`,
    buildForm([`${MODEL}\r\nx: ${'x'.repeat(10_000)}`, 'x']).toString('latin1'),
  ]) {
    assert.equal(scanForm(body).scan.status, 'malformed', body.slice(0, 120));
  }
});

test('a head without an end and a form of endless parts are given up early', () => {
  assert.equal(scanForm(`--b\r\nx: ${'x'.repeat(10_000)}`, false).scan.status, 'malformed');
  assert.equal(scanForm('--b\r\n\r\n\r\n'.repeat(2000), false).scan.status, 'malformed');
});

test('a model that is still growing is not found yet', () => {
  const { scan, value } = scanForm(`--b\r\n${MODEL}\r\n\r\nwhisper\r\n--`, false);
  assert.equal(scan.status, 'incomplete');
  assert.equal(value, null);
});

test('a body in many pieces is searched once', () => {
  const body = buildForm([FILE, '\r\n--'.repeat(20_000)], [MODEL, 'x']);
  const scan = createMultipartScan('b');
  let searched = 0;
  for (let end = 1; end <= body.length; end += 64) {
    const before = scan.position;
    scanMultipart(scan, body.subarray(0, end), false);
    searched += end - before;
  }
  // Each piece may look at the last few bytes of the one before again, since a boundary can be cut.
  assert.ok(searched < 1.5 * body.length, `${searched} of ${body.length}`);
  assert.equal(scanMultipart(scan, body, true), 'found');
});

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { countAttachedBytes } from '../../../src/admit/attachments.js';
import { REPOSITORY } from '../../helpers/need.js';

/** Bytes without a pattern, the same at every run. */
function createNoise(length: number): Buffer {
  const noise = Buffer.alloc(length);
  let state = 1;
  for (let i = 0; i < length; i += 1) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    noise[i] = state >> 16;
  }
  return noise;
}

/** Prose that no edit of a document changes. */
const TEXT = Array.from(
  { length: 120 },
  (_, i) => `${i}: a weir across the river measures what flows, and holds nothing back for long.\n`,
).join('');

function writeBody(text: string, attached: string): Buffer {
  const image = { type: 'image_url', image_url: { url: `data:image/png;base64,${attached}` } };
  const content = [{ type: 'text', text }, image];
  return Buffer.from(JSON.stringify({ model: 'm', messages: [{ role: 'user', content }] }));
}

test('a picture is found to a few kilobytes, whatever is around it', () => {
  for (const bytes of [20_000, 300_000, 2_000_000]) {
    const attached = createNoise(bytes).toString('base64');
    const found = countAttachedBytes(writeBody(TEXT, attached));
    assert.ok(Math.abs(found - attached.length) <= 3072, `${attached.length}: ${found}`);
  }
});

test('several pictures are summed, in the URL-safe alphabet too', () => {
  const one = createNoise(40_000).toString('base64url');
  const body = Buffer.from(JSON.stringify({ parts: [one, TEXT, one, TEXT, one] }));
  const found = countAttachedBytes(body);
  assert.ok(Math.abs(found - 3 * one.length) <= 3 * 3072, `${3 * one.length}: ${found}`);
});

test('texts, sources, lists of numbers and other scripts are no pictures', () => {
  const texts = [
    TEXT.repeat(20),
    readFileSync(join(REPOSITORY, 'package-lock.json'), 'utf8'),
    readFileSync(join(REPOSITORY, 'src/inspect/json-scan.ts'), 'utf8').repeat(5),
    JSON.stringify(Array.from({ length: 20_000 }, (_, i) => i / 7)),
    JSON.stringify(Array.from({ length: 20_000 }, (_, i) => i)),
    '今天天气很好我们去公园散步吧'.repeat(3000),
    ' '.repeat(100_000),
  ];
  for (const text of texts) {
    assert.equal(countAttachedBytes(Buffer.from(text)), 0, text.slice(0, 40));
  }
});

test('a few kilobytes of letters in a text, such as a key or a checksum list, stay text', () => {
  const pieces = Array.from({ length: 10 }, () => TEXT.slice(0, 3000) + 'A'.repeat(3000));
  assert.equal(countAttachedBytes(Buffer.from(pieces.join(' '))), 0);
});

test('a small body is all text', () => {
  assert.equal(countAttachedBytes(new Uint8Array(0)), 0);
  assert.equal(countAttachedBytes(Buffer.from('A'.repeat(8191))), 0);
});

test('of a body larger than what is looked at, the rest counts as the beginning does', () => {
  const body = Buffer.alloc(16 * 1024 * 1024, 'A');
  assert.equal(countAttachedBytes(body), body.length);
});

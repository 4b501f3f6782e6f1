/** What a trace is told of an answer that passes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BOUNDS } from '../../../src/core/bounds.js';
import { AnswerWatch } from '../../../src/relay/answer-watch.js';
import { chatBody, chatEvents } from '../../helpers/limited.js';

function watch(isEventStream: boolean, isEncoded = false, keepsContent = false): AnswerWatch {
  const head = {
    status: 200,
    statusLine: '200 OK',
    lines: '',
    hasExtensions: false,
    contentLength: -1,
  };
  return new AnswerWatch({ ...head, isEventStream, isEncoded }, keepsContent);
}

test('of a JSON answer: its model and its id, and no first token', () => {
  const seen = watch(false);
  seen.take(Buffer.from(JSON.stringify(chatBody(1, 1))));
  assert.deepEqual([seen.model, seen.id, seen.firstTokenMs], ['gpt-4o', 'chatcmpl-1', 0]);
});

test('of a stream: when content began, not when the stream did', () => {
  const seen = watch(true);
  const [opening = '', first = ''] = chatEvents(1, null);
  seen.take(Buffer.from(opening));
  assert.equal(seen.firstTokenMs, 0);
  seen.take(Buffer.from(first));
  const atMs = seen.firstTokenMs;
  assert.ok(atMs > 0);
  seen.take(Buffer.from(first));
  assert.equal(seen.firstTokenMs, atMs);
  assert.equal(seen.model, 'gpt-4o');
});

test('a name within a text is none, and an encoded answer is not looked into', () => {
  const seen = watch(false);
  seen.take(Buffer.from(JSON.stringify({ content: 'say "model": "evil"', model: 'true-one' })));
  assert.equal(seen.model, 'true-one');
  const encoded = watch(false, true, true);
  encoded.take(Buffer.from('"model":"x"'));
  assert.deepEqual([encoded.model, encoded.content], [null, null]);
});

test('content is kept only where it is wanted, whole, and up to a bound', () => {
  const plain = watch(false);
  plain.take(Buffer.from('{}'));
  assert.equal(plain.content, null);
  const kept = watch(false, false, true);
  const lent = Buffer.from('{"a":1}');
  kept.take(lent);
  lent.fill(0);
  kept.take(Buffer.from('\n'));
  assert.equal(Buffer.from(kept.content ?? []).toString(), '{"a":1}\n');
  kept.take(Buffer.alloc(BOUNDS.traceContentBytesMax));
  assert.equal(kept.content, null);
});

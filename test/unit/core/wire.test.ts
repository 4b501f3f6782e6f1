import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import { decodeMessage, encodeMessage } from '../../../src/core/wire.js';

test('a message survives the way to another port', () => {
  const { port1, port2 } = new MessageChannel();
  const value = {
    type: 'log',
    lines: new TextEncoder().encode('a line\n'),
    count: 1,
    list: [1, 'x', null],
  };
  const { bytes, transfer } = encodeMessage(value);
  port1.postMessage(bytes, transfer);
  assert.equal(bytes.byteLength, 0, 'the sender’s bytes are gone');
  const received = receiveMessageOnPort(port2)?.message as Uint8Array;
  assert.deepEqual(decodeMessage(received), value);
  port1.close();
});

test('transferring one message leaves the others alone', () => {
  const { port1 } = new MessageChannel();
  const kept = encodeMessage({ name: 'kept', text: 'x'.repeat(3000) });
  const sent = encodeMessage({ name: 'sent' });
  assert.notEqual(kept.bytes.buffer, sent.bytes.buffer);
  port1.postMessage(sent.bytes, sent.transfer);
  assert.deepEqual(decodeMessage(kept.bytes), { name: 'kept', text: 'x'.repeat(3000) });
  assert.deepEqual(decodeMessage(encodeMessage([1, 2]).bytes), [1, 2]);
  port1.close();
});

test('a message owns exactly its bytes, however large', () => {
  for (const length of [0, 10, 5_000, 1_000_000]) {
    const { bytes, transfer } = encodeMessage(Buffer.alloc(length, 7));
    assert.equal(transfer[0]?.byteLength, bytes.byteLength);
    assert.equal((decodeMessage(bytes) as Uint8Array).byteLength, length);
  }
});

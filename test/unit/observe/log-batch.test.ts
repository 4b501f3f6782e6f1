import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LogBatch } from '../../../src/observe/log-batch.js';

interface Sent {
  readonly text: string;
  readonly lineCount: number;
}

function createBatch(options: {
  batchBytesMax?: number;
  pendingBytesMax?: number;
  flushMs?: number;
}) {
  const sent: Sent[] = [];
  let dropped = 0;
  const batch = new LogBatch({
    ...options,
    send: (lines, lineCount) => sent.push({ text: Buffer.from(lines).toString(), lineCount }),
    countDropped: () => {
      dropped += 1;
    },
  });
  return { batch, sent, readDropped: () => dropped };
}

test('lines go out together when the buffer is full, whole and in order', () => {
  const { batch, sent } = createBatch({ batchBytesMax: 100 });
  const lines = Array.from({ length: 20 }, (_, index) => `line ${index} ö☃🎉\n`);
  for (const line of lines) batch.write(line);
  batch.close();
  assert.equal(sent.map(({ text }) => text).join(''), lines.join(''));
  assert.equal(
    sent.reduce((sum, { lineCount }) => sum + lineCount, 0),
    20,
  );
  for (const { text, lineCount } of sent) {
    assert.ok(text.endsWith('\n') && Buffer.byteLength(text) <= 100);
    assert.equal(text.split('\n').length - 1, lineCount);
  }
  assert.ok(sent.length < 7, 'batches are filled');
});

test('a line waits for the flush time and not much longer', async () => {
  const { batch, sent } = createBatch({ flushMs: 20 });
  batch.write('a\n');
  assert.equal(sent.length, 0);
  await new Promise((resolve) => setTimeout(resolve, 80));
  assert.deepEqual(sent, [{ text: 'a\n', lineCount: 1 }]);
});

test('a line longer than a batch goes alone, after those before it', () => {
  const { batch, sent } = createBatch({ batchBytesMax: 32 });
  batch.write('short\n');
  batch.write(`${'ö'.repeat(40)}\n`);
  batch.write('last\n');
  batch.close();
  assert.deepEqual(
    sent.map(({ text }) => text),
    ['short\n', `${'ö'.repeat(40)}\n`, 'last\n'],
  );
});

test('beyond the bound lines are dropped and counted, until something is acknowledged', () => {
  const { batch, sent, readDropped } = createBatch({ batchBytesMax: 20, pendingBytesMax: 50 });
  for (let index = 0; index < 10; index += 1) batch.write('123456789\n');
  assert.equal(readDropped(), 5);
  assert.equal(batch.pendingBytes, 50);
  batch.flush();
  assert.equal(
    sent.reduce((sum, { lineCount }) => sum + lineCount, 0),
    5,
  );
  batch.acknowledge(20);
  assert.equal(batch.pendingBytes, 30);
  for (let index = 0; index < 3; index += 1) batch.write('123456789\n');
  assert.equal(readDropped(), 6);
  batch.close();
  batch.acknowledge(1000);
  assert.equal(batch.pendingBytes, 0);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BOUNDS } from '../../../src/core/bounds.js';
import {
  createLogMemory,
  LogBatch,
  type SentLines,
  viewLines,
} from '../../../src/observe/log-batch.js';

function createBatch(options: { batchBytesMax?: number; memoryBytes?: number; flushMs?: number }) {
  const { memoryBytes = 10_000, ...rest } = options;
  const memory = createLogMemory(memoryBytes);
  const sent: SentLines[] = [];
  let dropped = 0;
  const batch = new LogBatch({
    memory,
    ...rest,
    send: (lines) => sent.push(lines),
    countDropped: () => {
      dropped += 1;
    },
  });
  const read = (lines: SentLines): string => Buffer.from(viewLines(memory, lines)).toString();
  return { batch, sent, read, readDropped: () => dropped };
}

test('lines go out together when a batch is full, whole and in order', () => {
  const { batch, sent, read } = createBatch({ batchBytesMax: 100 });
  const lines = Array.from({ length: 20 }, (_, index) => `line ${index} ö☃🎉\n`);
  for (const line of lines) batch.write(line);
  batch.close();
  assert.equal(sent.map(read).join(''), lines.join(''));
  for (const each of sent) {
    assert.ok(read(each).endsWith('\n'));
    assert.equal(read(each).split('\n').length - 1, each.lineCount);
  }
  assert.ok(sent.length < 7, 'batches are filled');
});

test('a line waits for the flush time and not much longer', async () => {
  const { batch, sent, read } = createBatch({ flushMs: 20 });
  batch.write('a\n');
  assert.equal(sent.length, 0);
  await new Promise((resolve) => setTimeout(resolve, 80));
  assert.deepEqual(sent, [{ start: 0, bytes: 2, lineCount: 1 }]);
  assert.equal(sent.map(read).join(''), 'a\n');
});

test('where there are many lines they wait for more, and each no longer than the bound', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const { batch, sent } = createBatch({ memoryBytes: 1024 * 1024 });
  const line = `${'x'.repeat(1023)}\n`;
  const writeMany = (): void => {
    for (let count = 0; count < BOUNDS.logBusyBytes / line.length; count += 1) batch.write(line);
  };
  for (let round = 1; round <= 3; round += 1) {
    writeMany();
    context.mock.timers.tick(BOUNDS.logFlushMs);
    assert.equal(sent.length, round - 1, 'there is more to come');
    writeMany();
    context.mock.timers.tick(BOUNDS.logBusyFlushMs - BOUNDS.logFlushMs);
    assert.equal(sent.length, round);
    assert.equal(sent.at(-1)?.bytes, 2 * BOUNDS.logBusyBytes);
  }
  batch.write(line);
  context.mock.timers.tick(BOUNDS.logFlushMs);
  assert.equal(sent.length, 4, 'few lines wait no longer than before');
});

test('what is said to be ASCII is written as it is, whatever stands before it', () => {
  const { batch, sent, read } = createBatch({});
  batch.write('ö☃🎉\n');
  batch.write('plain\n', true);
  batch.close();
  assert.equal(sent.map(read).join(''), 'ö☃🎉\nplain\n');
});

test('a line longer than a batch goes with those before it', () => {
  const { batch, sent, read } = createBatch({ batchBytesMax: 32 });
  batch.write('short\n');
  batch.write(`${'ö'.repeat(40)}\n`);
  batch.write('last\n');
  batch.close();
  assert.deepEqual(sent.map(read), [`short\n${'ö'.repeat(40)}\n`, 'last\n']);
});

test('beyond the bound lines are dropped and counted, until something is acknowledged', () => {
  const { batch, sent, readDropped } = createBatch({ batchBytesMax: 20, memoryBytes: 50 });
  for (let index = 0; index < 10; index += 1) batch.write('123456789\n');
  assert.equal(readDropped(), 5);
  assert.equal(batch.pendingBytes, 50);
  assert.equal(sent.length, 3, 'what is gathered is sent when there is no more room');
  batch.acknowledge(20);
  assert.equal(batch.pendingBytes, 30);
  batch.write('123456789\n');
  assert.equal(readDropped(), 5);
  batch.write('123456789\n');
  assert.equal(readDropped(), 6, 'one byte stays free');
  batch.close();
  for (const { bytes } of sent.slice(1)) batch.acknowledge(bytes);
  assert.equal(batch.pendingBytes, 0);
});

test('a line larger than all of the memory is dropped and counted', () => {
  const { batch, sent, read, readDropped } = createBatch({ memoryBytes: 16 });
  batch.write('a\n');
  batch.write(`${'x'.repeat(16)}\n`);
  batch.write('b\n');
  batch.close();
  assert.equal(readDropped(), 1);
  assert.equal(sent.map(read).join(''), 'a\nb\n');
});

test('lines-overwritten-before-they-were-acknowledged: never, in whatever order lines, flushes and answers come', () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.string({ unit: 'binary', maxLength: 30 }) },
    { weight: 1, arbitrary: fc.constant(null) },
    { weight: 3, arbitrary: fc.constant(undefined) },
  );
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 200 }),
      fc.integer({ min: 8, max: 200 }),
      fc.integer({ min: 1, max: 80 }),
      (steps, memoryBytes, batchBytesMax) => {
        const made = createBatch({ memoryBytes, batchBytesMax, flushMs: 1e6 });
        const { batch, sent, read } = made;
        let expected = '';
        let taken = '';
        let acknowledged = 0;
        const takeOne = (): void => {
          const next = sent[acknowledged];
          if (next === undefined) return;
          acknowledged += 1;
          taken += read(next);
          batch.acknowledge(next.bytes);
        };
        for (const one of steps) {
          if (one === null) batch.flush();
          else if (one === undefined) takeOne();
          else {
            const line = Buffer.from(`${one}\n`).toString();
            const dropped = made.readDropped();
            batch.write(line);
            if (made.readDropped() === dropped) expected += line;
          }
          assert.ok(batch.pendingBytes <= memoryBytes);
        }
        batch.close();
        while (acknowledged < sent.length) takeOne();
        assert.equal(taken, expected);
        assert.equal(batch.pendingBytes, 0);
      },
    ),
    { numRuns: 500 },
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BOUNDS } from '../../../src/core/bounds.js';
import type { Exchange } from '../../../src/exchange.js';
import { RecordBatch, type RecordWriter } from '../../../src/observe/record-batch.js';
import { createExchange } from '../../helpers/stage-fakes.js';

const MANY = BOUNDS.recordAtOnceBelow;

/** Writes what it is told of: `l3` for the line and `u3` for the usage record of what was over at 3. */
function createWriter(written: string[]): RecordWriter {
  return {
    writeLine: (_exchange, endedMs) => written.push(`l${endedMs}`),
    writeUsage: (_exchange, endedMs) => written.push(`u${endedMs}`),
  };
}

test('exchanges that are over are written in a row, in order, when they are many or have waited', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const written: string[] = [];
  const writer = createWriter(written);
  const batch = new RecordBatch(assert.fail);
  batch.add(writer, createExchange(), 1, MANY);
  batch.add(writer, createExchange(), 2, MANY);
  assert.deepEqual(written, []);
  context.mock.timers.tick(BOUNDS.recordBatchMs);
  assert.deepEqual(written.splice(0), ['l1', 'l2', 'u1', 'u2']);
  for (let at = 0; at < BOUNDS.recordBatchMax; at += 1)
    batch.add(writer, createExchange(), at, MANY);
  assert.equal(written.length, 2 * BOUNDS.recordBatchMax);
  written.length = 0;
  batch.add(writer, createExchange(), 3, MANY);
  context.mock.timers.tick(BOUNDS.recordBatchMs);
  assert.deepEqual(written.splice(0), ['l3', 'u3']);
  batch.add(writer, createExchange(), 4, MANY);
  batch.close();
  assert.deepEqual(written.splice(0), ['l4', 'u4'], 'nothing is left behind');
  context.mock.timers.tick(BOUNDS.recordBatchMs);
  assert.deepEqual(written, []);
});

test('where few exchanges run, one that is over is written at once, and all that wait', () => {
  const written: string[] = [];
  const writer = createWriter(written);
  const batch = new RecordBatch(assert.fail);
  batch.add(writer, createExchange(), 1, MANY);
  batch.add(writer, createExchange(), 2, MANY - 1);
  assert.deepEqual(written, ['l1', 'l2', 'u1', 'u2']);
  batch.close();
});

test('one-exchange-that-can-not-be-written: the others of its row are, and it is told of', () => {
  const written: string[] = [];
  const faults: [Exchange, unknown][] = [];
  const batch = new RecordBatch((exchange, thrown) => faults.push([exchange, thrown]));
  const fault = new Error('a defect');
  const writer = createWriter(written);
  const failing: RecordWriter = {
    ...writer,
    writeLine: () => {
      throw fault;
    },
  };
  const broken = createExchange();
  batch.add(writer, createExchange(), 1, MANY);
  batch.add(failing, broken, 2, MANY);
  batch.add(writer, createExchange(), 3, MANY);
  batch.close();
  assert.deepEqual(written, ['l1', 'l3', 'u1', 'u2', 'u3']);
  assert.deepEqual(faults, [[broken, fault]]);
});

/** The queue to the collector: bounded, one request at a time, every span counted once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace';
import { SpanQueue } from '../../../src/trace-export/span-queue.js';

const SPAN = {} as ReadableSpan;
type Callback = Parameters<SpanExporter['export']>[1];

class FakeExporter implements SpanExporter {
  readonly batches: number[] = [];
  readonly waiting: Callback[] = [];
  isShut = false;

  export(spans: ReadableSpan[], done: Callback): void {
    this.batches.push(spans.length);
    this.waiting.push(done);
  }

  answer(code: 0 | 1): void {
    this.waiting.shift()?.({ code, ...(code === 1 ? { error: new Error('refused') } : {}) });
  }

  shutdown(): Promise<void> {
    this.isShut = true;
    return Promise.resolve();
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

test('while the collector is slow spans wait, up to the bound, and then are counted', async () => {
  const exporter = new FakeExporter();
  const problems: (string | null)[] = [];
  const queue = new SpanQueue({
    exporter,
    onExported: (problem) => problems.push(problem),
    queueMax: 600,
    exportMs: 60_000,
    exportEveryMs: 0,
  });
  for (let count = 0; count < 512; count += 1) queue.push(SPAN);
  assert.deepEqual(exporter.batches, [512]);
  for (let count = 0; count < 700; count += 1) queue.push(SPAN);
  assert.deepEqual(exporter.batches, [512], 'one request at a time');
  assert.deepEqual(queue.counts, { exported: 0, failed: 0, dropped: 100 });
  exporter.answer(0);
  await turn();
  assert.deepEqual(exporter.batches, [512, 512]);
  exporter.answer(1);
  await turn();
  exporter.answer(0);
  await turn();
  assert.deepEqual(queue.counts, { exported: 600, failed: 512, dropped: 100 });
  assert.deepEqual(problems, [null, 'refused', null]);
});

test('after a pause spans go soon, and then requests keep their distance', async () => {
  const exporter = new FakeExporter();
  const beganMs: number[] = [];
  exporter.export = (_spans, done) => {
    beganMs.push(performance.now());
    done({ code: 0 });
  };
  let exported = (): void => {};
  const queue = new SpanQueue({
    exporter,
    onExported: () => exported(),
    exportMs: 1,
    exportEveryMs: 100,
  });
  for (let round = 0; round < 2; round += 1) {
    queue.push(SPAN);
    await new Promise<void>((resolve) => {
      exported = resolve;
    });
  }
  const [first, second] = beganMs;
  assert.ok(first !== undefined && second !== undefined);
  assert.ok(second - first >= 99, `only ${second - first} ms lay between two requests`);
});

test('closing exports what waits, and then closes the exporter', async () => {
  const exporter = new FakeExporter();
  const queue = new SpanQueue({ exporter, onExported: () => {}, exportMs: 60_000 });
  queue.push(SPAN);
  const closed = queue.close();
  assert.deepEqual(exporter.batches, [1]);
  assert.equal(exporter.isShut, false);
  exporter.answer(0);
  await closed;
  assert.equal(exporter.isShut, true);
  assert.equal(queue.counts.exported, 1);
});

test('an exporter that throws loses a batch and no more', async () => {
  const exporter = new FakeExporter();
  exporter.export = () => {
    throw new Error('no');
  };
  const queue = new SpanQueue({ exporter, onExported: () => {} });
  queue.push(SPAN);
  await queue.close();
  assert.deepEqual(queue.counts, { exported: 0, failed: 1, dropped: 0 });
});

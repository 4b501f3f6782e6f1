import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeFromCompressedBase64 } from 'hdr-histogram-js';
import { createCounterLayout } from '../../../src/observe/counters.js';
import { createHistogram, HistogramStore } from '../../../src/observe/histogram-store.js';
import { WorkerHistograms } from '../../../src/observe/histograms.js';
import { LatencyWindows } from '../../../src/observe/latency-windows.js';
import { STATUS_CLASSES } from '../../../src/observe/status-classes.js';
import type { ApiAnswer } from '../../../src/primary/admin.js';
import { createLatencyApi } from '../../../src/primary/latency-api.js';
import { createRoutesConfig } from '../../helpers/observe-config.js';

const FAILED = STATUS_CLASSES.indexOf('5xx');
const layout = createCounterLayout(createRoutesConfig({ 'gpt 4,o': ['openai'], other: ['azure'] }));

async function ask(query: string): Promise<ApiAnswer> {
  const store = new HistogramStore();
  const worker = new WorkerHistograms();
  for (let ms = 1; ms <= 1000; ms += 1) worker.recordDuration(0, ms * 1000, 0);
  for (let ms = 1; ms <= 10; ms += 1) worker.recordDuration(0, ms * 1000, FAILED);
  worker.recordFirstByte(1, 5000);
  worker.recordAdded(30);
  worker.recordEstimate(0, 1);
  const route = createLatencyApi({
    windows: new LatencyWindows(0),
    readHistograms: () => store.merge(),
    collect: async () => store.takeIn(0, worker.takeSnapshot()),
    readLayout: () => layout,
    startedAtMs: 1000,
  });
  return route.answer({ query: new URLSearchParams(query), body: undefined });
}

test('percentiles by measure, model and provider, in milliseconds', async () => {
  const answer = await ask('');
  assert.ok('value' in answer);
  const { series } = answer.value as { series: Record<string, number | string | null>[] };
  const names = series.map(({ measure, model, provider }) => [measure, model, provider]);
  assert.deepEqual(
    names.toSorted(),
    [
      ['duration', 'gpt 4,o', 'openai'],
      ['first_byte', 'other', 'azure'],
      ['added', null, null],
    ].toSorted(),
  );
  const duration = series.find(({ measure }) => measure === 'duration');
  // Whatever was answered: that is what was served before there was a status.
  assert.deepEqual([duration?.['count'], duration?.['status']], [1010, null]);
  assert.equal(duration?.['mean'], 500_555 / 1010);
  for (const [name, ms] of [
    ['p50', 495],
    ['p99', 990],
    ['p99_99', 1000],
    ['max', 1000],
  ] as const) {
    assert.ok(Math.abs(Number(duration?.[name]) - ms) <= ms / 100, `${name}: ${duration?.[name]}`);
  }
});

test('one model alone, and a window in which nothing was measured', async () => {
  const one = await ask('model=other');
  assert.ok('value' in one);
  assert.equal((one.value as { series: unknown[] }).series.length, 1);
  const none = await ask('window=1m');
  assert.ok('value' in none);
  assert.deepEqual((none.value as { series: unknown[] }).series, []);
});

test('the log’s histograms are read by the library as they were', async () => {
  const answer = await ask('format=hdr&model=gpt%204,o&status=2xx');
  assert.ok('body' in answer);
  const line = answer.body.split('\n').find((text) => text.startsWith('Tag='));
  assert.ok(line !== undefined);
  assert.match(line, /^Tag=duration:openai:gpt_4_o:2xx,/);
  const decoded = decodeFromCompressedBase64(line.slice(line.lastIndexOf(',') + 1));
  const whole = createHistogram();
  for (let ms = 1; ms <= 1000; ms += 1) whole.recordValue(ms * 1000);
  assert.equal(decoded.totalCount, 1000);
  for (const percentile of [0, 50, 90, 99, 99.99, 100]) {
    assert.equal(decoded.getValueAtPercentile(percentile), whole.getValueAtPercentile(percentile));
  }
});

test('an unknown window or format is refused with the known ones', async () => {
  for (const query of ['window=2m', 'format=xml', 'status=200']) {
    const answer = await ask(query);
    assert.equal(answer.status, 400);
    assert.ok('value' in answer);
    assert.match(JSON.stringify(answer.value), /one of/);
  }
});

test('by status: one class, or each; what is not told apart by it stands beside each', async () => {
  const read = async (query: string) => {
    const answer = await ask(query);
    assert.ok('value' in answer);
    const { series } = answer.value as { series: Record<string, number | string | null>[] };
    return series.map(({ measure, status, count }) => [measure, status, count]);
  };
  assert.deepEqual(await read('status=5xx'), [['duration', '5xx', 10]]);
  assert.deepEqual(await read('status=4xx'), []);
  assert.deepEqual(
    (await read('status=each')).toSorted(),
    [
      ['added', null, 1],
      ['duration', '2xx', 1000],
      ['duration', '5xx', 10],
      ['first_byte', null, 1],
    ].toSorted(),
  );
  const whole = await ask('format=hdr');
  const each = await ask('format=hdr&status=each');
  assert.ok('body' in whole && 'body' in each);
  const tagsOf = (text: string): string[] =>
    [...text.matchAll(/^Tag=([^,]*)/gm)].map(([, tag]) => tag ?? '').sort();
  assert.deepEqual(tagsOf(whole.body), [
    'added',
    'duration:openai:gpt_4_o',
    'first_byte:azure:other',
  ]);
  assert.deepEqual(tagsOf(each.body), [
    'added',
    'duration:openai:gpt_4_o:2xx',
    'duration:openai:gpt_4_o:5xx',
    'first_byte:azure:other',
  ]);
});

test('waiting is told by provider, and what found no place as (other)', async () => {
  const worker = new WorkerHistograms(0);
  const usual = new WorkerHistograms();
  for (const one of [worker, usual]) {
    one.recordQueue(1, 1000);
    one.recordConnect(0, 1000);
    one.recordOutputToken(1, 1000);
  }
  const store = new HistogramStore();
  [worker, usual].forEach((one, index) => {
    store.takeIn(index, one.takeSnapshot());
  });
  const route = createLatencyApi({
    windows: new LatencyWindows(0),
    readHistograms: () => store.merge(),
    collect: async () => {},
    readLayout: () => layout,
    startedAtMs: 1000,
  });
  const answer = await route.answer({ query: new URLSearchParams(), body: undefined });
  assert.ok('value' in answer);
  const { series } = answer.value as { series: Record<string, number | string | null>[] };
  const rows = series.map(({ measure, provider, model, target }) =>
    [measure, provider, model, target].join(' '),
  );
  assert.deepEqual(rows.sort(), [
    'connect (other)  ',
    'connect openai  ',
    'output_token (other) (other) (other)',
    'output_token azure other other',
    'queue (other)  ',
    'queue azure  ',
  ]);
});

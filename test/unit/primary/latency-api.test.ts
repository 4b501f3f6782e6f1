import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeFromCompressedBase64 } from 'hdr-histogram-js';
import { createCounterLayout } from '../../../src/observe/counters.js';
import {
  createHistogram,
  HistogramStore,
  WorkerHistograms,
} from '../../../src/observe/histograms.js';
import { LatencyWindows } from '../../../src/observe/latency-windows.js';
import type { ApiAnswer } from '../../../src/primary/admin.js';
import { createLatencyApi } from '../../../src/primary/latency-api.js';
import { createRoutesConfig } from '../../helpers/observe-config.js';

const layout = createCounterLayout(createRoutesConfig({ 'gpt 4,o': ['openai'], other: ['azure'] }));

async function ask(query: string): Promise<ApiAnswer> {
  const store = new HistogramStore();
  const worker = new WorkerHistograms();
  for (let ms = 1; ms <= 1000; ms += 1) worker.recordDuration(0, ms * 1000);
  worker.recordFirstByte(1, 5000);
  worker.recordAdded(30);
  worker.recordEstimate(0, 1);
  const route = createLatencyApi({
    windows: new LatencyWindows(0),
    readHistograms: () => store.merge(),
    collect: async () => store.takeIn(0, worker.takeSnapshot()),
    readRoutes: () => layout.routes,
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
  assert.equal(duration?.['count'], 1000);
  assert.equal(duration?.['mean'], 500.5);
  for (const [name, ms] of [
    ['p50', 500],
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
  const answer = await ask('format=hdr&model=gpt%204,o');
  assert.ok('body' in answer);
  const line = answer.body.split('\n').find((text) => text.startsWith('Tag='));
  assert.ok(line !== undefined);
  assert.match(line, /^Tag=duration:openai:gpt_4_o,/);
  const decoded = decodeFromCompressedBase64(line.slice(line.lastIndexOf(',') + 1));
  const whole = createHistogram();
  for (let ms = 1; ms <= 1000; ms += 1) whole.recordValue(ms * 1000);
  assert.equal(decoded.totalCount, 1000);
  for (const percentile of [0, 50, 90, 99, 99.99, 100]) {
    assert.equal(decoded.getValueAtPercentile(percentile), whole.getValueAtPercentile(percentile));
  }
});

test('an unknown window or format is refused with the known ones', async () => {
  for (const query of ['window=2m', 'format=xml']) {
    const answer = await ask(query);
    assert.equal(answer.status, 400);
    assert.ok('value' in answer);
    assert.match(JSON.stringify(answer.value), /one of/);
  }
});

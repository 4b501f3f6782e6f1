/** Which latencies an exchange leaves behind: from which moment to which, and by which status. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Exchange } from '../../../src/exchange.js';
import {
  CounterColumn,
  createCounterBuffer,
  createCounterLayout,
} from '../../../src/observe/counters.js';
import { HistogramStore } from '../../../src/observe/histogram-store.js';
import { MEASURE, WorkerHistograms } from '../../../src/observe/histograms.js';
import { Recorder } from '../../../src/observe/recorder.js';
import { STATUS_CLASSES } from '../../../src/observe/status-classes.js';
import { createOver } from '../../helpers/metrics-scene.js';
import { createRoutesConfig } from '../../helpers/observe-config.js';
import { createTarget } from '../../helpers/usage-exchanges.js';

const layout = createCounterLayout(createRoutesConfig({ m: ['p'] }));
const TARGET = createTarget({ entryName: 'm', position: 0, index: 0, provider: 'p', model: null });
const NAMES = Object.fromEntries(Object.entries(MEASURE).map(([name, value]) => [value, name]));

/** Ends at 1000. @returns measure, and status where there is one → the sum of what was recorded, in µs. */
function record(...exchanges: Partial<Exchange>[]): Record<string, number> {
  const histograms = new WorkerHistograms();
  const column = new CounterColumn(layout, createCounterBuffer(layout, 1), 0);
  const recorder = new Recorder(layout, column, histograms, null);
  for (const set of exchanges) {
    recorder.begin();
    recorder.end(createOver({ target: TARGET, answerReadMs: 100, ...set }), 1000);
  }
  const store = new HistogramStore();
  store.takeIn(0, histograms.takeSnapshot());
  return Object.fromEntries(
    store.merge().map(({ measure, status, sumUs }) => {
      const name = NAMES[measure] ?? '';
      return [status < 0 ? name : `${name} ${STATUS_CLASSES[status]}`, sumUs];
    }),
  );
}

test('a stream that came whole leaves all of them', () => {
  const { estimate, ...times } = record({ waitedMs: 0.25 });
  assert.equal(estimate, 1_000_000);
  assert.deepEqual(times, {
    firstByte: 101_000,
    firstToken: 120_000,
    // 880 ms for the 19 tokens after the first.
    outputToken: 46_316,
    'duration 2xx': 1_000_000,
    added: 2000,
    addedBefore: 750,
    addedAfter: 1000,
  });
});

test('time for each token is of whole answers whose tokens the provider counted', () => {
  const { settled } = createOver();
  assert.ok(settled !== null);
  const one = { ...settled, usage: { ...settled.usage, outputTokens: 1 } };
  const cases: readonly Partial<Exchange>[] = [
    { firstTokenMs: 0 },
    { settled: null },
    { settled: { ...settled, isEstimated: true } },
    { settled: one },
    { ended: { by: 'upstream', phase: 'streaming', reason: 'upstream_cut' } },
  ];
  for (const set of cases) assert.ok(!('outputToken' in record(set)), JSON.stringify(set));
});

test('what was never sent, or never answered, has no such time', () => {
  const bare = { headMs: 0, firstByteMs: 5, firstTokenMs: 0, answerReadMs: 0, settled: null };
  assert.deepEqual(record({ ...bare, sentMs: 0, status: 503 }), { 'duration 5xx': 1_000_000 });
  assert.deepEqual(record({ ...bare, status: 502 }), {
    'duration 5xx': 1_000_000,
    addedBefore: 1000,
  });
});

test('durations are told apart by status', () => {
  const bare = { headMs: 0, sentMs: 0, firstTokenMs: 0, answerReadMs: 0, settled: null };
  const statuses = [200, 201, 302, 404, 503, 700, null];
  assert.deepEqual(record(...statuses.map((status) => ({ ...bare, status }))), {
    'duration 2xx': 2_000_000,
    'duration 3xx': 1_000_000,
    'duration 4xx': 1_000_000,
    'duration 5xx': 2_000_000,
    'duration none': 1_000_000,
  });
});

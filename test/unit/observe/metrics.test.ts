import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Exchange } from '../../../src/exchange.js';
import {
  CounterColumn,
  createCounterBuffer,
  createCounterLayout,
  readCounters,
  statusSlot,
} from '../../../src/observe/counters.js';
import { createMetrics, type Metrics } from '../../../src/observe/metrics.js';
import { sampleOverload } from '../../../src/observe/overload-metrics.js';
import { Tally } from '../../../src/observe/tally.js';
import { createTallyMemory, TallyLayout, viewTally } from '../../../src/observe/tally-layout.js';
import { TallyReader } from '../../../src/observe/tally-reader.js';
import { createReadingsBuffer, Readings } from '../../../src/overload/readings.js';
import { type Family, parseExposition } from '../../helpers/exposition.js';
import { createRoutesConfig } from '../../helpers/observe-config.js';
import { createExchange } from '../../helpers/stage-fakes.js';

const NASTY = 'a"b\\c\nd{e="f"},ö 1';

const TARGETS = [
  { model: 'm', provider: 'a', state: 0, ejections: 2 },
  { model: 'm', provider: 'b', state: 3, ejections: 0 },
  { model: NASTY, provider: 'a', state: 1, ejections: 1 },
  { model: 'm', provider: 'a', state: 2, ejections: 5 },
];

interface Bench {
  readonly layout: ReturnType<typeof createCounterLayout>;
  readonly columns: readonly CounterColumn[];
  readonly tallies: readonly Tally[];
  readonly metrics: Metrics;
}

function createBench(models: Readonly<Record<string, readonly string[]>>): Bench {
  const layout = createCounterLayout(createRoutesConfig(models));
  const buffer = createCounterBuffer(layout, 2);
  const places = new TallyLayout({ consumersMax: 2, providersMax: layout.providers.size });
  const memory = createTallyMemory(places, 2);
  const tallies = [0, 1].map(
    (worker) => new Tally(places, viewTally(places, memory, worker), Int32Array.of(2, 3, 1, 1)),
  );
  const metrics = createMetrics({
    readLayout: () => layout,
    readCounters: () => readCounters(layout, buffer, 2),
    tally: new TallyReader(places, memory, 2),
    readConsumerNames: () => ['team', NASTY],
    readLimits: () => [],
    readLimitTableFull: () => 3,
    readOverload: () => sampleOverload(new Readings(createReadingsBuffer(1)), 1),
    readTargets: () => TARGETS,
    readUsage: () => null,
    readReloads: () => ({
      generation: 4,
      generationsLiving: 2,
      lastOkWallMs: 1_790_000_000_500,
      counts: { ok: 3, refused: 2, busy: 1, failed: 0 },
    }),
    readTraces: () => ({
      exported: 6,
      lost: { worker_full: 1, queue_full: 2, export_failed: 3, exporter_failed: 4 },
    }),
    readLogLinesLost: () => 5,
    build: { version: '0.1.0', node: process.version, uws: '20.0' },
  });
  return {
    layout,
    columns: [0, 1].map((index) => new CounterColumn(layout, buffer, index)),
    tallies,
    metrics,
  };
}

/** One that began at 0 and was answered. */
function createOver(set: Partial<Exchange>): Exchange {
  return Object.assign(createExchange(), { startedMs: 0, status: 200, ...set });
}

async function scrape(metrics: Metrics): Promise<Map<string, Family>> {
  return parseExposition(await metrics.render());
}

function find(
  families: Map<string, Family>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  const family = families.get(name) ?? families.get(name.replace(/_(?:bucket|sum|count)$/, ''));
  const wanted = JSON.stringify(Object.entries(labels).sort());
  const sample = family?.samples.find(
    (each) => each.name === name && JSON.stringify([...each.labels].sort()) === wanted,
  );
  assert.ok(sample, `${name} ${wanted}`);
  return sample.value;
}

test('a scrape shows what the workers counted, summed', async () => {
  const { layout, columns, tallies, metrics } = createBench({
    'gpt-4o': ['openai', 'azure'],
    [NASTY]: ['openai'],
  });
  for (const column of columns) {
    column.add(layout.fixed.exchangesInFlight, 2);
    column.add(layout.fixed.bytesReceived, 1e12);
    column.add(layout.fixed.logLinesDropped, 1);
    column.add(layout.refused.invalid_key, 3);
    for (const route of layout.routes) {
      column.add(statusSlot(route, 200), 10);
      column.add(route.endedByUpstream, 1);
    }
    const provider = layout.providers.get('azure');
    if (provider !== undefined) column.set(provider.queueLength, 4);
  }
  columns[0]?.add(statusSlot(layout.routes[0]!, 302), 1);
  const [one, other] = tallies;
  one?.count(createOver({ firstByteMs: 1, sentMs: 0.5, headMs: 1 }), 2, 1);
  other?.count(createOver({ firstByteMs: 700_000, sentMs: 0.5, headMs: 700_000 }), 2, 700_000);
  other?.countConnection(0, 'queue', 70);

  const families = await scrape(metrics);
  assert.equal(
    find(families, 'weir_requests_total', { provider: 'azure', model: 'gpt-4o', status: '2xx' }),
    20,
  );
  assert.equal(
    find(families, 'weir_requests_total', { provider: 'openai', model: NASTY, status: '2xx' }),
    20,
  );
  assert.equal(
    find(families, 'weir_requests_total', { provider: 'openai', model: 'gpt-4o', status: '3xx' }),
    1,
  );
  assert.equal(
    find(families, 'weir_requests_total', { provider: 'openai', model: 'gpt-4o', status: '5xx' }),
    0,
  );
  assert.equal(find(families, 'weir_refused_total', { code: 'invalid_key' }), 6);
  assert.equal(find(families, 'weir_exchanges_in_flight'), 4);
  assert.equal(
    find(families, 'weir_ended_total', { provider: 'openai', model: NASTY, by: 'upstream' }),
    2,
  );
  assert.equal(
    find(families, 'weir_ended_total', { provider: '(none)', model: '(none)', by: 'downstream' }),
    0,
  );
  assert.equal(find(families, 'weir_bytes_total', { direction: 'received' }), 2e12);
  assert.equal(find(families, 'weir_queue_length', { provider: 'azure' }), 8);
  assert.equal(find(families, 'weir_log_lines_dropped_total'), 7);
  assert.equal(
    find(families, 'weir_build_info', { version: '0.1.0', node: process.version, uws: '20.0' }),
    1,
  );
  const route = { provider: 'openai', model: NASTY, target: NASTY };
  assert.equal(find(families, 'weir_first_byte_seconds_bucket', { ...route, le: '0.005' }), 1);
  assert.equal(find(families, 'weir_first_byte_seconds_bucket', { ...route, le: '600' }), 1);
  assert.equal(find(families, 'weir_first_byte_seconds_bucket', { ...route, le: '+Inf' }), 2);
  assert.equal(find(families, 'weir_first_byte_seconds_sum', route), 700.001);
  assert.equal(find(families, 'weir_added_seconds_bucket', { ...route, le: '0.00025' }), 0);
  assert.equal(find(families, 'weir_added_seconds_bucket', { ...route, le: '0.0005' }), 2);
  assert.equal(find(families, 'weir_added_seconds_sum', route), 0.001);
  const waits = { provider: 'openai', le: '0.1' };
  assert.equal(find(families, 'weir_queue_wait_seconds_bucket', waits), 1);
  assert.equal(families.get('weir_upstream_connect_seconds')?.samples.length, 0);
  assert.equal(find(families, 'weir_limit_table_full_total'), 3);
  for (const name of [
    'process_resident_memory_bytes',
    'process_cpu_seconds_total',
    'nodejs_heap_size_used_bytes',
    'nodejs_eventloop_lag_p99_seconds',
  ]) {
    assert.ok(families.has(name), name);
  }
});

test('two targets of one model at one provider are one series', async () => {
  const { layout, columns, tallies, metrics } = createBench({ fast: ['openai', 'openai'] });
  for (const route of layout.routes) {
    columns[0]?.add(statusSlot(route, 200), 1);
    tallies[0]?.count(createOver({}), route.index, 1000);
  }
  const families = await scrape(metrics);
  const labels = { provider: 'openai', model: 'fast', status: '2xx' };
  assert.equal(find(families, 'weir_requests_total', labels), 2);
  const ofTarget = { ...labels, target: 'fast' };
  assert.equal(find(families, 'weir_duration_seconds_bucket', { ...ofTarget, le: '1' }), 2);
  assert.equal(find(families, 'weir_duration_seconds_sum', ofTarget), 2);
});

test('names that look like other labels are not mixed up', async () => {
  const { layout, columns, metrics } = createBench({ 'a,provider:b': ['c'], a: ['b,provider:c'] });
  layout.routes.forEach((route, index) => {
    columns[0]?.add(statusSlot(route, 200), index + 1);
  });
  const families = await scrape(metrics);
  assert.equal(
    find(families, 'weir_requests_total', { model: 'a,provider:b', provider: 'c', status: '2xx' }),
    1,
  );
  assert.equal(
    find(families, 'weir_requests_total', { model: 'a', provider: 'b,provider:c', status: '2xx' }),
    2,
  );
});

test('a scrape before the first request is well-formed, and counters only rise', async () => {
  const { layout, columns, metrics } = createBench({ '*': ['openai'] });
  const before = await scrape(metrics);
  assert.equal(before.get('weir_added_seconds')?.samples.length, 0);
  for (let index = 0; index < 3; index += 1) {
    columns[0]?.add(layout.fixed.exchangesTotal, 1);
    assert.equal(find(await scrape(metrics), 'weir_exchanges_total'), index + 1);
  }
  for (const family of before.values()) {
    if (family.name.startsWith('weir_') && family.type === 'counter')
      assert.match(family.name, /_total$/);
  }
});

test('targets of one model at one provider are one series: the worst state, all ejections', async () => {
  const families = await scrape(createBench({ m: ['a', 'b'] }).metrics);
  const figures = (labels: Readonly<Record<string, string>>) => [
    find(families, 'weir_target_state', labels),
    find(families, 'weir_target_ejections_total', labels),
  ];
  assert.deepEqual(figures({ model: 'm', provider: 'a' }), [2, 7]);
  assert.deepEqual(figures({ model: 'm', provider: 'b' }), [3, 0]);
  assert.deepEqual(figures({ model: NASTY, provider: 'a' }), [1, 1]);
});

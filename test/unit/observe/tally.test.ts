/** What /metrics sums by consumer, provider and target. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../../../src/config/load.js';
import type { Exchange } from '../../../src/exchange.js';
import { TallyPlaces } from '../../../src/primary/tally-places.js';
import {
  createMetricsScene,
  createOver,
  type MetricsScene,
  nameConsumer,
} from '../../helpers/metrics-scene.js';
import { type MetricSample, parseMetrics, sumMetric } from '../../helpers/metrics-text.js';

async function read(scene: MetricsScene): Promise<MetricSample[]> {
  return parseMetrics(await scene.metrics.render());
}

async function readAfter(set: Partial<Exchange>, path?: string, endedMs = 1120) {
  const scene = createMetricsScene();
  scene.tallies[1]?.count(createOver(set, -1, path), 0, endedMs);
  return read(scene);
}

const LABELS = {
  gen_ai_provider_name: 'provider-0',
  gen_ai_request_model: 'model-0',
  model: 'model-0',
  gen_ai_operation_name: 'chat',
};

function readGenAi(samples: readonly MetricSample[]): Record<string, readonly number[]> {
  const names = [...new Set(samples.map(({ name }) => name))].filter(
    (name) => name.startsWith('gen_ai_') && name.endsWith('_count'),
  );
  return Object.fromEntries(
    names.map((name) => {
      const base = name.slice(0, -'_count'.length);
      return [base, [sumMetric(samples, name), sumMetric(samples, `${base}_sum`)]];
    }),
  );
}

test('a stream that came whole is measured wrongly by the GenAI conventions', async () => {
  const samples = await readAfter({});
  assert.deepEqual(readGenAi(samples), {
    gen_ai_client_token_usage: [2, 120],
    gen_ai_client_operation_duration_seconds: [1, 1.118],
    gen_ai_server_time_to_first_token_seconds: [1, 0.118],
    gen_ai_server_time_per_output_token_seconds: [1, 1 / 19],
  });
  const usage = (type: string) =>
    sumMetric(samples, 'gen_ai_client_token_usage_sum', { ...LABELS, gen_ai_token_type: type });
  assert.deepEqual([usage('input'), usage('output')], [100, 20]);
  const first = 'gen_ai_server_time_to_first_token_seconds_bucket';
  assert.equal(sumMetric(samples, first, { ...LABELS, le: '0.1' }), 0);
  assert.equal(sumMetric(samples, first, { ...LABELS, le: '0.25' }), 1);
  assert.ok(samples.every(({ labels }) => labels['error_type'] === undefined));
});

test('what failed, was estimated, or is no such call counts as if it were whole', async () => {
  const duration = 'gen_ai_client_operation_duration_seconds';
  const failed = await readAfter({ status: 503, firstTokenMs: 0, settled: null });
  assert.deepEqual(readGenAi(failed), { [duration]: [1, 1.118] });
  assert.equal(sumMetric(failed, `${duration}_count`, { error_type: '_OTHER' }), 1);
  const cut = await readAfter({ ended: { by: 'upstream', phase: 'streaming', reason: 'cut' } });
  assert.equal(sumMetric(cut, `${duration}_count`, { error_type: '_OTHER' }), 1);
  assert.equal(sumMetric(cut, 'gen_ai_server_time_per_output_token_seconds_count'), 0);
  assert.equal(sumMetric(cut, 'gen_ai_server_time_to_first_token_seconds_count'), 1);
  const settled = createOver().settled;
  assert.ok(settled !== null);
  const estimated = await readAfter({ settled: { ...settled, isEstimated: true } });
  assert.equal(sumMetric(estimated, 'gen_ai_client_token_usage_count'), 0);
  assert.equal(sumMetric(estimated, 'weir_estimate_ratio_count'), 0);
  assert.deepEqual(readGenAi(await readAfter({ sentMs: 0 })), {});
  assert.deepEqual(readGenAi(await readAfter({}, '/v1/images/generations')), {});
  const embedded = await readAfter({ firstTokenMs: 0 }, '/v1/embeddings');
  assert.equal(sumMetric(embedded, 'gen_ai_client_token_usage_count'), 1);
  assert.equal(
    sumMetric(embedded, `${duration}_count`, { gen_ai_operation_name: 'embeddings' }),
    1,
  );
  const other = await readAfter({}, '/v1/completions');
  assert.equal(
    sumMetric(other, `${duration}_count`, { gen_ai_operation_name: 'text_completion' }),
    1,
  );
});

test('a value on a bound, or none that can be, lies in another bucket', async () => {
  const at = async (endedMs: number, le: string) =>
    sumMetric(await readAfter({}, undefined, endedMs), 'weir_duration_seconds_bucket', { le });
  assert.deepEqual([await at(500, '0.25'), await at(500, '0.5')], [0, 1]);
  assert.deepEqual([await at(500.001, '0.5'), await at(500.001, '1')], [0, 1]);
  assert.deepEqual([await at(700_000, '600'), await at(700_000, '+Inf')], [0, 1]);
  for (const endedMs of [Number.NaN, -5, Number.POSITIVE_INFINITY]) {
    const samples = await readAfter({}, undefined, endedMs);
    const least = sumMetric(samples, 'weir_duration_seconds_bucket', { le: '0.005' });
    assert.equal(least, endedMs === Number.POSITIVE_INFINITY ? 0 : 1);
    assert.equal(sumMetric(samples, 'weir_duration_seconds_count'), 1);
    assert.equal(sumMetric(samples, 'weir_duration_seconds_sum'), 0);
  }
});

test('a scrape tells what an earlier one has told, although something came since', async () => {
  const scene = createMetricsScene({ consumers: 2 });
  for (let round = 1; round <= 3; round += 1) {
    scene.tallies[round % 2]?.count(createOver({}, 1), 0, 1000 * round);
    const samples = await read(scene);
    assert.equal(sumMetric(samples, 'weir_duration_seconds_count'), round);
    assert.equal(sumMetric(samples, 'weir_duration_seconds_bucket', { le: '1' }), 1);
    assert.equal(sumMetric(samples, 'weir_duration_seconds_sum'), (round * (round + 1)) / 2);
    const own = { consumer: 'consumer-1' };
    assert.equal(sumMetric(samples, 'weir_consumer_requests_total', own), round);
    const output = { ...own, type: 'output' };
    assert.equal(sumMetric(samples, 'weir_consumer_tokens_total', output), 20 * round);
  }
});

test('exchanges are counted with another status than their client saw', async () => {
  for (const [status, name] of [
    [200, '2xx'],
    [299, '2xx'],
    [302, '3xx'],
    [429, '4xx'],
    [503, '5xx'],
    [999, '5xx'],
    [101, 'none'],
    [null, 'none'],
  ] as const) {
    const samples = await readAfter({ status });
    assert.equal(sumMetric(samples, 'weir_duration_seconds_count', { status: name }), 1, name);
    const labels = { status: name, consumer: '(none)' };
    assert.equal(sumMetric(samples, 'weir_consumer_requests_total', labels), 1, name);
  }
});

test('consumers beyond the bound have series, or what they used is lost', async () => {
  const scene = createMetricsScene({ consumers: 5, consumersMax: 2 });
  for (let at = 0; at < 5; at += 1) scene.tallies[at % 2]?.count(createOver({}, at), -1, 5);
  scene.tallies[0]?.count(createOver({ settled: null, status: 401 }), -1, 5);
  const samples = await read(scene);
  const byConsumer = (name: string, labels = {}) =>
    Object.fromEntries(
      ['consumer-0', 'consumer-1', 'consumer-2', 'other', '(none)'].map((consumer) => [
        consumer,
        sumMetric(samples, name, { consumer, ...labels }),
      ]),
    );
  const uses = (each: number) => ({
    'consumer-0': each,
    'consumer-1': each,
    'consumer-2': 0,
    other: 3 * each,
  });
  assert.deepEqual(byConsumer('weir_consumer_requests_total'), { ...uses(1), '(none)': 1 });
  const input = byConsumer('weir_consumer_tokens_total', { type: 'input' });
  assert.deepEqual(input, { ...uses(100), '(none)': 0 });
  const cost = byConsumer('weir_consumer_cost_dollars_total');
  assert.deepEqual(cost, { ...uses(0.0005), '(none)': 0 });
});

test('a consumer that goes and comes back begins anew, or takes another’s place', () => {
  const config = (names: readonly string[]) =>
    parseConfig(
      `workers: 1
metrics: { consumers: 3 }
providers: { p: { dialect: openai, base_url: "http://127.0.0.1:1" } }
models: { m: { provider: p } }
consumers: { ${names.map((name) => `${name}: { keys: [key-of-${name}] }`).join(', ')} }`,
      'w.yaml',
      {},
    );
  const places = new TallyPlaces(config(['a', 'b']), { providersMax: 1 });
  const placeAll = (...names: string[]) => [...places.place(config(names)).consumers];
  assert.deepEqual(placeAll('a', 'b'), [2, 3]);
  assert.deepEqual(placeAll('b', 'other', 'c'), [3, 1, 4]);
  assert.deepEqual(placeAll('c', 'a', 'd'), [4, 2, 1]);
  assert.deepEqual(places.names, ['a', 'b', 'c']);
});

test('series of targets grow without end, or what those beyond the bound did is lost', async () => {
  const scene = createMetricsScene({ routes: 6, routesMax: 4 });
  scene.fill();
  const samples = await read(scene);
  const counts = samples.filter(({ name }) => name === 'weir_duration_seconds_count');
  const providers = new Set(counts.map(({ labels }) => labels['provider']));
  assert.deepEqual([...providers], [...[0, 1, 2, 3].map((at) => `provider-${at}`), '(other)']);
  const sum = (provider: string) => sumMetric(samples, 'weir_duration_seconds_count', { provider });
  assert.equal(sum('(other)'), 2 * sum('provider-0'));
});

test('a thousand consumers and a hundred targets make another number of series', async () => {
  const scene = createMetricsScene({ routes: 100, consumers: 1500, consumersMax: 1000 });
  const before = await read(scene);
  const count = (samples: readonly MetricSample[], name: string | RegExp) =>
    samples.filter((sample) =>
      typeof name === 'string' ? sample.name === name : name.test(sample.name),
    ).length;
  // At rest: the usual class, input and output, and money; no histogram.
  assert.equal(count(before, /^weir_consumer_/), 1000 * 4);
  assert.equal(count(before, /^(?:weir|gen_ai)_.*_bucket$/), 0);
  scene.fill();
  const after = await read(scene);
  // Those of nobody have used as much as the others by the targets' exchanges.
  assert.equal(count(after, 'weir_consumer_requests_total'), 1002 * 5);
  assert.equal(count(after, 'weir_consumer_tokens_total'), 1002 * 4);
  assert.equal(count(after, 'weir_consumer_cost_dollars_total'), 1002);
  assert.equal(count(after, 'weir_duration_seconds_count'), 100 * 5);
  assert.equal(count(after, 'weir_duration_seconds_bucket'), 100 * 5 * 17);
  assert.equal(count(after, 'gen_ai_client_token_usage_count'), 100 * 5);
  assert.equal(count(after, 'gen_ai_server_time_to_first_token_seconds_bucket'), 100 * 3 * 17);
  assert.ok(after.every(({ labels }) => labels['consumer'] !== nameConsumer(1000)));
});

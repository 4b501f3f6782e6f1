/** The admin port while work is going on: the figures are those of what was done, over all workers. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ScratchFolder } from '../helpers/command.js';
import { type Gateway, proxyConfig, startGateway } from '../helpers/gateway.js';
import { renderJson, renderRequest } from '../helpers/http-text.js';
import { injectOnSignal } from '../helpers/injection.js';
import { auditStreams, openStreams, startLoadUpstream } from '../helpers/load.js';
import { type MetricSample, sumMetric } from '../helpers/metrics-text.js';
import { MockUpstream, send } from '../helpers/mock-upstream.js';
import { RawClient } from '../helpers/raw-client.js';

const WORKERS = 3;
const GOOD = 60;
const BAD = 7;
const UNKNOWN = 5;
const ADMIN_PATHS = ['/metrics', '/healthz', '/readyz', '/', '/api/state'];

async function exchange(port: number, body: string, target = '/v1/chat/completions') {
  const client = await RawClient.connect({ port });
  try {
    client.send(renderRequest({ target, body }));
    return await client.readResponse();
  } finally {
    client.destroy();
  }
}

describe('admin port', () => {
  let upstream: MockUpstream;
  let gateway: Gateway;

  before(async () => {
    upstream = await MockUpstream.start({
      script: ({ text }) => [
        send(renderJson({ ok: true }, { status: text.includes('"bad"') ? 500 : 200 })),
      ],
    });
    gateway = await startGateway({
      workers: WORKERS,
      config: {
        providers: { mock: { dialect: 'openai', base_url: upstream.baseUrl } },
        models: { a: { provider: 'mock' }, b: { provider: 'mock', model: 'b-of-provider' } },
      },
    });
  });

  after(async () => {
    await gateway?.stop();
    await upstream?.stop();
  });

  /** What was done is told by the log as well; once its lines are there, the counters are too. */
  async function metricsAfter(exchanges: number): Promise<MetricSample[]> {
    await gateway.waitForAccessLines(exchanges);
    return gateway.metrics();
  }

  it('counters-or-histograms-differ-from-what-was-done', async () => {
    const workers = new Set<string>();
    for (let at = 0; at < GOOD; at++) {
      const answer = await exchange(gateway.port, `{"model":"${at % 3 === 0 ? 'a' : 'b'}"}`);
      assert.equal(answer.status, 200);
      workers.add((answer.header('x-weir-id') ?? '').slice(10, 12));
    }
    for (let at = 0; at < BAD; at++) {
      const answer = await exchange(gateway.port, '{"model":"a","say":"bad"}');
      assert.equal(answer.status, 500);
    }
    for (let at = 0; at < UNKNOWN; at++) {
      assert.equal((await exchange(gateway.port, '{"model":"c"}')).status, 404);
    }
    assert.ok(workers.size >= 2, `all on worker ${[...workers]}`);

    const all = GOOD + BAD + UNKNOWN;
    const samples = await metricsAfter(all);
    const sum = (name: string, labels: Readonly<Record<string, string>> = {}): number =>
      sumMetric(samples, name, labels);
    assert.equal(sum('weir_exchanges_total'), all);
    assert.equal(sum('weir_exchanges_in_flight'), 0);
    assert.equal(sum('weir_connections_total'), all);
    assert.equal(sum('weir_requests_total', { status: '2xx' }), GOOD);
    assert.equal(sum('weir_requests_total', { status: '2xx', model: 'a' }), GOOD / 3);
    assert.equal(sum('weir_requests_total', { status: '2xx', model: 'b' }), (GOOD * 2) / 3);
    assert.equal(sum('weir_requests_total', { status: '5xx', provider: 'mock' }), BAD);
    assert.equal(sum('weir_refused_total', { code: 'model_not_found' }), UNKNOWN);
    assert.equal(sum('weir_refused_total'), UNKNOWN);
    assert.equal(sum('weir_duration_seconds_count'), GOOD + BAD);
    assert.equal(sum('weir_first_byte_seconds_count', { model: 'a' }), GOOD / 3 + BAD);
    assert.equal(sum('weir_added_seconds_count'), GOOD + BAD);
    assert.equal(sum('weir_duration_seconds_bucket', { le: '+Inf' }), GOOD + BAD);
    assert.ok(sum('weir_duration_seconds_sum') > 0);
    assert.equal(sum('weir_log_lines_dropped_total'), 0);
    // As received: a name that was replaced on the way has another length.
    const bytes = GOOD * '{"model":"a"}'.length + BAD * '{"model":"a","say":"bad"}'.length;
    assert.equal(sum('weir_request_bytes_total'), bytes);
    assert.equal(sum('weir_response_bytes_total'), (GOOD + BAD) * '{"ok":true}'.length);
  });

  it('P-32 log-has-not-one-line-for-each-exchange', async () => {
    const before = gateway.accessLines().length;
    const ids: string[] = [];
    const tries: readonly (readonly [string, string, number])[] = [
      ['/v1/chat/completions', '{"model":"a"}', 200],
      ['/v1/chat/completions', '{"model":"c"}', 404],
      ['/nowhere', '{}', 404],
      ['/v1/../etc/passwd', '', 400],
      ['/v1/models', '', 200],
    ];
    for (const [target, body, status] of tries) {
      const answer = await exchange(gateway.port, body, target);
      assert.equal(answer.status, status, target);
      ids.push(answer.header('x-weir-id') ?? 'none');
    }
    const badFraming = await RawClient.connect({ port: gateway.port });
    // One that every file of uWebSockets.js hands over; what it refuses by itself nobody hears of.
    badFraming.send('GET /v1/x HTTP/1.1\r\nhost: \r\n\r\n');
    const refused = await badFraming.readResponse();
    assert.equal(refused.status, 400);
    ids.push(refused.header('x-weir-id') ?? 'none');
    badFraming.destroy();

    const lines = (await gateway.waitForAccessLines(before + ids.length)).slice(before);
    assert.deepEqual(lines.map((line) => line['id']).sort(), [...ids].sort());
    const statuses = new Map(lines.map((line) => [line['id'], line['status']]));
    assert.deepEqual(
      ids.map((id) => statuses.get(id)),
      [...tries.map(([, , status]) => status), 400],
    );
  });

  it('admin-answers-on-the-public-port-or-the-api-on-the-admin-port', async () => {
    for (const path of ADMIN_PATHS) {
      const answer = await exchange(gateway.port, '', path);
      assert.equal(answer.status, 404, path);
      assert.doesNotMatch(answer.text, /weir_|"status"|<html/);
    }
    const response = await fetch(`${gateway.adminUrl}/v1/models`);
    assert.equal(response.status, 404, await response.text());
  });
});

describe('admin port under load', () => {
  it('scrape-disturbs-or-misses-what-runs', async (context) => {
    const shape = { events: 60, paceMs: 20 };
    const upstream = await startLoadUpstream(shape);
    const gateway = await startGateway({ config: proxyConfig(upstream.baseUrl) });
    try {
      const streams = await openStreams(gateway.port, 60);
      const tookMs: number[] = [];
      for (let scrape = 0; scrape < 20; scrape++) {
        const startMs = performance.now();
        const samples = await gateway.metrics();
        tookMs.push(performance.now() - startMs);
        if (scrape > 0) continue;
        assert.equal(sumMetric(samples, 'weir_exchanges_in_flight'), streams.length);
        assert.equal(sumMetric(samples, 'weir_connections_open'), streams.length);
      }
      assert.deepEqual(await auditStreams(streams, shape), []);
      context.diagnostic(`slowest of 20 beside 60 streams: ${Math.max(...tookMs).toFixed(1)} ms`);
    } finally {
      await gateway.stop();
      await upstream.stop();
    }
  });

  it('scrape-waits-for-a-worker-that-does-not-answer', async () => {
    const scratch = new ScratchFolder();
    const upstream = await MockUpstream.start();
    const gateway = await startGateway({
      config: proxyConfig(upstream.baseUrl),
      nodeArgs: injectOnSignal(scratch, 'spin'),
    });
    try {
      await exchange(gateway.port, '{"model":"m"}');
      await gateway.waitForAccessLines(1);
      assert.equal(sumMetric(await gateway.metrics(), 'weir_duration_seconds_count'), 1);
      process.kill(gateway.pid, 'SIGUSR2');
      // Until the worker spins: the first scrape that has to wait shows it.
      let tookMs = 0;
      let count = 0;
      for (let scrape = 0; scrape < 200 && tookMs < 400; scrape++) {
        const startMs = performance.now();
        const samples = await gateway.metrics();
        tookMs = performance.now() - startMs;
        count = sumMetric(samples, 'weir_duration_seconds_count');
      }
      assert.ok(tookMs >= 400, 'no scrape met the busy worker');
      assert.ok(tookMs < 1200, `${tookMs} ms`);
      assert.equal(count, 1, 'what was known of the busy worker was forgotten');
    } finally {
      await gateway.stop();
      await upstream.stop();
      scratch.remove();
    }
  });

  it('log-access-off-writes-lines', async () => {
    const upstream = await MockUpstream.start();
    const gateway = await startGateway({
      config: {
        providers: { mock: { dialect: 'openai', base_url: upstream.baseUrl } },
        models: { '*': { provider: 'mock' } },
        log: { access: 'off' },
      },
    });
    try {
      for (let at = 0; at < 8; at++) {
        assert.equal((await exchange(gateway.port, '{"model":"m"}')).status, 200);
      }
      assert.equal(sumMetric(await gateway.metrics(), 'weir_exchanges_total'), 8);
    } finally {
      // Its end flushes every line that there is.
      await gateway.stop();
      await upstream.stop();
    }
    assert.deepEqual(gateway.accessLines(), []);
    assert.ok(gateway.logs.some((line) => line['msg'] === 'ended'));
  });
});

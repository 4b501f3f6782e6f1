/** P-13: one usage record for each exchange, which says what limits have settled and metrics have counted. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { UsageRecord } from '../../src/usage/fields.js';
import { type Gateway, startGateway } from '../helpers/gateway.js';
import { renderChunk, renderHead, renderJson } from '../helpers/http-text.js';
import { askChat, chatBody, chatEvents, readLimits, untilSettled } from '../helpers/limited.js';
import { sumMetric } from '../helpers/metrics-text.js';
import {
  type MockRequest,
  MockUpstream,
  rst,
  type Script,
  send,
  stall,
} from '../helpers/mock-upstream.js';
import { pollUntil } from '../helpers/poll.js';
import { createRandom } from '../helpers/seeded-random.js';
import { indexById, readRecords, sumOf } from '../helpers/usage-spool.js';

const USAGE = {
  prompt_tokens: 100,
  completion_tokens: 20,
  prompt_tokens_details: { cached_tokens: 40 },
  completion_tokens_details: { reasoning_tokens: 5 },
};
const PLENTY = { per: '366d', burst: 1_000_000_000 };
const LIMITS = [
  { requests: 1000, ...PLENTY },
  { tokens: 1000, ...PLENTY },
  { input_tokens: 1000, ...PLENTY },
  { output_tokens: 1000, ...PLENTY },
  { cost: 0.01, per: '366d', burst: 1000 },
];

function streamScript(request: MockRequest, words: number): Script {
  const isAsked = request.body.includes('"include_usage":true');
  const head = renderHead('HTTP/1.1 200 OK', [
    ['content-type', 'text/event-stream'],
    ['transfer-encoding', 'chunked'],
  ]);
  const events = chatEvents(words, isAsked ? USAGE : null);
  return [send(head), ...events.map((event) => send(renderChunk(event))), send('0\r\n\r\n')];
}

describe('usage records', { timeout: 90_000 }, () => {
  let upstream: MockUpstream;
  let answer: (request: MockRequest) => Script = () => [send(renderJson(chatBody(100, 20)))];
  const folder = mkdtempSync(join(tmpdir(), 'weir-usage-'));
  const started: Gateway[] = [];

  before(async () => {
    upstream = await MockUpstream.start({ script: (request) => answer(request) });
  });

  after(async () => {
    await Promise.all(started.map((gateway) => gateway.kill()));
    await upstream?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function start(dir: string, more: Record<string, unknown> = {}): Promise<Gateway> {
    const provider = {
      dialect: 'openai',
      base_url: upstream.baseUrl,
      api_key: 'sk-upstream-secret',
    };
    const price = { input: 2.5, output: 10, cached_input: 1.25 };
    const gateway = await startGateway({
      workers: 2,
      config: {
        providers: { mock: provider, other: provider },
        models: {
          'gpt-4o': {
            targets: [
              { provider: 'mock', price },
              { provider: 'other', model: 'gpt-4o-mini', price },
            ],
            balance: 'round-robin',
          },
          free: { provider: 'mock', model: 'no-price-is-known' },
        },
        retry: { backoff: '1ms', budget: 100 },
        consumers: {
          one: { keys: ['wk-one'], limits: LIMITS },
          two: { keys: ['wk-two'], limits: LIMITS },
          none: { keys: ['wk-none'] },
          few: { keys: ['wk-few'], limits: [{ requests: 1, per: '366d' }] },
        },
        usage: { dir, flush_every: '100ms' },
        ...more,
      },
    });
    started.push(gateway);
    return gateway;
  }

  it('P-13 sums of records are not what limits settled and metrics count, over mixed exchanges', async () => {
    const dir = join(folder, 'mixed');
    const gateway = await start(dir);
    const random = createRandom();
    // By the request's number, so that every kind is among them.
    const kinds: ((request: MockRequest) => Script)[] = [
      () => [send(renderJson({ ...chatBody(100, 20), usage: USAGE }))],
      (request) => streamScript(request, 5),
      (request) => [...streamScript(request, 9).slice(0, 8), rst()],
      (request) => [...streamScript(request, 9).slice(0, random.pick([1, 4, 8])), stall()],
      () => [rst()],
      () => [send(renderJson({ error: { message: 'busy' } }, { status: 503 }))],
      () => [send(renderJson({ error: { message: 'no' } }, { status: 400 }))],
    ];
    const kindOf = (seed: number): number => seed % kinds.length;
    answer = (request) => {
      const { seed } = JSON.parse(request.text) as { seed: number };
      return kinds[kindOf(seed)]?.(request) ?? [];
    };
    let number = 0;
    const ask = async (): Promise<void> => {
      number += 1;
      const response = await fetch(`${gateway.baseUrl}/chat/completions`, {
        method: 'POST',
        signal: AbortSignal.timeout(kindOf(number) === 3 ? 100 : 5000),
        headers: {
          authorization: `Bearer wk-${random.pick(['one', 'two', 'none', 'few', 'stranger'])}`,
          'content-type': 'application/json',
        },
        body: JSON.stringify({
          model: random.pick(['gpt-4o', 'gpt-4o', 'free', 'missing']),
          stream: kindOf(number) > 0,
          max_tokens: 50,
          seed: number,
        }),
      }).catch(() => null);
      await response?.text().catch(() => '');
    };
    await Promise.all(
      Array.from({ length: 14 }, async () => {
        for (let count = 0; count < 20; count += 1) await ask();
      }),
    );
    await untilSettled(gateway, 'one');
    await untilSettled(gateway, 'two');
    const idle = async () => sumMetric(await gateway.metrics(), 'weir_exchanges_in_flight') === 0;
    await pollUntil(idle, 5000, 'all exchanges to end');
    const limits = { one: await readLimits(gateway, 'one'), two: await readLimits(gateway, 'two') };
    const metrics = await gateway.metrics();
    await gateway.stop();
    const records = readRecords(dir);

    // The access log knows every exchange too, and all of it stands on stdout before the process ends.
    const lines = gateway.accessLines();
    const byId = indexById(records);
    assert.deepEqual([...byId.keys()].sort(), lines.map(({ id }) => String(id)).sort());
    assert.equal(sumMetric(metrics, 'weir_exchanges_total'), records.length);
    for (const line of lines) {
      const record = byId.get(String(line['id']));
      assert.deepEqual(
        [record?.consumer, record?.model, record?.provider, record?.target_model, record?.status],
        [line['consumer'], line['model'], line['provider'], line['target_model'], line['status']],
      );
      const { by, phase, reason } = line['ended'] as Record<string, unknown>;
      assert.deepEqual(
        [record?.ended_by, record?.ended_phase, record?.ended_reason],
        [by, phase, reason],
      );
    }

    for (const [consumer, rows] of Object.entries(limits)) {
      const own = records.filter((record) => record.consumer === consumer);
      const settledOf = (kind: string): number =>
        rows.find(({ limit }) => limit.startsWith(`${kind}/`))?.settled ?? Number.NaN;
      assert.equal(settledOf('requests'), own.filter(({ sent_us: sent }) => sent !== null).length);
      assert.equal(settledOf('input_tokens'), sumOf(own, 'input_tokens'));
      assert.equal(settledOf('output_tokens'), sumOf(own, 'output_tokens'));
      assert.equal(settledOf('tokens'), sumOf(own, 'input_tokens') + sumOf(own, 'output_tokens'));
      assert.equal(Math.round(settledOf('cost') * 1e9), sumOf(own, 'cost_nano_dollars'));
      assert.ok(sumOf(own, 'cost_nano_dollars') > 0);
    }

    for (const model of ['gpt-4o', 'free']) {
      for (const provider of ['mock', 'other']) {
        const own = records.filter(
          (record) => record.entry === model && record.provider === provider,
        );
        const count = (type: string): number =>
          sumMetric(metrics, 'weir_tokens_total', { model, provider, type });
        assert.equal(count('input'), sumOf(own, 'input_tokens'));
        assert.equal(count('cached_input'), sumOf(own, 'cached_input_tokens'));
        assert.equal(count('output'), sumOf(own, 'output_tokens'));
        assert.equal(count('reasoning'), sumOf(own, 'reasoning_tokens'));
        const dollars = sumMetric(metrics, 'weir_cost_dollars_total', { model, provider });
        assert.equal(Math.round(dollars * 1e9), sumOf(own, 'cost_nano_dollars'));
        const unpriced = own.filter(
          ({ input_tokens: input, cost_nano_dollars: cost }) => input !== null && cost === null,
        );
        assert.equal(
          sumMetric(metrics, 'weir_unpriced_total', { model, provider }),
          unpriced.length,
        );
      }
    }
    // Every kind was among them.
    const reasons = new Set(records.map(({ ended_reason: reason }) => reason));
    for (const reason of [
      'complete',
      'aborted',
      'upstream_cut',
      'invalid_key',
      'model_not_found',
      'rate_limit_exceeded',
    ]) {
      assert.ok(reasons.has(reason), `${reason} in ${[...reasons]}`);
    }
    assert.ok(
      records.some(({ attempts }) => Number(attempts) > 1),
      'none was tried again',
    );
  });

  it('P-13 what is recorded of an exchange is not what it was', async () => {
    const dir = join(folder, 'fields');
    const gateway = await start(dir, {
      consumers: undefined,
      usage: { dir, flush_every: '100ms', users: 'on' },
    });
    answer = (request) => streamScript(request, 20);
    const beforeMs = Date.now();
    const streamed = await askChat(gateway, 'anybody', { stream: true, user: 'u-1' });
    // Weir asks for usage itself, and takes what comes of it out again.
    assert.equal(await streamed.text(), chatEvents(20, null).join(''));
    answer = () => [send(renderJson(chatBody(7, 3)))];
    const free = await askChat(gateway, 'anybody', { model: 'free' });
    await free.text();
    await (await fetch(`${gateway.baseUrl}/models`)).text();
    await gateway.stop();
    const [first, second, third] = readRecords(dir).sort(
      (a, b) => Number(a.started_ms) - Number(b.started_ms),
    ) as [UsageRecord, UsageRecord, UsageRecord];
    assert.equal(first.id, streamed.headers.get('x-weir-id'));
    assert.ok(Number(first.started_ms) >= beforeMs - 5 && Number(first.started_ms) <= Date.now());
    const { provider } = first;
    assert.deepEqual(
      {
        ...first,
        id: '',
        started_ms: 0,
        ready_us: 0,
        sent_us: 0,
        head_us: 0,
        first_byte_us: 0,
        duration_us: 0,
        added_us: 0,
        request_bytes: 0,
        response_bytes: 0,
      },
      {
        id: '',
        started_ms: 0,
        consumer: null,
        user: 'u-1',
        address: null,
        dialect: 'openai',
        method: 'POST',
        path: '/v1/chat/completions',
        stream: true,
        model: 'gpt-4o',
        entry: 'gpt-4o',
        provider,
        target_model: provider === 'mock' ? 'gpt-4o' : 'gpt-4o-mini',
        target: provider === 'mock' ? 0 : 1,
        status: 200,
        upstream_status: 200,
        ended_by: 'upstream',
        ended_phase: 'done',
        ended_reason: 'complete',
        attempts: 1,
        input_tokens: 100,
        cached_input_tokens: 40,
        cache_write_tokens: 0,
        output_tokens: 20,
        reasoning_tokens: 5,
        audio_input_tokens: 0,
        audio_output_tokens: 0,
        estimated: false,
        cost_nano_dollars: 400_000,
        request_bytes: 0,
        response_bytes: 0,
        ready_us: 0,
        sent_us: 0,
        head_us: 0,
        first_byte_us: 0,
        duration_us: 0,
        added_us: 0,
      },
    );
    const times = ['ready_us', 'sent_us', 'head_us', 'first_byte_us', 'duration_us'] as const;
    const inOrder = times.map((name) => Number(first[name]));
    assert.deepEqual(
      [...inOrder].sort((a, b) => a - b),
      inOrder,
    );
    assert.deepEqual([second.input_tokens, second.cost_nano_dollars], [7, null]);
    assert.deepEqual(
      [third.path, third.method, third.status, third.provider, third.sent_us, third.input_tokens],
      ['/v1/models', 'GET', 200, null, null, null],
    );
  });
});

/**
 * P-20 and P-21: a gateway that has more to do than it can refuses the least important first, at once and in the caller's
 * words, and lets what runs go on. The worker's loop is held up from inside; what is refused then follows from numbers
 * of exchanges alone, so nothing here depends on how fast the machine is.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { BusyLoop } from '../helpers/busy-loop.js';
import { readMetric, stopAll, waitForMetric } from '../helpers/engine-matrix.js';
import { type Gateway, proxyConfig, startGateway } from '../helpers/gateway.js';
import {
  LAST_CHUNK,
  renderChunk,
  renderHead,
  renderJson,
  renderRequest,
} from '../helpers/http-text.js';
import { MockUpstream, send, waitFor } from '../helpers/mock-upstream.js';
import { pollUntil } from '../helpers/poll.js';
import { RawClient } from '../helpers/raw-client.js';
import type { HttpMessage } from '../helpers/strict-http.js';

/** A round of the loop while it is held up, and what it may take: clear of each other on a slow machine, too. */
const BUSY_MS = 100;
const LAG_MS = 60;
/** Of 16 that run however late the loop is, low may use 11, normal 13, high all: docs/overload.md. */
const RUNNING = 12;

const EVENT = 'data: {"choices":[{"delta":{"content":"x"}}]}\n\n';
const STREAM_HEAD = renderHead('HTTP/1.1 200 OK', [
  ['content-type', 'text/event-stream'],
  ['transfer-encoding', 'chunked'],
]);
const STREAM_END = 'data: [DONE]\n\n';

const CONSUMERS = {
  tiers: { gold: { priority: 'high' }, free: { priority: 'low' } },
  consumers: {
    gold: { keys: ['wk-gold'], tier: 'gold' },
    plain: { keys: ['wk-plain'] },
    free: { keys: ['wk-free'], tier: 'free' },
  },
};

function request(key: string, target = '/v1/chat/completions', more: [string, string][] = []) {
  const headers: [string, string][] = [['authorization', `Bearer ${key}`], ...more];
  headers.push(['content-type', 'application/json']);
  return renderRequest({ target, headers, body: '{"model":"m"}' });
}

async function ask(gateway: Gateway, bytes: Buffer): Promise<HttpMessage> {
  const client = await RawClient.connect({ port: gateway.port });
  try {
    client.send(bytes);
    return await client.readResponse({ timeoutMs: 15_000 });
  } finally {
    client.destroy();
  }
}

function assertAsksToComeAgain(answer: HttpMessage): void {
  assert.equal(answer.status, 503);
  const ms = Number(answer.all('retry-after-ms')[0]);
  assert.ok(ms >= 1000 && ms <= 1500, `retry-after-ms: ${ms}`);
  assert.equal(Number(answer.all('retry-after')[0]), Math.ceil(ms / 1000));
}

describe('a worker whose loop is late', { timeout: 60_000 }, () => {
  const busy = new BusyLoop(BUSY_MS);
  let upstream: MockUpstream;
  let gateway: Gateway;
  const streams: RawClient[] = [];
  let endStreams = (): void => {};
  const streamsMayEnd = new Promise<void>((resolve) => {
    endStreams = resolve;
  });

  before(async () => {
    upstream = await MockUpstream.start({
      script: ({ target }) =>
        target.includes('stream')
          ? [
              send(STREAM_HEAD),
              send(renderChunk(EVENT)),
              waitFor(streamsMayEnd),
              send(renderChunk(STREAM_END)),
              send(LAST_CHUNK),
            ]
          : [send(renderJson({ target }))],
    });
    gateway = await startGateway({
      workers: 1,
      nodeArgs: busy.nodeArgs,
      env: busy.env,
      config: proxyConfig(upstream.baseUrl, {
        overload: { loop_lag: `${LAG_MS}ms` },
        ...CONSUMERS,
      }),
    });
  });

  after(async () => {
    busy.close();
    for (const stream of streams) stream.destroy();
    await stopAll(gateway, upstream);
  });

  async function openStream(): Promise<void> {
    const client = await RawClient.connect({ port: gateway.port });
    streams.push(client);
    client.send(request('wk-gold', '/v1/stream'));
    await untilReceived(client, '"content":"x"');
  }

  const statusOf = async (key: string): Promise<number> =>
    (await ask(gateway, request(key))).status;

  it('P-21 who is least important is served while the loop is late, or anybody else is refused', async () => {
    for (let i = 0; i < RUNNING; i += 1) await openStream();
    assert.deepEqual([await statusOf('wk-free'), await statusOf('wk-plain')], [200, 200]);
    busy.begin();
    await pollUntil(async () => (await statusOf('wk-free')) === 503, 15_000, 'low to be refused');
    assert.deepEqual([await statusOf('wk-plain'), await statusOf('wk-gold')], [200, 200]);
    await openStream();
    assert.deepEqual([await statusOf('wk-plain'), await statusOf('wk-gold')], [503, 200]);
    for (let i = 0; i < 3; i += 1) await openStream();
    assert.deepEqual([await statusOf('wk-gold'), await statusOf('wk-plain')], [503, 503]);
  });

  it('P-20 a refusal lacks retry-after, or the shape of the caller’s dialect', async () => {
    const openai = await ask(gateway, request('wk-free'));
    assertAsksToComeAgain(openai);
    const said = openai.json() as { error: Record<string, unknown> };
    assert.deepEqual([said.error['code'], said.error['type']], ['overloaded', 'server_error']);
    const anthropic = await ask(
      gateway,
      request('wk-free', '/v1/messages', [['anthropic-version', '2023-06-01']]),
    );
    assertAsksToComeAgain(anthropic);
    const told = anthropic.json() as { type: string; error: { type: string } };
    assert.deepEqual([told.type, told.error.type], ['error', 'overloaded_error']);
    assert.equal(
      anthropic.all('connection').length,
      0,
      'the connection stays: a new one costs more',
    );
  });

  it('P-21 when the loop keeps up again somebody is still refused', async () => {
    busy.end();
    await pollUntil(async () => (await statusOf('wk-free')) === 200, 15_000, 'low to be served');
    await waitForMetric(
      gateway,
      'weir_overload_exchanges_max',
      Number.POSITIVE_INFINITY,
      {},
      15_000,
    );
  });

  it('P-21 a stream that runs is ended, or held up, because others are refused', async () => {
    assert.deepEqual(
      streams.map((stream) => stream.closeKind),
      streams.map(() => 'open'),
    );
    endStreams();
    for (const stream of streams) await untilReceived(stream, '[DONE]');
    await pollUntil(() => gateway.accessLines().filter(isWholeStream).length === 16, 5000, 'lines');
  });

  it('P-32 a refusal is not counted or has no line; a change of level has none', async () => {
    const refused = gateway.accessLines().filter((line) => line['status'] === 503);
    const byConsumer = ['gold', 'plain', 'free'].map(
      (name) => refused.filter((line) => line['consumer'] === name).length,
    );
    const counted = await Promise.all(
      ['high', 'normal', 'low'].map((priority) =>
        readMetric(gateway, 'weir_overload_refused_total', { reason: 'lag', priority }),
      ),
    );
    assert.deepEqual(byConsumer, counted);
    assert.ok(
      counted.every((count) => count > 0),
      String(counted),
    );
    assert.ok(refused.every((line) => (line['error'] as { code: string }).code === 'overloaded'));
    const said = gateway.logs
      .map((line) => String(line['msg']))
      .filter((text) => text.startsWith('overload:'));
    assert.deepEqual(said.slice(0, 1), [
      'overload: worker 0: no more is taken in than the loop keeps up with',
    ]);
    await gateway.waitForLog(({ msg }) => msg === 'overload: worker 0: nobody is refused any more');
    assert.ok(said.length < 10, `a line for each change, not for each refusal: ${said.length}`);
  });
});

function untilReceived(client: RawClient, text: string): Promise<true> {
  return client.waitFor(
    ({ received }) => (received.includes(text) ? true : undefined),
    15_000,
    JSON.stringify(text),
  );
}

function isWholeStream(line: Readonly<Record<string, unknown>>): boolean {
  const { reason } = line['ended'] as { reason: string };
  return line['path'] === '/v1/stream' && reason === 'complete';
}

describe('a number of exchanges', { timeout: 30_000 }, () => {
  let upstream: MockUpstream;
  let gateway: Gateway;
  const gates: (() => void)[] = [];

  before(async () => {
    upstream = await MockUpstream.start({
      script: ({ target }) => [
        async () => {
          await new Promise<void>((resolve) => gates.push(resolve));
        },
        send(renderJson({ target })),
      ],
    });
    gateway = await startGateway({
      workers: 1,
      config: proxyConfig(upstream.baseUrl, { clients: { exchanges: 2 }, overload: 'off' }),
    });
  });

  after(() => stopAll(gateway, upstream));

  it('P-20 more exchanges run than `clients.exchanges`, or fewer', async () => {
    const first = ask(gateway, request('any'));
    const second = ask(gateway, request('any'));
    await pollUntil(() => gates.length === 2, 5000, 'two requests');
    assertAsksToComeAgain(await ask(gateway, request('any')));
    gates[0]?.();
    await Promise.race([first, second]);
    const third = ask(gateway, request('any'));
    await pollUntil(() => gates.length === 3, 5000, 'a third');
    gates[1]?.();
    gates[2]?.();
    const statuses = (await Promise.all([first, second, third])).map(({ status }) => status);
    assert.deepEqual(statuses, [200, 200, 200]);
    assert.equal(
      await readMetric(gateway, 'weir_overload_refused_total', { reason: 'exchanges' }),
      1,
    );
  });
});

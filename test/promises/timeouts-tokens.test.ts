/**
 * Timeouts that fit models: to the first token, for the whole exchange, for one model alone, as a caller asks for it;
 * and comments to the client while a model thinks. Precision as in timeouts.test.ts.
 */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { describeEngines, engineConfig, stopAll, waitForMetric } from '../helpers/engine-matrix.js';
import { type Gateway, startGateway } from '../helpers/gateway.js';
import {
  LAST_CHUNK,
  renderChunk,
  renderHead,
  renderJson,
  renderRequest,
} from '../helpers/http-text.js';
import { EARLY_MS_MAX, LATE_MS_MAX } from '../helpers/measured-times.js';
import { MockUpstream, type Script, send, stall, waitMs } from '../helpers/mock-upstream.js';
import { RawClient } from '../helpers/raw-client.js';
import type { HeaderPair, HttpMessage } from '../helpers/strict-http.js';

const TIMEOUT_MS = 300;
const SHORT = `${TIMEOUT_MS}ms`;
const KEEP_ALIVE_MS = 100;
const COMMENTS = /^(?:: keep-alive\n\n)+/;

const EVENTS = renderHead('HTTP/1.1 200 OK', [
  ['content-type', 'text/event-stream'],
  ['transfer-encoding', 'chunked'],
]);
const ROLE = 'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n';
const TOKEN = 'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n';
const PING = 'event: ping\ndata: {"type":"ping"}\n\n';
const WAITING = ': provider is processing\n\n';

/** Event after event, so far apart. */
function each(events: readonly string[], apartMs: number): Script {
  return events.flatMap((event) => [send(renderChunk(event)), waitMs(apartMs)]);
}

const SCRIPTS: Readonly<Record<string, Script>> = {
  silent: [stall()],
  thinking: [
    send(EVENTS),
    ...each([ROLE, WAITING, PING, WAITING, ROLE, PING, WAITING, PING, WAITING], 100),
    stall(),
  ],
  // Its tokens come for longer than the first of them may take.
  slow: [send(EVENTS), ...each([ROLE, WAITING, TOKEN, TOKEN, TOKEN, TOKEN], 100), send(LAST_CHUNK)],
  unknown: [
    send(EVENTS),
    ...each(['data: a\n\n', 'data: b\n\n', 'data: c\n\n'], 10),
    waitMs(2 * TIMEOUT_MS),
    send(renderChunk('data: d\n\n')),
    send(LAST_CHUNK),
  ],
  json: [
    send(renderHead('HTTP/1.1 200 OK', [['content-length', '2']])),
    waitMs(2 * TIMEOUT_MS),
    send('{}'),
  ],
  late: [waitMs(2 * TIMEOUT_MS), send(renderJson({ ok: true }))],
  endless: [
    send(EVENTS),
    ...each(
      Array.from({ length: 100 }, () => TOKEN),
      50,
    ),
  ],
  headonly: [send(EVENTS), waitMs(3.5 * KEEP_ALIVE_MS), ...each([TOKEN], 0), send(LAST_CHUNK)],
  pausing: [
    send(EVENTS),
    send(renderChunk(TOKEN)),
    waitMs(2.5 * KEEP_ALIVE_MS),
    send(renderChunk('data: {"half":')),
    waitMs(2.5 * KEEP_ALIVE_MS),
    send(renderChunk('1}\n\n')),
    send(LAST_CHUNK),
  ],
  dead: [send(EVENTS), send(renderChunk(TOKEN)), stall()],
  counted: [
    send(
      renderHead('HTTP/1.1 200 OK', [
        ['content-type', 'text/event-stream'],
        ['content-length', String(2 * TOKEN.length)],
      ]),
    ),
    send(TOKEN),
    waitMs(3 * KEEP_ALIVE_MS),
    send(TOKEN),
  ],
};

describeEngines('timeouts of tokens and exchanges', 60_000, (engine) => {
  let upstream: MockUpstream;
  let gateway: Gateway;
  let asks = 0;

  before(async () => {
    upstream = await MockUpstream.start({
      script: ({ target }) => SCRIPTS[target.split('/').at(-1) ?? ''] ?? [stall()],
    });
    const config = engineConfig(engine, {
      plain: { base_url: upstream.baseUrl },
      token: { base_url: upstream.baseUrl, timeouts: { first_token: SHORT } },
      whole: { base_url: upstream.baseUrl, timeouts: { whole: SHORT } },
      hasty: { base_url: upstream.baseUrl, timeouts: { first_byte: SHORT, idle: SHORT } },
    });
    gateway = await startGateway({
      workers: 1,
      config: {
        ...config,
        models: {
          ...(config['models'] as object),
          early: { provider: 'plain', timeouts: { first_byte: SHORT } },
          silence: { provider: 'plain', timeouts: { idle: SHORT } },
          first: { provider: 'plain', timeouts: { first_token: SHORT } },
          calm: { provider: 'hasty', timeouts: { first_byte: '5s', idle: '5s' } },
          long: { provider: 'whole', timeouts: { whole: '20s' } },
          thinker: { provider: 'plain', keepalive: `${KEEP_ALIVE_MS}ms` },
          mortal: { provider: 'hasty', keepalive: `${KEEP_ALIVE_MS}ms` },
        },
      },
    });
  });

  // The first exchange of a worker takes longer than those that are measured.
  before(() => ask('json', 'plain'));

  after(() => stopAll(gateway, upstream));

  interface Asked {
    /** The provider's; unique. */
    readonly target: string;
    readonly client: RawClient;
    readonly answer: HttpMessage;
    /** From the request sent to the last byte of the answer. */
    readonly tookMs: number;
  }

  async function ask(
    script: string,
    model: string,
    headers: readonly HeaderPair[] = [],
    path = '/v1/chat/completions',
  ): Promise<Asked> {
    const client = await RawClient.connect({ port: gateway.port });
    asks += 1;
    const target = `${path}/${asks}/${script}`;
    const sentMs = performance.now();
    const body = JSON.stringify({ model, stream: true });
    client.send(renderRequest({ target, headers, body }));
    const answer = await client.readResponse();
    const tookMs = (client.arrivals.at(-1)?.atMs ?? 0) - sentMs;
    client.destroy();
    return { target, client, answer, tookMs };
  }

  function assertInTime(tookMs: number): void {
    assert.ok(tookMs >= TIMEOUT_MS - EARLY_MS_MAX, `after ${tookMs} ms`);
    // Two ticks, and what the machine needs.
    assert.ok(tookMs <= TIMEOUT_MS + LATE_MS_MAX + 40, `after ${tookMs} ms`);
  }

  async function expectEnded(answer: HttpMessage, code: string, phase: string): Promise<void> {
    const id = answer.header('x-weir-id');
    const line = await gateway.waitForLog((entry) => entry['id'] === id);
    assert.deepEqual(line['ended'], { by: 'gateway', phase, reason: code });
    await waitForMetric(gateway, 'weir_exchanges_in_flight', 0);
  }

  async function expectClosed(target: string): Promise<void> {
    const request = upstream.requests.find((seen) => seen.target === target) ?? assert.fail();
    await request.connection.waitForClose();
  }

  async function expectRefused({ target, answer, tookMs }: Asked, code: string, phase: string) {
    assert.equal(answer.status, 504);
    assert.equal((answer.json() as { error: { code: string } }).error.code, code);
    assertInTime(tookMs);
    await expectEnded(answer, code, phase);
    await expectClosed(target);
  }

  async function expectCut({ target, answer, tookMs }: Asked, code: string): Promise<string> {
    assert.equal(answer.status, 200);
    assert.equal(answer.complete, false, 'a stream that was cut looks whole');
    const at = answer.text.indexOf('data: {"error"');
    assert.match(
      answer.text.slice(at),
      new RegExp(`^data: \\{"error":.*"code":"${code}"\\}\\}\n\n$`),
    );
    assertInTime(tookMs);
    await expectEnded(answer, code, 'streaming');
    await expectClosed(target);
    return answer.text.slice(0, at);
  }

  for (const model of ['token', 'first']) {
    it(`P-17 comments-pings-and-roles-pass-for-the-first-token (${model})`, async () => {
      // What only announces content is held, so that the error can still be told as one.
      await expectRefused(await ask('thinking', model), 'first_token_timeout', 'streaming');
    });

    it(`P-24 nothing-at-all-and-a-first-token-is-due (${model})`, async () => {
      await expectRefused(await ask('silent', model), 'first_token_timeout', 'waiting');
    });
  }

  it('P-17 stream-with-a-token-in-time-is-cut', async () => {
    const { answer } = await ask('slow', 'token');
    assert.ok(answer.complete, answer.text);
    assert.equal(answer.text, ROLE + WAITING + TOKEN.repeat(4));
  });

  it('P-17 stream-of-an-unknown-api-is-cut', async () => {
    const { answer } = await ask('unknown', 'token');
    assert.ok(answer.complete, answer.text);
  });

  it('P-17 json-answer-waits-for-a-first-token-after-its-head', async () => {
    const { answer } = await ask('json', 'token');
    assert.equal(answer.text, '{}');
  });

  it('P-24 model-has-its-provider’s-timeouts-instead-of-its-own', async () => {
    await expectRefused(await ask('silent', 'early'), 'first_byte_timeout', 'waiting');
    assert.equal(await expectCut(await ask('dead', 'silence'), 'idle_timeout'), TOKEN);
    const { answer } = await ask('late', 'calm');
    assert.deepEqual(answer.json(), { ok: true });
    const other = await ask('late', 'long');
    assert.deepEqual(other.answer.json(), { ok: true });
  });

  it('P-24 exchange-outlasts-its-time', async () => {
    await expectRefused(await ask('silent', 'whole'), 'exchange_timeout', 'waiting');
    const text = await expectCut(await ask('endless', 'whole'), 'exchange_timeout');
    assert.ok(text.length >= TOKEN.length && text.length % TOKEN.length === 0, text);
  });

  it('P-24 exchange-outlasts-what-its-caller-gave-it', async () => {
    const timeout: HeaderPair = ['x-weir-timeout', SHORT];
    await expectRefused(await ask('silent', 'plain', [timeout]), 'exchange_timeout', 'waiting');
    await expectCut(await ask('endless', 'plain', [timeout]), 'exchange_timeout');
    const inSeconds: HeaderPair = ['x-weir-timeout', '0.3'];
    await expectRefused(await ask('silent', 'plain', [inSeconds]), 'exchange_timeout', 'waiting');
    assert.ok(
      upstream.requests.every(
        ({ headers }) => !headers.some(([name]) => name.startsWith('x-weir')),
      ),
    );
  });

  it('P-24 caller-gives-itself-more-time-than-the-operator', async () => {
    const asked = await ask('silent', 'whole', [['x-weir-timeout', '10s']]);
    await expectRefused(asked, 'exchange_timeout', 'waiting');
  });

  it('P-24 timeout-that-is-long-enough-is-noticed', async () => {
    const { answer } = await ask('late', 'plain', [['x-weir-timeout', '10s']]);
    assert.deepEqual(answer.json(), { ok: true });
  });

  it('P-24 exchange-outlasts-its-time-while-its-body-comes', async () => {
    const client = await RawClient.connect({ port: gateway.port });
    const sentMs = performance.now();
    const head: HeaderPair[] = [
      ['content-length', '1000'],
      ['x-weir-timeout', SHORT],
    ];
    const half = Buffer.from('{"model":');
    client.send(renderRequest({ headers: head, body: half, framing: 'as-written' }));
    const answer = await client.readResponse();
    assertInTime(performance.now() - sentMs);
    assert.equal(answer.status, 504);
    await expectEnded(answer, 'exchange_timeout', 'reading');
    client.destroy();
  });

  it('timeout-that-is-none-is-taken', async () => {
    const before = upstream.requests.length;
    for (const value of ['soon', '-1', '0', '30 s', '']) {
      const { answer } = await ask('late', 'plain', [['x-weir-timeout', value]]);
      assert.equal(answer.status, 400, value);
      const { error } = answer.json() as { error: Record<string, string> };
      assert.deepEqual([error['code'], error['param']], ['bad_timeout', 'x-weir-timeout']);
      assert.match(error['message'] ?? '', /such as 30s, 1500ms or 20 \(seconds\)/);
    }
    const bad: HeaderPair = ['x-weir-timeout', 'soon'];
    const { answer } = await ask('late', 'plain', [bad], '/v1/messages');
    assert.equal(answer.status, 400);
    const body = answer.json() as { type: string; error: { type: string } };
    assert.deepEqual([body.type, body.error.type], ['error', 'invalid_request_error']);
    assert.equal(upstream.requests.length, before, 'it got to the provider');
  });

  it('client-hears-nothing-while-a-model-thinks', async () => {
    const { answer } = await ask('headonly', 'thinker');
    assert.ok(answer.complete);
    assert.match(answer.text, COMMENTS);
    assert.equal(answer.text.replace(COMMENTS, ''), TOKEN);
    const id = answer.header('x-weir-id');
    const line = await gateway.waitForLog((entry) => entry['id'] === id);
    assert.equal(line['response_bytes'], TOKEN.length, JSON.stringify(line));
  });

  it('comment-is-put-into-the-middle-of-an-event', async () => {
    const { answer } = await ask('pausing', 'thinker');
    assert.ok(answer.complete);
    assert.equal(answer.text.slice(0, TOKEN.length), TOKEN);
    const rest = answer.text.slice(TOKEN.length);
    assert.match(rest, COMMENTS);
    assert.equal(rest.replace(COMMENTS, ''), 'data: {"half":1}\n\n');
  });

  it('comments-keep-a-dead-provider-alive', async () => {
    const passed = await expectCut(await ask('dead', 'mortal'), 'idle_timeout');
    assert.equal(passed.slice(0, TOKEN.length), TOKEN);
    assert.match(passed.slice(TOKEN.length), COMMENTS);
    assert.equal(passed.slice(TOKEN.length).replace(COMMENTS, ''), '');
  });

  it('comment-is-put-where-the-length-is-known-or-no-stream-is', async () => {
    const counted = await ask('counted', 'thinker');
    assert.equal(counted.answer.text, TOKEN.repeat(2));
    const json = await ask('json', 'thinker');
    assert.equal(json.answer.text, '{}');
  });
});

/** Traces: what a collector gets of an exchange, who its parent is, and that nothing waits for the collector. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { renderJson, renderResponse } from '../helpers/http-text.js';
import { chatBody, chatEvents, type LimitedGateway, startLimited } from '../helpers/limited.js';
import { send } from '../helpers/mock-upstream.js';
import { OtlpReceiver } from '../helpers/otlp-receiver.js';
import { turnTo } from '../helpers/reload.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const CALLER = 'b7ad6b7169203331';
const SECRET = 'collector-secret-0123456789';
const WORDS = 'a sentence that nobody else may read';

let nextTrace = 1;
function createTraceId(): string {
  nextTrace += 1;
  return TRACE.slice(0, -4) + nextTrace.toString(16).padStart(4, '0');
}

interface AskOptions {
  readonly traceId?: string;
  readonly flags?: string;
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
}

async function ask({ gateway }: LimitedGateway, options: AskOptions = {}) {
  const { traceId, flags = '01', body = {}, headers = {} } = options;
  const answer = await fetch(`${gateway.baseUrl}/chat/completions`, {
    method: 'POST',
    headers: {
      authorization: 'Bearer wk-team',
      'content-type': 'application/json',
      ...(traceId === undefined ? {} : { traceparent: `00-${traceId}-${CALLER}-${flags}` }),
      ...headers,
    },
    body: JSON.stringify({
      model: 'gpt-4o',
      messages: [{ role: 'user', content: WORDS }],
      ...body,
    }),
  });
  return { answer, text: await answer.text() };
}

/** What the provider was sent of a trace. */
function requestsOf({ upstream }: LimitedGateway, traceId: string) {
  return upstream.requests.filter((request) => request.header('traceparent')?.includes(traceId));
}

function tracesTo(receiver: OtlpReceiver, more: object = {}): object {
  const headers = { authorization: `Bearer ${SECRET}` };
  return { endpoint: receiver.url, headers, sample: 0, ...more };
}

describe('traces', { timeout: 60_000, concurrency: true }, () => {
  let receiver: OtlpReceiver;
  let limited: LimitedGateway;
  let failing = 0;

  before(async () => {
    receiver = await OtlpReceiver.start();
    limited = await startLimited({
      limits: { team: [] },
      models: { spare: { provider: 'mock' }, strong: { provider: 'mock', fallbacks: ['spare'] } },
      config: { traces: tracesTo(receiver) },
      upstream: {
        script: ({ body }) => {
          const asked = JSON.parse(body.toString()) as { stream?: boolean; model: string };
          if (asked.model === 'strong' && failing > 0) {
            failing -= 1;
            return [send(renderResponse({ status: 503, reason: 'Busy' }))];
          }
          if (asked.stream !== true) return [send(renderJson(chatBody(11, 3)))];
          const usage = { prompt_tokens: 11, completion_tokens: 3, total_tokens: 14 };
          return [
            send(
              renderResponse({
                headers: [['content-type', 'text/event-stream']],
                body: chatEvents(3, usage).join(''),
              }),
            ),
          ];
        },
      },
    });
  });

  after(async () => {
    await limited?.stop();
    await receiver?.stop();
    assert.deepEqual(receiver?.problems, []);
  });

  it('a-trace-of-the-caller-ends-at-the-gateway', async () => {
    const traceId = createTraceId();
    const { answer } = await ask(limited, { traceId, headers: { tracestate: 'vendor=1' } });
    assert.equal(answer.status, 200);
    const [server, client] = await receiver.waitForTrace(traceId, 2);
    assert.ok(server !== undefined && client !== undefined);
    assert.deepEqual([server.kind, server.parentId], ['server', CALLER]);
    assert.deepEqual([client.kind, client.parentId], ['client', server.spanId]);
    const [request] = requestsOf(limited, traceId);
    assert.equal(request?.header('traceparent'), `00-${traceId}-${client.spanId}-01`);
    assert.equal(request?.header('tracestate'), 'vendor=1');
    const posted = receiver.requests.find(({ spans }) =>
      spans.some((span) => span.traceId === traceId),
    );
    assert.equal(posted?.path, '/v1/traces');
    assert.equal(posted?.headers.authorization, `Bearer ${SECRET}`);
    assert.equal(server.resource['service.name'], 'weir');
  });

  it('a-span-tells-not-what-was-asked-of-whom-and-what-it-used', async () => {
    const traceId = createTraceId();
    const { answer } = await ask(limited, { traceId, body: { max_tokens: 50, model: 'other' } });
    const [server, client] = await receiver.waitForTrace(traceId, 2);
    assert.ok(server !== undefined && client !== undefined);
    assert.equal(server.name, 'POST /v1/chat/completions');
    const expected = {
      'gen_ai.operation.name': 'chat',
      'gen_ai.request.model': 'other',
      'gen_ai.request.max_tokens': 50,
      'gen_ai.response.model': 'gpt-4o',
      'gen_ai.usage.input_tokens': 11,
      'gen_ai.usage.output_tokens': 3,
      'http.request.method': 'POST',
      'url.path': '/v1/chat/completions',
      'http.response.status_code': 200,
      'weir.consumer': 'team',
      'weir.exchange.id': answer.headers.get('x-weir-id'),
      'weir.ended.reason': 'complete',
    };
    for (const [name, value] of Object.entries(expected)) {
      assert.equal(server.attributes[name], value, name);
    }
    assert.equal(client.name, 'chat gpt-4o-mini');
    const ofClient = {
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': 'gpt-4o-mini',
      'gen_ai.response.model': 'gpt-4o',
      'gen_ai.response.id': 'chatcmpl-1',
      'gen_ai.usage.input_tokens': 11,
      'server.address': '127.0.0.1',
      'server.port': limited.upstream.port,
      'weir.provider': 'mock',
      'weir.attempt.outcome': 'ok',
    };
    for (const [name, value] of Object.entries(ofClient)) {
      assert.equal(client.attributes[name], value, name);
    }
    assert.equal(server.isError || client.isError, false);
    assert.ok(server.startMs <= client.startMs && client.endMs <= server.endMs + 0.001);
    assert.ok(Math.abs(server.endMs - Date.now()) < 10_000);
    assert.ok(!JSON.stringify([server, client]).includes(WORDS), 'content without being asked to');
  });

  it('nobody-learns-when-the-first-token-of-a-stream-came', async () => {
    const traceId = createTraceId();
    await ask(limited, { traceId, body: { stream: true } });
    const [server, client] = await receiver.waitForTrace(traceId, 2);
    assert.ok(server !== undefined && client !== undefined);
    const names = (events: readonly { name: string }[]) => events.map(({ name }) => name);
    assert.deepEqual(names(server.events).sort(), [
      'weir.answer.first_byte',
      'weir.answer.first_token',
      'weir.request.ready',
    ]);
    assert.deepEqual(names(client.events), [
      'weir.request.sent',
      'weir.response.head',
      'weir.answer.first_token',
    ]);
    assert.ok(server.events.every(({ atMs }) => atMs >= server.startMs && atMs <= server.endMs));
    assert.equal(server.attributes['gen_ai.request.stream'], true);
    assert.equal(server.attributes['gen_ai.usage.output_tokens'], 3);
  });

  it('attempts-of-an-exchange-are-one-in-its-trace', async () => {
    const traceId = createTraceId();
    failing = 9;
    const { answer } = await ask(limited, { traceId, body: { model: 'strong' } });
    failing = 0;
    assert.equal(answer.status, 200);
    const made = Number(answer.headers.get('x-weir-attempts'));
    assert.ok(made > 1, `${made} attempts`);
    const [server, ...clients] = await receiver.waitForTrace(traceId, 1 + made);
    assert.equal(clients.length, made);
    const parents = requestsOf(limited, traceId).map(
      (request) => request.header('traceparent')?.split('-')[2],
    );
    assert.deepEqual(
      clients.map(({ spanId }) => spanId),
      parents,
      'each call to the provider must have a span of its own',
    );
    assert.ok(clients.every(({ parentId }) => parentId === server?.spanId));
    for (const client of clients.slice(0, -1)) {
      assert.equal(client.isError, true);
      assert.equal(client.attributes['http.response.status_code'], 503);
      assert.equal(typeof client.attributes['error.type'], 'string');
    }
    assert.equal(clients.at(-1)?.attributes['weir.attempt.outcome'], 'ok');
    assert.equal(server?.isError, false);
  });

  it('a-refused-request-has-no-error-in-its-trace', async () => {
    const traceId = createTraceId();
    const { answer } = await ask(limited, { traceId, body: { model: 'nobody-has-it' } });
    assert.equal(answer.status, 404);
    const [server] = await receiver.waitForTrace(traceId, 1);
    assert.equal(server?.attributes['error.type'], 'model_not_found');
    assert.equal(server?.attributes['http.response.status_code'], 404);
  });

  it('a-caller-that-samples-not-is-traced-all-the-same', async () => {
    const [unsampled, sampled] = [createTraceId(), createTraceId()];
    await ask(limited, { traceId: unsampled, flags: '00' });
    await ask(limited, { body: { user: 'nobody-traces-me' } });
    await ask(limited, { traceId: sampled });
    await receiver.waitForTrace(sampled, 2);
    const [first] = requestsOf(limited, unsampled);
    const second = limited.upstream.requests.find(({ body }) => body.includes('nobody-traces-me'));
    assert.ok(second !== undefined);
    // What Weir does not trace goes on as it came.
    assert.equal(first?.header('traceparent'), `00-${unsampled}-${CALLER}-00`);
    assert.equal(second.header('traceparent'), undefined);
    assert.ok(!receiver.spans.some((span) => span.traceId === unsampled));
    const ofThisOne = receiver.spans.filter((span) => span.attributes['weir.consumer'] === 'team');
    assert.ok(ofThisOne.every((span) => span.traceId.startsWith(TRACE.slice(0, -4))));
  });

  it('P-29 traces-keep-their-settings-after-a-reload', async () => {
    const other = await OtlpReceiver.start();
    const second = await startLimited({ limits: { team: [] } });
    try {
      const port = second.upstream.port;
      const config = (traces: object | undefined) => ({
        providers: { mock: { dialect: 'openai', base_url: `http://127.0.0.1:${port}/v1` } },
        models: { 'gpt-4o': { provider: 'mock' } },
        traces,
      });
      await turnTo(second.gateway, config(tracesTo(receiver, { sample: 1, service: 'first' })));
      // Its spans are still on their way when the next configuration comes.
      await ask(second);
      await turnTo(second.gateway, config(tracesTo(other, { sample: 1, content: 'on' })));
      await ask(second);
      const [server] = (await other.waitForSpans(2)).filter(({ kind }) => kind === 'server');
      assert.equal(server?.parentId, '', 'nobody began this trace but Weir');
      assert.equal(server?.resource['service.name'], 'weir');
      const client = other.spans.find(({ kind }) => kind === 'client');
      const messages = String(client?.attributes['gen_ai.input.messages']);
      assert.deepEqual(JSON.parse(messages), [
        { role: 'user', parts: [{ type: 'text', content: WORDS }] },
      ]);
      await turnTo(second.gateway, config(undefined));
      await ask(second);
      assert.equal(second.upstream.requests.at(-1)?.header('traceparent'), undefined);
    } finally {
      await second.stop();
      await other.stop();
    }
    const ofFirst = receiver.spans.filter((span) => span.resource['service.name'] === 'first');
    assert.deepEqual([ofFirst.length, other.spans.length], [2, 2]);
  });
});

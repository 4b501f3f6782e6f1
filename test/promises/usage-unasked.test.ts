/** P-13: a provider with `ask_usage: off` gets each stream as its client sent it, and is paid for all the same. */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { describeEngines, stopAll } from '../helpers/engine-matrix.js';
import { type Gateway, startGateway } from '../helpers/gateway.js';
import { renderChunk, renderHead, renderJson } from '../helpers/http-text.js';
import { chatEvents, untilSettled } from '../helpers/limited.js';
import { type MockRequest, MockUpstream, type Script, send } from '../helpers/mock-upstream.js';

const USAGE = { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 };
const ASKED = '"include_usage":true';

function stream(request: MockRequest): Script {
  const usage = request.text.includes(ASKED) ? USAGE : null;
  return [
    send(
      renderHead('HTTP/1.1 200 OK', [
        ['content-type', 'text/event-stream'],
        ['transfer-encoding', 'chunked'],
      ]),
    ),
    ...chatEvents(20, usage).map((event) => send(renderChunk(event))),
    send('0\r\n\r\n'),
  ];
}

describeEngines('usage that is not asked for', 60_000, (engine) => {
  let asked: MockUpstream;
  let unasked: MockUpstream;
  let gateway: Gateway;
  let isAskedDown = false;

  before(async () => {
    asked = await MockUpstream.start({
      script: (request) =>
        isAskedDown ? [send(renderJson({ error: {} }, { status: 503 }))] : stream(request),
    });
    // It refuses the field, as the providers do for which there is the setting.
    unasked = await MockUpstream.start({
      script: (request) =>
        request.text.includes('stream_options')
          ? [send(renderJson({ error: { message: 'unknown field' } }, { status: 400 }))]
          : stream(request),
    });
    const dialect = 'openai';
    gateway = await startGateway({
      workers: 1,
      config: {
        providers: {
          asked: { dialect, engine, base_url: asked.baseUrl, api_key: 'sk-1' },
          unasked: {
            dialect,
            engine,
            base_url: unasked.baseUrl,
            api_key: 'sk-2',
            ask_usage: 'off',
          },
        },
        models: {
          asked: { provider: 'asked', model: 'same' },
          unasked: { provider: 'unasked', model: 'same' },
          direct: { provider: 'unasked', model: 'same', retry: { attempts: 1 } },
          both: {
            targets: [
              { provider: 'asked', model: 'same' },
              { provider: 'unasked', model: 'same', priority: 1 },
            ],
          },
        },
        consumers: Object.fromEntries(
          ['asked', 'unasked', 'direct', 'both'].map((name) => [
            name,
            { keys: [`wk-${name}`], limits: [{ tokens: 1_000_000, per: '366d' }] },
          ]),
        ),
      },
    });
  });

  after(() => stopAll(gateway, asked, unasked));

  /** @returns what the client got, and what was settled. */
  async function ask(model: string): Promise<{ text: string; tokens: number }> {
    const response = await fetch(`${gateway.baseUrl}/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer wk-${model}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model, stream: true, messages: [{ role: 'user', content: 'hello' }] }),
    });
    assert.equal(response.status, 200);
    const text = await response.text();
    const [row] = await untilSettled(gateway, model);
    return { text, tokens: row?.settled ?? 0 };
  }

  const plain = chatEvents(20, null).join('');
  const body = '{"model":"same","stream":true,"messages":[{"role":"user","content":"hello"}]}';

  it('P-13 a-provider-that-may-be-asked-is-not', async () => {
    const { text, tokens } = await ask('asked');
    assert.ok(asked.requests.at(-1)?.text.includes(ASKED));
    assert.equal(text, plain);
    assert.equal(tokens, 120);
  });

  it('P-13 a-provider-that-refuses-the-field-is-asked', async () => {
    for (const model of ['unasked', 'direct']) {
      const { text, tokens } = await ask(model);
      assert.equal(unasked.requests.at(-1)?.text, body);
      assert.equal(text, plain);
      assert.ok(tokens >= 20 && tokens < 120, `${tokens} tokens, by what was delivered`);
    }
  });

  it('P-13 who-takes-over-is-asked-because-the-first-one-was', async () => {
    isAskedDown = true;
    const { text, tokens } = await ask('both');
    assert.ok(asked.requests.at(-1)?.text.includes(ASKED));
    assert.equal(unasked.requests.at(-1)?.text, body);
    assert.equal(text, plain);
    assert.ok(tokens >= 20 && tokens < 120, `${tokens} tokens, by what was delivered`);
  });
});

/** The official Anthropic SDK, unmodified, against a provider that is scripted. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { type Gateway, startGateway } from '../helpers/gateway.js';
import { renderChunk, renderHead, renderJson } from '../helpers/http-text.js';
import { fin, MockUpstream, type Script, send } from '../helpers/mock-upstream.js';

const KEY = 'wk-team-a-0123456789';
const UPSTREAM_KEY = 'sk-ant-upstream-secret';
const QUESTION = {
  model: 'sonnet',
  max_tokens: 16,
  messages: [{ role: 'user' as const, content: 'Hello' }],
};
const MESSAGE = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'claude-sonnet-4-5',
  content: [{ type: 'text', text: 'Hi' }],
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage: { input_tokens: 3, output_tokens: 1 },
};

function renderEvent(type: string, fields: object): Buffer {
  return renderChunk(`event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`);
}

describe('Anthropic SDK', () => {
  let upstream: MockUpstream;
  let gateway: Gateway;
  let script: Script = [];

  before(async () => {
    upstream = await MockUpstream.start({ script: () => script });
    gateway = await startGateway({
      config: {
        providers: {
          mock: {
            dialect: 'anthropic',
            base_url: `http://127.0.0.1:${upstream.port}`,
            api_key: UPSTREAM_KEY,
          },
        },
        models: { sonnet: { provider: 'mock', model: 'claude-sonnet-4-5' } },
        consumers: { 'team-a': { keys: [KEY] } },
      },
    });
  });

  after(async () => {
    await gateway?.stop();
    await upstream?.stop();
  });

  beforeEach(() => {
    script = [send(renderJson(MESSAGE))];
  });

  function createClient(apiKey = KEY): Anthropic {
    return new Anthropic({
      baseURL: `http://127.0.0.1:${gateway.port}`,
      apiKey,
      maxRetries: 0,
    });
  }

  async function failure(call: Promise<unknown>): Promise<unknown> {
    return call.then(
      () => assert.fail('the call succeeded'),
      (error: unknown) => error,
    );
  }

  it('message-model-or-credential-is-not-what-the-provider-expects', async () => {
    const number = upstream.requests.length;
    const message = await createClient().messages.create(QUESTION);
    assert.deepEqual(message.content, MESSAGE.content);
    const request = await upstream.waitForRequest(number);
    assert.equal(request.target, '/v1/messages');
    assert.deepEqual(request.all('x-api-key'), [UPSTREAM_KEY]);
    assert.equal(request.all('anthropic-version').length, 1);
    assert.equal(request.text, JSON.stringify({ ...QUESTION, model: 'claude-sonnet-4-5' }));
  });

  it('unknown-model-has-the-wrong-shape', async () => {
    const error = await failure(createClient().messages.create({ ...QUESTION, model: 'sonet' }));
    assert.ok(error instanceof Anthropic.NotFoundError, String(error));
    const body = error.error as { type: string; error: { type: string; message: string } };
    assert.deepEqual([body.type, body.error.type], ['error', 'not_found_error']);
    assert.match(body.error.message, /Did you mean "sonnet"\?/);
  });

  it('wrong-key-has-the-wrong-shape', async () => {
    const error = await failure(createClient('wk-of-nobody').messages.create(QUESTION));
    assert.ok(error instanceof Anthropic.AuthenticationError, String(error));
    const body = error.error as { type: string; error: { type: string; message: string } };
    assert.deepEqual([body.type, body.error.type], ['error', 'authentication_error']);
  });

  it('error-of-the-provider-is-altered', async () => {
    const overloaded = {
      type: 'error',
      error: { type: 'overloaded_error', message: 'Overloaded' },
    };
    script = [send(renderJson(overloaded, { status: 529, headers: [['request-id', 'req_9']] }))];
    const error = await failure(createClient().messages.create(QUESTION));
    assert.ok(error instanceof Anthropic.InternalServerError, String(error));
    assert.deepEqual([error.status, error.requestID, error.error], [529, 'req_9', overloaded]);
  });

  it('stream-that-breaks-off-looks-whole', async () => {
    const head = renderHead('HTTP/1.1 200 OK', [
      ['content-type', 'text/event-stream'],
      ['transfer-encoding', 'chunked'],
    ]);
    const opening = { message: { ...MESSAGE, content: [], stop_reason: null } };
    script = [send(head), send(renderEvent('message_start', opening)), fin()];
    const stream = await createClient().messages.create({ ...QUESTION, stream: true });
    const seen: string[] = [];
    const error = await failure(
      (async () => {
        for await (const event of stream) seen.push(event.type);
      })(),
    );
    assert.deepEqual(seen, ['message_start']);
    assert.ok(error instanceof Anthropic.APIError, String(error));
    assert.match(String(error), /api_error/);
  });
});

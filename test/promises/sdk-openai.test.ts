/** The official OpenAI SDK, unmodified, against a provider that is scripted: errors, aborts, uploads. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, beforeEach, describe, it } from 'node:test';
import OpenAI, { toFile } from 'openai';
import { type Gateway, startGateway } from '../helpers/gateway.js';
import { renderChunk, renderHead, renderJson } from '../helpers/http-text.js';
import { MockUpstream, type Script, send, stall } from '../helpers/mock-upstream.js';

const KEY = 'wk-team-a-0123456789';
const UPSTREAM_KEY = 'sk-upstream-secret';

const QUESTION = { model: 'gpt-4o', messages: [{ role: 'user' as const, content: 'Hello' }] };

function renderChatChunk(content: string): Buffer {
  return renderChunk(
    `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'gpt-4o', choices: [{ index: 0, delta: { content }, finish_reason: null }] })}\n\n`,
  );
}

describe('OpenAI SDK', () => {
  let upstream: MockUpstream;
  let gateway: Gateway;
  /** The answers in turn; the last one stays. */
  let scripts: Script[] = [];

  before(async () => {
    upstream = await MockUpstream.start({
      script: () => (scripts.length > 1 ? (scripts.shift() ?? []) : (scripts[0] ?? [])),
    });
    const provider = { provider: 'mock' };
    gateway = await startGateway({
      config: {
        providers: {
          mock: { dialect: 'openai', base_url: upstream.baseUrl, api_key: UPSTREAM_KEY },
        },
        models: {
          'gpt-4o': provider,
          'gpt-4o-mini': provider,
          listener: { provider: 'mock', model: 'whisper-1' },
        },
        consumers: { 'team-a': { keys: [KEY] } },
      },
    });
  });

  after(async () => {
    await gateway?.stop();
    await upstream?.stop();
  });

  beforeEach(() => {
    scripts = [[send(renderJson({ id: 'c', object: 'chat.completion', choices: [] }))]];
  });

  function createClient(options: { apiKey?: string; maxRetries?: number } = {}): OpenAI {
    return new OpenAI({ baseURL: gateway.baseUrl, apiKey: KEY, maxRetries: 0, ...options });
  }

  async function failure(call: Promise<unknown>): Promise<unknown> {
    return call.then(
      () => assert.fail('the call succeeded'),
      (error: unknown) => error,
    );
  }

  it('unknown-model-is-no-NotFoundError', async () => {
    const before = upstream.requests.length;
    const client = createClient();
    const error = await failure(
      client.chat.completions.create({ ...QUESTION, model: 'gpt-4o-mni' }),
    );
    assert.ok(error instanceof OpenAI.NotFoundError, String(error));
    assert.deepEqual([error.status, error.code, error.param], [404, 'model_not_found', 'model']);
    assert.match(error.message, /"gpt-4o-mni" is not configured here.*"gpt-4o-mini" or "gpt-4o"/);
    const retrieval = await failure(client.models.retrieve('gpt-5'));
    assert.ok(retrieval instanceof OpenAI.NotFoundError, String(retrieval));
    assert.equal(upstream.requests.length, before, 'the provider was asked');
  });

  it('wrong-key-is-no-AuthenticationError', async () => {
    const before = upstream.requests.length;
    const client = createClient({ apiKey: 'wk-of-nobody' });
    const error = await failure(client.chat.completions.create(QUESTION));
    assert.ok(error instanceof OpenAI.AuthenticationError, String(error));
    assert.deepEqual([error.status, error.code], [401, 'invalid_key']);
    assert.doesNotMatch(error.message, /wk-of-nobody/);
    assert.equal(upstream.requests.length, before, 'the provider was asked');
  });

  it('caller-key-or-sdk-header-is-lost-or-leaks', async () => {
    const number = upstream.requests.length;
    await createClient().chat.completions.create(QUESTION);
    const request = await upstream.waitForRequest(number);
    assert.deepEqual(request.all('authorization'), [`Bearer ${UPSTREAM_KEY}`]);
    assert.match(request.header('user-agent') ?? '', /^OpenAI\/JS/);
    assert.doesNotMatch(request.rawHead.toString('latin1'), new RegExp(KEY));
    assert.equal(request.text, JSON.stringify(QUESTION));
  });

  it('429-of-the-provider-is-not-retried-as-it-says', async () => {
    const refusal = renderJson(
      { error: { message: 'slow down', type: 'requests', param: null, code: 'rate_limit' } },
      { status: 429, reason: 'Too Many Requests', headers: [['retry-after', '1']] },
    );
    const number = upstream.requests.length;
    scripts = [[send(refusal)], ...scripts];
    const startMs = performance.now();
    await createClient({ maxRetries: 1 }).chat.completions.create(QUESTION);
    const tookMs = performance.now() - startMs;
    assert.equal(upstream.requests.length, number + 2);
    // The SDK's own guess would be half a second at most.
    assert.ok(tookMs > 950 && tookMs < 3000, `retried after ${tookMs} ms`);
    scripts = [[send(refusal)]];
    const error = await failure(createClient().chat.completions.create(QUESTION));
    assert.ok(error instanceof OpenAI.RateLimitError, String(error));
    assert.deepEqual([error.code, error.headers.get('retry-after')], ['rate_limit', '1']);
  });

  it('provider-that-is-gone-is-no-InternalServerError', async () => {
    scripts = [[(connection) => Promise.resolve(void connection.socket.resetAndDestroy())]];
    const error = await failure(createClient().chat.completions.create(QUESTION));
    assert.ok(error instanceof OpenAI.InternalServerError, String(error));
    assert.deepEqual([error.status, error.code], [502, 'upstream_reset']);
  });

  it('abort-of-a-stream-does-not-reach-the-provider', async () => {
    const number = upstream.requests.length;
    const head = renderHead('HTTP/1.1 200 OK', [
      ['content-type', 'text/event-stream'],
      ['transfer-encoding', 'chunked'],
    ]);
    scripts = [[send(head), send(renderChatChunk('one')), send(renderChatChunk('two')), stall()]];
    const abort = new AbortController();
    const stream = await createClient().chat.completions.create(
      { ...QUESTION, stream: true },
      { signal: abort.signal },
    );
    let abortedAtMs = 0;
    const words: string[] = [];
    for await (const chunk of stream) {
      words.push(chunk.choices[0]?.delta.content ?? '');
      if (words.length === 2) {
        abortedAtMs = performance.now();
        abort.abort();
      }
    }
    assert.deepEqual(words, ['one', 'two']);
    const { connection } = await upstream.waitForRequest(number);
    const closedAtMs = await connection.waitForClose(2000);
    assert.equal(connection.closedBy, 'gateway');
    // 50 ms are Weir's; the SDK's own closing comes on top.
    assert.ok(closedAtMs - abortedAtMs < 150, `${closedAtMs - abortedAtMs} ms`);
    const line = await gateway.waitForLog(
      (entry) => (entry['ended'] as { reason?: string } | undefined)?.reason === 'aborted',
    );
    assert.deepEqual(line['ended'], { by: 'downstream', phase: 'streaming', reason: 'aborted' });
  });

  it('audio-or-its-model-is-altered-in-a-form', async () => {
    const number = upstream.requests.length;
    scripts = [[send(renderJson({ text: 'heard' }))]];
    const audio = randomBytes(300_000);
    const heard = await createClient().audio.transcriptions.create({
      model: 'listener',
      file: await toFile(audio, 'speech.mp3', { type: 'audio/mpeg' }),
      language: 'en',
    });
    assert.equal(heard.text, 'heard');
    const request = await upstream.waitForRequest(number, 2000, 'whole');
    assert.equal(request.target, '/v1/audio/transcriptions');
    assert.ok(request.body.includes(audio), 'the audio did not arrive bit for bit');
    assert.match(request.body.toString('latin1'), /name="model"\r\n\r\nwhisper-1\r\n/);
    assert.doesNotMatch(request.body.toString('latin1'), /listener/);
    assert.equal(request.framing, 'length');
  });

  it('request-that-names-no-model-and-has-nowhere-to-go-is-no-NotFoundError', async () => {
    const error = await failure(createClient().files.list());
    assert.ok(error instanceof OpenAI.NotFoundError, String(error));
    assert.match(error.message, /names no model/);
  });
});

describe('OpenAI SDK, files', () => {
  it('file-of-5-mb-is-altered', async () => {
    const upstream = await MockUpstream.start({
      script: ({ bodyBytes }) => [send(renderJson({ id: 'file-1', bytes: bodyBytes }))],
    });
    const gateway = await startGateway({
      config: {
        providers: { mock: { dialect: 'openai', base_url: upstream.baseUrl } },
        models: { '*': { provider: 'mock' } },
      },
    });
    try {
      const bytes = randomBytes(5 * 1024 * 1024);
      const client = new OpenAI({ baseURL: gateway.baseUrl, apiKey: 'sk-caller', maxRetries: 0 });
      const file = await client.files.create({
        purpose: 'batch',
        file: await toFile(bytes, 'batch.jsonl'),
      });
      const request = await upstream.waitForRequest(0, 2000, 'whole');
      assert.equal(file.bytes, request.bodyBytes);
      const at = request.body.indexOf(bytes.subarray(0, 64));
      const arrived = request.body.subarray(at, at + bytes.length);
      assert.equal(sha256(arrived), sha256(bytes));
      assert.deepEqual(request.all('authorization'), ['Bearer sk-caller']);
    } finally {
      await gateway.stop();
      await upstream.stop();
    }
  });
});

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

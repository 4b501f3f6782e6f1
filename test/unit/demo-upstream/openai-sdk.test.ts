import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { serveForTests } from './served.js';

const { url } = serveForTests();
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'sk-any', maxRetries: 0 });
const question = [{ role: 'user' as const, content: 'Say "stream": true, and "model": "x".' }];

function countWords(text: string): number {
  return text === '' ? 0 : text.split(' ').length;
}

test('a chat answer has as many words as its usage says, and the model asked for', async () => {
  const answer = await client.chat.completions.create({ model: 'gpt-4o', messages: question });
  assert.equal(answer.model, 'gpt-4o');
  const content = answer.choices[0]?.message.content ?? '';
  assert.match(content, /^A weir is a low wall across a river\. /);
  assert.equal(countWords(content), 64);
  assert.equal(answer.usage?.completion_tokens, 64);
  assert.equal(answer.usage?.total_tokens, 64 + (answer.usage?.prompt_tokens ?? Number.NaN));
  assert.equal(answer.choices[0]?.finish_reason, 'stop');
  assert.match(answer._request_id ?? '', /^req_demo_\d+$/);
});

test('max_tokens and max_completion_tokens bound the answer', async () => {
  for (const bound of [{ max_tokens: 5 }, { max_completion_tokens: 5 }]) {
    const answer = await client.chat.completions.create(
      { model: 'gpt-4o', messages: question, ...bound },
      { query: { tokens: '300' } },
    );
    assert.equal(answer.choices[0]?.message.content, 'A weir is a low');
    assert.equal(answer.choices[0]?.finish_reason, 'length');
    assert.equal(answer.usage?.completion_tokens, 5);
  }
});

test('a model’s name comes back as it was, whatever characters it has', async () => {
  for (const model of ['größe-模型', 'quo"te\\', 'a/b:c']) {
    const answer = await client.chat.completions.create({ model, messages: question });
    assert.equal(answer.model, model);
    const stream = await client.chat.completions.create({
      model,
      messages: question,
      stream: true,
    });
    for await (const chunk of stream) {
      assert.equal(chunk.model, model);
    }
  }
});

test('a stream has the same text as the answer, and usage only when asked', async () => {
  const whole = await client.chat.completions.create(
    { model: 'm', messages: question },
    { query: { tokens: '150' } },
  );
  for (const include of [true, false]) {
    const stream = await client.chat.completions.create(
      {
        model: 'm',
        messages: question,
        stream: true,
        ...(include ? { stream_options: { include_usage: true } } : {}),
      },
      { query: { tokens: '150' } },
    );
    let text = '';
    let usageChunks = 0;
    let reason: string | null = null;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? '';
      reason = chunk.choices[0]?.finish_reason ?? reason;
      if (chunk.usage) {
        usageChunks += 1;
        assert.deepEqual(chunk.choices, []);
        assert.equal(chunk.usage.completion_tokens, 150);
      }
    }
    assert.equal(text, whole.choices[0]?.message.content);
    assert.equal(usageChunks, include ? 1 : 0);
    assert.equal(reason, 'stop');
  }
});

test('the SDK’s stream helper accumulates a whole completion', async () => {
  const completion = await client.chat.completions
    .stream({ model: 'm', messages: question, stream_options: { include_usage: true } })
    .finalChatCompletion();
  assert.equal(completion.usage?.completion_tokens, 64);
  assert.equal(countWords(completion.choices[0]?.message.content ?? ''), 64);
});

test('legacy completions answer whole and as a stream', async () => {
  const request = { model: 'gpt-3.5-turbo-instruct', prompt: 'Hello', max_tokens: 7 };
  const answer = await client.completions.create(request);
  assert.equal(answer.choices[0]?.text, 'A weir is a low wall across');
  let text = '';
  for await (const chunk of await client.completions.create({ ...request, stream: true })) {
    text += chunk.choices[0]?.text ?? '';
  }
  assert.equal(text, answer.choices[0]?.text);
});

test('embeddings: both formats hold the same unit vector, dimensions are honoured', async () => {
  const embed = (input: string | string[], format: 'float' | 'base64', dimensions?: number) =>
    client.embeddings.create({
      model: 'text-embedding-3-small',
      input,
      encoding_format: format,
      ...(dimensions === undefined ? {} : { dimensions }),
    });
  const floats = (await embed(['river', 'mill'], 'float')).data.map((item) => item.embedding);
  assert.equal(floats.length, 2);
  assert.equal(floats[0]?.length, 1536);
  assert.notDeepEqual(floats[0], floats[1]);
  const encoded = (await embed('river', 'base64')).data[0]?.embedding as unknown as string;
  const bytes = Buffer.from(encoded, 'base64');
  assert.equal(bytes.length, 1536 * 4);
  assert.equal(bytes.readFloatLE(40), Math.fround(floats[0]?.[10] ?? Number.NaN));
  const norm = Math.hypot(...(floats[0] ?? []));
  assert.ok(Math.abs(norm - 1) < 1e-4, `norm ${norm}`);
  const small = await client.embeddings.create({ model: 'm', input: 'river', dimensions: 8 });
  assert.equal(small.data[0]?.embedding.length, 8);
  await assert.rejects(embed('river', 'float', 5000), OpenAI.BadRequestError);
});

test('models can be listed and looked up', async () => {
  const ids: string[] = [];
  for await (const model of client.models.list()) {
    ids.push(model.id);
  }
  assert.deepEqual(ids, ['demo-large', 'demo-small', 'demo-embedding']);
  assert.equal((await client.models.retrieve('any/ü')).id, 'any/ü');
});

test('errors raise the SDK’s own classes', async () => {
  const ask = (query: Record<string, string>) =>
    client.chat.completions.create({ model: 'm', messages: question }, { query });
  await assert.rejects(ask({ status: '401' }), OpenAI.AuthenticationError);
  await assert.rejects(ask({ status: '500' }), OpenAI.InternalServerError);
  await assert.rejects(ask({ status: '429' }), (error: unknown) => {
    assert.ok(error instanceof OpenAI.RateLimitError);
    assert.equal(error.code, 'rate_limit_exceeded');
    assert.equal(error.headers?.get('retry-after'), '1');
    return true;
  });
  await assert.rejects(ask({ tokens: 'many' }), (error: unknown) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.equal(error.param, 'tokens');
    assert.match(error.message, /whole number from 0 to 1000000, not "many"/);
    return true;
  });
  await assert.rejects(client.get('/nowhere'), OpenAI.NotFoundError);
});

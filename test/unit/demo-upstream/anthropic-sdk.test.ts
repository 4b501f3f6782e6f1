import assert from 'node:assert/strict';
import { test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { serveForTests } from './served.js';

const { url } = serveForTests();
const client = new Anthropic({ baseURL: url, apiKey: 'sk-ant-any', maxRetries: 0 });
const request = {
  model: 'claude-demo',
  max_tokens: 1000,
  messages: [{ role: 'user' as const, content: 'Hello' }],
};

test('a message has the words that its usage says', async () => {
  const message = await client.messages.create(request);
  assert.equal(message.model, 'claude-demo');
  assert.equal(message.stop_reason, 'end_turn');
  assert.equal(message.usage.output_tokens, 64);
  const block = message.content[0];
  assert.equal(block?.type === 'text' ? block.text.split(' ').length : -1, 64);
  assert.match(message._request_id ?? '', /^req_demo_\d+$/);
});

test('a stream goes through all events in order', async () => {
  const types: string[] = [];
  for await (const event of await client.messages.create({ ...request, stream: true })) {
    if (types.at(-1) !== event.type) {
      types.push(event.type);
    }
  }
  // The SDK swallows pings.
  assert.deepEqual(
    types.filter((type) => type !== ('ping' as string)),
    [
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ],
  );
});

test('the SDK’s stream helper gives the same message as the whole answer', async () => {
  const whole = await client.messages.create({ ...request, max_tokens: 10 });
  const streamed = await client.messages.stream({ ...request, max_tokens: 10 }).finalMessage();
  assert.equal(streamed.stop_reason, 'max_tokens');
  assert.equal(streamed.usage.output_tokens, 10);
  assert.deepEqual(streamed.content, whole.content);
});

test('tokens are counted', async () => {
  const { max_tokens: _, ...countable } = request;
  const { input_tokens } = await client.messages.countTokens(countable);
  assert.equal(input_tokens, Math.ceil(JSON.stringify(countable).length / 4));
});

test('models can be listed and looked up', async () => {
  const ids: string[] = [];
  for await (const model of client.models.list()) {
    ids.push(model.id);
  }
  assert.ok(ids.includes('demo-large'));
  assert.equal((await client.models.retrieve('claude-x')).id, 'claude-x');
});

test('errors raise the SDK’s own classes', async () => {
  const ask = (headers: Record<string, string>) => client.messages.create(request, { headers });
  await assert.rejects(ask({ 'x-demo-status': '429' }), Anthropic.RateLimitError);
  await assert.rejects(ask({ 'x-demo-status': '529' }), (error: unknown) => {
    assert.ok(error instanceof Anthropic.InternalServerError);
    assert.equal(error.status, 529);
    assert.match(error.message, /overloaded_error/);
    return true;
  });
  await assert.rejects(ask({ 'x-demo-token': '5' }), (error: unknown) => {
    assert.ok(error instanceof Anthropic.BadRequestError);
    assert.match(error.message, /x-demo-token is not one of x-demo-tokens, /);
    return true;
  });
});

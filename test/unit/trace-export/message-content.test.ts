/** What spans show of prompts and answers, and what providers are called. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findOperation, nameProvider } from '../../../src/trace-export/gen-ai.js';
import { readMessages } from '../../../src/trace-export/message-content.js';
import { chatEvents } from '../../helpers/limited.js';

function read(request: unknown, response: string, isStream = false) {
  return readMessages({
    request: Buffer.from(JSON.stringify(request)).toString('base64'),
    response: Buffer.from(response).toString('base64'),
    isStream,
  });
}

const HELLO = { role: 'user', parts: [{ type: 'text', content: 'Hello' }] };

test('of a chat completion', () => {
  const answer = {
    choices: [{ message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }],
  };
  const found = read({ messages: [{ role: 'user', content: 'Hello' }] }, JSON.stringify(answer));
  assert.deepEqual(JSON.parse(String(found['gen_ai.input.messages'])), [HELLO]);
  assert.deepEqual(JSON.parse(String(found['gen_ai.output.messages'])), [
    { role: 'assistant', parts: [{ type: 'text', content: 'Hi' }], finish_reason: 'stop' },
  ]);
  assert.deepEqual(found['gen_ai.response.finish_reasons'], ['stop']);
});

test('of a stream of chat completions', () => {
  const found = read({ messages: [] }, chatEvents(3, null).join(''), true);
  const [message] = JSON.parse(String(found['gen_ai.output.messages'])) as [{ parts: unknown }];
  assert.deepEqual(message.parts, [{ type: 'text', content: 'word0 word1 word2 ' }]);
  assert.equal(found['gen_ai.input.messages'], undefined);
});

test('of Anthropic’s messages, whole and as a stream; images are named, not shown', () => {
  const request = {
    system: 'Be brief.',
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Hello' },
          { type: 'image', source: { data: 'AAAA' } },
        ],
      },
    ],
  };
  const whole = read(
    request,
    JSON.stringify({ content: [{ type: 'text', text: 'Hi' }], stop_reason: 'end_turn' }),
  );
  assert.match(String(whole['gen_ai.output.messages']), /"Hi"/);
  assert.deepEqual(whole['gen_ai.response.finish_reasons'], ['end_turn']);
  assert.match(String(whole['gen_ai.system_instructions']), /Be brief/);
  assert.ok(!String(whole['gen_ai.input.messages']).includes('AAAA'));
  const events = [
    { type: 'content_block_delta', delta: { type: 'text_delta', text: 'H' } },
    { type: 'content_block_delta', delta: { type: 'text_delta', text: 'i' } },
    { type: 'message_delta', delta: { stop_reason: 'end_turn' } },
  ];
  const lines = events.map((one) => `event: ${one.type}\r\ndata: ${JSON.stringify(one)}\r\n\r\n`);
  const stream = read(request, lines.join(''), true);
  assert.equal(stream['gen_ai.output.messages'], whole['gen_ai.output.messages']);
});

test('what is no JSON, or was not kept, shows nothing', () => {
  assert.deepEqual(readMessages({ request: null, response: null, isStream: true }), {});
  const bytes = Buffer.from('\x1f\x8b{"messages":').toString('base64');
  assert.deepEqual(readMessages({ request: bytes, response: bytes, isStream: false }), {});
  for (const odd of [null, 1, [], 'text', { messages: 1 }, { messages: [null, 1, []] }]) {
    assert.deepEqual(read(odd, JSON.stringify(odd)), {});
  }
});

test('operations and providers have the names of the conventions', () => {
  assert.equal(findOperation('/v1/messages'), 'chat');
  assert.equal(findOperation('/v1/embeddings'), 'embeddings');
  assert.equal(findOperation('/v1/files'), null);
  const name = (baseUrl: string, dialect = 'openai') =>
    nameProvider({ name: 'x', dialect, baseUrl });
  assert.deepEqual(name('https://api.openai.com/v1'), {
    name: 'openai',
    address: 'api.openai.com',
    port: 443,
  });
  assert.equal(name('https://me.openai.azure.com/openai').name, 'azure.ai.openai');
  assert.equal(name('https://api.groq.com/openai/v1').name, 'groq');
  assert.equal(name('https://evil-api.openai.com.example/v1', 'anthropic').name, 'anthropic');
  assert.deepEqual(name('http://[::1]:8000/v1'), { name: 'openai', address: '::1', port: 8000 });
});

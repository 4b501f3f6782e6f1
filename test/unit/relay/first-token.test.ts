/** What counts as the first token, one shape after another; recorded and random streams are in test/property. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FirstTokenWatch } from '../../../src/relay/first-token.js';

function watch(...events: readonly string[]): boolean[] {
  const one = new FirstTokenWatch();
  return events.map((event) => one.take(Buffer.from(event)));
}

function data(...values: readonly object[]): string[] {
  return values.map((value) => `data: ${JSON.stringify(value)}\n\n`);
}

function chat(delta: object, finish: string | null = null): object {
  return { choices: [{ index: 0, delta, finish_reason: finish }] };
}

test('what only opens a stream never counts, however much of it there is', () => {
  const openers = [
    ': comment\n\n',
    'event: ping\ndata: {}\n\n',
    'event: ping\ndata: {"type": "ping"}\n\n',
    'event: response.created\ndata: {"response":{"instructions":"\\"delta\\":\\"x\\""}}\n\n',
    'id: 1\nretry: 10\n\n',
    'data:\n\n',
    'data\n\n',
    'event: message\n\n',
    ...data(
      chat({ role: 'assistant', content: '' }),
      chat({ role: 'assistant', content: null, refusal: null, tool_calls: [] }),
      chat({ role: 'assistant', content: [{ type: 'text', text: '' }] }),
      { choices: [], prompt_filter_results: [{ content_filter_results: { hate: 'safe' } }] },
      { choices: [{ text: '', index: 0, finish_reason: null }] },
      { type: 'message_start', message: { role: 'assistant', content: [], delta: 'x' } },
      { type: 'content_block_start', content_block: { type: 'tool_use', name: 'f', text: '' } },
      { type: 'content_block_delta', delta: { type: 'input_json_delta', partial_json: '' } },
      { type: 'ping' },
      { type: 'response.created', response: { output: [{ delta: 'x', content: 'x' }] } },
      { sequence_number: 1, type: 'response.in_progress', response: { text: { format: 'x' } } },
      { type: 'response.queued' },
      { type: 'response.output_item.added', item: { type: 'message', content: [] } },
      { type: 'response.content_part.added', part: { type: 'output_text', text: '' } },
      { type: 'response.web_search_call.searching', item_id: 'ws' },
      { type: 'response.output_text.delta', delta: '' },
      { type: 'keepalive' },
      { event_type: 'step.start', step: { type: 'thought' } },
      { event_type: 'interaction.status_update', status: 'in_progress' },
    ),
  ];
  const found = watch(...openers, ...openers);
  assert.deepEqual(
    openers.filter((_, index) => found[index]),
    [],
  );
  assert.equal(found.at(-1), false);
});

test('content of every kind counts at once', () => {
  for (const event of [
    chat({ content: 'Hi' }),
    chat({ content: ' ' }),
    chat({ content: '"' }),
    chat({ role: 'assistant', content: 'Hi' }),
    chat({ content: null, reasoning_content: 'Hm' }),
    chat({ reasoning: 'Hm' }),
    chat({ refusal: 'No' }),
    chat({ tool_calls: [{ index: 0, function: { name: 'f', arguments: '' } }] }),
    chat({ function_call: { name: 'f' } }),
    chat({ content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'Hm' }] }] }),
    chat({ audio: { data: 'AAAA' } }),
    { choices: [{ delta: { role: 'assistant' } }, { delta: { content: 'the second' } }] },
    { choices: [{ text: 'Hi', index: 0 }] },
    { type: 'content_block_delta', delta: { type: 'text_delta', text: 'Hi' } },
    { type: 'content_block_delta', delta: { type: 'thinking_delta', thinking: 'Hm' } },
    { type: 'content_block_delta', delta: { type: 'signature_delta', signature: 'Eq' } },
    { type: 'content_block_stop', index: 0 },
    { type: 'response.output_text.delta', delta: 'Hi' },
    { type: 'response.function_call_arguments.delta', item_id: 'x', delta: '{' },
    { type: 'response.output_item.done', item: {} },
    { type: 'response.image_generation_call.partial_image', partial_image_b64: 'AAAA' },
    { object: 'thread.message.delta', delta: { content: [{ text: { value: 'Hi' } }] } },
    { candidates: [{ content: { parts: [{ text: 'Hi' }], role: 'model' } }] },
    { candidates: [{ content: { parts: [{ functionCall: { name: 'f' } }] } }] },
    { event_type: 'step.delta', delta: { type: 'text', text: 'Hi' } },
  ]) {
    assert.deepEqual(watch(...data(event)), [true], JSON.stringify(event));
  }
});

test('the third event in a shape that nobody knows counts, and not the second', () => {
  const [error, finished] = data({ type: 'error', error: { message: 'x' } }, chat({}, 'stop'));
  const ping = 'event: ping\ndata: {}\n\n';
  const done = 'data: [DONE]\n\n';
  assert.deepEqual(watch('data: a\n\n', 'data: b\n\n', 'data: c\n\n'), [false, false, true]);
  assert.deepEqual(watch(error ?? '', ping, finished ?? '', ping, done), [
    ...[false, false, false, false],
    true,
  ]);
  assert.deepEqual(watch('event: x\ndata: {}\ndata: 2\n\n'.repeat(2), ': c\n\n', 'data: 1\r\r'), [
    ...[false, false],
    true,
  ]);
});

test('lines end as they may, a mark may stand before them, and an event may have several', () => {
  const start = '{"type":"ping",\ndata:"delta":{"text":""}}';
  const token = '{"delta":\ndata: "x"}';
  for (const end of ['\n', '\r', '\r\n']) {
    const text = `\ufeffdata: ${start}\n\ndata:${token}\n\n`.replaceAll('\n', end);
    const bytes = Buffer.from(text);
    const hitAt = bytes.lastIndexOf('x');
    const one = new FirstTokenWatch();
    assert.equal(one.take(bytes.subarray(0, hitAt)), false);
    assert.equal(one.take(bytes.subarray(hitAt, hitAt + 1)), true);
  }
});

test('after the hit it says so for ever', () => {
  const one = new FirstTokenWatch();
  assert.equal(one.hasBegun, false);
  one.take(Buffer.from('data: {"delta":"x"}\n\n'));
  assert.equal(one.hasBegun, true);
  assert.equal(one.take(Buffer.from('data: {"type":"ping"}\n\n')), true);
  assert.equal(one.take(Buffer.alloc(0)), true);
});

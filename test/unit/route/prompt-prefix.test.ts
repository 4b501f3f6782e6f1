/** Which requests are taken for parts of the same prompt. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashPrompt, NO_PROMPT } from '../../../src/route/balance/prompt-prefix.js';
import { createJsonRequest } from '../../helpers/balance-scene.js';

const SYSTEM = { role: 'system', content: 'You are brief. Say "no" \\ and {[' };
const QUESTION = { role: 'user', content: 'Why?' };
const LONG = 'All of the rules of the house. '.repeat(100);

function hash(body: unknown): number {
  return hashPrompt(createJsonRequest(body));
}

function assertSame(one: unknown, other: unknown, why: string): void {
  assert.notEqual(hash(one), NO_PROMPT);
  assert.equal(hash(one), hash(other), why);
}

function assertDiffer(one: unknown, other: unknown, why: string): void {
  assert.notEqual(hash(one), hash(other), why);
}

test('all requests of a conversation have one hash', () => {
  const first = { model: 'm', messages: [SYSTEM, QUESTION] };
  const reply = { role: 'assistant', content: 'Because.' };
  const second = { model: 'm', messages: [SYSTEM, QUESTION, reply, QUESTION], stream: true };
  assertSame(first, second, 'the second turn');
  assertSame({ messages: [QUESTION] }, { messages: [QUESTION, reply, SYSTEM] }, 'no system prompt');
  const swapped = { role: 'user', content: 'Why?', name: 'x' };
  assertDiffer(first, { messages: [SYSTEM, swapped] }, 'another conversation');
  const late = { content: 'Why?', role: 'user' };
  assertSame({ input: [late] }, { input: [late, reply] }, 'the role stands last');
  assertDiffer({ input: [late] }, { input: [{ ...late, content: 'No' }] }, 'another question');
});

test('long instructions keep all together that share them', () => {
  const ask = (content: string) => ({
    messages: [
      { role: 'system', content: LONG },
      { role: 'user', content },
    ],
  });
  assertSame(ask('a'), ask('b'), 'OpenAI');
  const system = [{ type: 'text', text: LONG, cache_control: { type: 'ephemeral' } }];
  assertSame(
    { system, messages: [QUESTION] },
    { messages: [SYSTEM, QUESTION], system },
    'Anthropic',
  );
  assertDiffer(
    { system, messages: [] },
    { system: `x${LONG}`, messages: [] },
    'other instructions',
  );
  assertSame({ instructions: LONG, input: 'a' }, { input: 'b', instructions: LONG }, 'Responses');
});

test('short instructions count together with the first question', () => {
  const brief = { system: 'Brief.', messages: [QUESTION] };
  assertSame(brief, { messages: [QUESTION, SYSTEM], tools: [], system: 'Brief.' }, 'any order');
  assertDiffer(brief, { system: 'Long.', messages: [QUESTION] }, 'other instructions');
  assertDiffer(brief, { messages: [QUESTION] }, 'none');
  assertDiffer({ prompt: 'a' }, { prompt: 'b' }, 'completions');
  assertSame({ prompt: `${LONG}a` }, { prompt: `${LONG}b` }, 'completions, beyond the beginning');
});

test('only keys of the request itself are looked at', () => {
  const nested = { metadata: { messages: [SYSTEM], note: '"messages":[' }, messages: [QUESTION] };
  assertSame(nested, { messages: [QUESTION] }, 'nested');
  const inMessage = { messages: [{ role: 'tool', content: [{ role: 'user' }] }, QUESTION, SYSTEM] };
  const other = { messages: [{ role: 'tool', content: [{ role: 'user' }] }, SYSTEM] };
  assertDiffer(inMessage, other, 'a role inside of a message is not the message’s');
});

test('where there is no prompt none is made up', () => {
  for (const body of [
    '',
    '{',
    '{}',
    '[]',
    '"messages"',
    '{"messages"',
    '{"messages":',
    '{"a":1}',
  ]) {
    assert.equal(hash(body), NO_PROMPT, body);
  }
  const form = createJsonRequest({ messages: [QUESTION] });
  form.body = { ...form.body!, isModelJson: false };
  assert.equal(hashPrompt(form), NO_PROMPT);
  const late = { tools: 'x'.repeat(70_000), messages: [QUESTION] };
  assert.equal(hash(late), NO_PROMPT, 'too far behind');
});

test('the hash outlives the body, which is gone when another target is chosen', () => {
  const request = createJsonRequest({ messages: [QUESTION] });
  const first = hashPrompt(request);
  request.body?.bytes.fill(0x20);
  assert.equal(hashPrompt(request), first);
  request.body = null;
  assert.equal(hashPrompt(request), first);
});

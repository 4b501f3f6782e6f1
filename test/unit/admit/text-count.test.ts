/** Counting: known texts, the right vocabulary for a model, and texts made to take long. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countTokens as countCl100k } from 'gpt-tokenizer/encoding/cl100k_base';
import { countTokens as countO200k, encodeChat } from 'gpt-tokenizer/model/gpt-4o';
import { countPrompt } from '../../../src/admit/prompt-text.js';
import { chooseEncoding, countInPieces, loadEncoding } from '../../../src/admit/text-count.js';

const TEXT = 'The quick brown fox jumps over the lazy dog, again and again. ';

test('known texts have the numbers of tokens that OpenAI’s tokeniser shows', async () => {
  const o200k = await loadEncoding('o200k');
  const cl100k = await loadEncoding('cl100k');
  assert.equal(o200k('hello world'), 2);
  assert.equal(cl100k('hello world'), 2);
  assert.equal(o200k('tiktoken is great!'), 6);
  assert.equal(cl100k('tiktoken is great!'), 6);
  assert.equal(cl100k('antidisestablishmentarianism'), 6);
  assert.equal(cl100k('お誕生日おめでとう'), 9);
  assert.equal(o200k('お誕生日おめでとう'), 8);
  assert.equal(o200k(''), 0);
});

test('text that looks like a special token is counted as text, and does not throw', async () => {
  const o200k = await loadEncoding('o200k');
  assert.ok(o200k('<|endoftext|>') > 1);
  assert.ok(o200k('__proto__ constructor \u0000 \ud800') > 3);
});

test('a model is counted with the vocabulary that it has', () => {
  for (const model of [
    'gpt-4o',
    'gpt-4o-mini',
    'gpt-4.1-nano',
    'gpt-4.5-preview',
    'gpt-5',
    'o1',
    'o3-mini',
    'chatgpt-4o-latest',
    'openai/gpt-5.6-luna',
    'ft:gpt-4o-mini-2024-07-18:org::id',
    'codex-mini-latest',
    'gpt-oss-120b',
    'GPT-4O',
  ]) {
    assert.deepEqual(chooseEncoding(model), { name: 'o200k', factor: 1 }, model);
  }
  for (const model of [
    'gpt-4',
    'gpt-4-turbo',
    'gpt-4-0613',
    'gpt-3.5-turbo',
    'gpt-35-turbo',
    'text-embedding-3-small',
    'ft:gpt-3.5-turbo:org::id',
  ]) {
    assert.deepEqual(chooseEncoding(model), { name: 'cl100k', factor: 1 }, model);
  }
  for (const model of [
    'claude-sonnet-5',
    'anthropic.claude-opus-5-v1:0',
    'gemini-2.5-pro',
    'llama-3-70b',
    '',
    'on-prem',
  ]) {
    const { name, factor } = chooseEncoding(model);
    assert.ok(name === 'o200k' && factor > 1 && factor < 1.5, model);
  }
});

test('a text with spaces is counted whole; cutting long runs errs by a hundredth downwards and a sixth upwards at most', async () => {
  const o200k = await loadEncoding('o200k');
  const prose = TEXT.repeat(100);
  assert.equal(o200k(prose), countO200k(prose));
  for (const run of [
    'x'.repeat(3000),
    ' '.repeat(3000),
    '今天天气很好我们去公园散步吧'.repeat(100),
    '😀'.repeat(700),
    'https://example.org/'.repeat(150),
  ]) {
    const exact = countO200k(run);
    const counted = o200k(run);
    assert.ok(
      counted >= exact * 0.99 && counted <= exact * 1.15 + 2,
      `${run.slice(0, 20)}: ${counted}, exactly ${exact}`,
    );
  }
});

test('no piece has a run longer than the bound, and the pieces are the text', () => {
  const text = `${'a'.repeat(1000)} b ${'\n'.repeat(500)}x${'😀'.repeat(300)}`;
  const pieces: string[] = [];
  countInPieces(text, (piece) => {
    pieces.push(piece);
    return 0;
  });
  assert.equal(pieces.join(''), text);
  for (const piece of pieces) {
    assert.ok(!/[^\s]{131}|\s{131}/.test(piece), piece);
    assert.ok(!/^[\udc00-\udfff]/.test(piece), 'a pair of surrogates was cut');
  }
});

test('a chat has as many tokens as the tokeniser’s own chat encoding, within one a message', async () => {
  const o200k = await loadEncoding('o200k');
  const messages = [
    { role: 'system', content: 'You are a helpful assistant.' },
    { role: 'user', content: TEXT.repeat(5) },
    { role: 'assistant', content: 'Indeed.' },
    { role: 'user', content: 'Why?' },
  ] as const;
  const exact = encodeChat(messages).length;
  const counted = countPrompt({ model: 'gpt-4o', messages, temperature: 1 }, o200k) ?? 0;
  assert.ok(counted >= exact && counted <= exact + messages.length, `${counted}, exactly ${exact}`);
});

test('each dialect’s prompt is found', () => {
  const count = (text: string): number => text.split(' ').length;
  const text = 'one two three';
  for (const [body, words] of [
    [{ messages: [{ role: 'user', content: text }] }, 3 + 4],
    [
      {
        messages: [{ role: 'user', content: [{ type: 'text', text }] }],
        system: [{ type: 'text', text }],
      },
      6 + 8,
    ],
    [{ input: text, instructions: text }, 6],
    [{ input: [text, text] }, 6],
    [{ input: [1, 2, 3] }, 3],
    [{ prompt: text }, 3],
    [
      { contents: [{ role: 'user', parts: [{ text }] }], systemInstruction: { parts: [{ text }] } },
      6 + 4,
    ],
  ] as const) {
    assert.equal(countPrompt(body, count), words + 3, JSON.stringify(body));
  }
});

test('tools count with the names of their fields', () => {
  const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }];
  const withTools = countPrompt({ input: 'a', tools }, countCl100k) ?? 0;
  assert.equal(
    withTools - (countPrompt({ input: 'a' }, countCl100k) ?? 0),
    countCl100k(JSON.stringify(tools)),
  );
});

test('pictures are not counted as text, long words are', () => {
  const count = (text: string): number => text.length;
  const url = `data:image/png;base64,${Buffer.alloc(30_000, 7).toString('base64')}`;
  const body = {
    messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }],
  };
  assert.equal(countPrompt(body, count), 7);
  assert.equal(countPrompt({ input: 'a'.repeat(3071) }, count), 3071 + 3);
});

test('text is counted though it looks like base64, wherever text stands', () => {
  const count = (text: string): number => text.length;
  const long = 'a'.repeat(10_000);
  for (const body of [
    { input: long },
    { input: [long] },
    { messages: [{ role: 'user', content: long }] },
    { messages: [{ role: 'user', content: [{ type: 'text', text: long }] }] },
  ]) {
    const tokens = countPrompt(body, count) ?? 0;
    assert.ok(tokens >= 10_000, JSON.stringify(body).slice(0, 60));
  }
});

test('what is no request has no count', () => {
  for (const body of [null, 1, 'text', [], {}, { model: 'm' }]) {
    assert.equal(
      countPrompt(body, () => 1),
      null,
    );
  }
});

test('a body nested deeper than a stack reaches is counted', () => {
  const deep = JSON.parse(`${'['.repeat(200_000)}"a"${']'.repeat(200_000)}`);
  assert.equal(
    countPrompt({ input: deep }, () => 1),
    1 + 4 + 3,
  );
});

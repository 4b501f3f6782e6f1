/**
 * What `npm start` serves without a key in the environment: the README's commands as they are printed, and
 * the official SDKs with nothing changed but base URL and key.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { type Gateway, startGateway } from '../helpers/gateway.js';
import { hasProgram, REPOSITORY, skipUnless } from '../helpers/need.js';

const README = readFileSync(join(REPOSITORY, 'README.md'), 'utf8');
const NO_KEYS = {
  OPENAI_API_KEY: '',
  ANTHROPIC_API_KEY: '',
  OPENAI_BASE_URL: '',
  ANTHROPIC_BASE_URL: '',
};

/** The arguments behind `--config <file>` in the `start` script, and that file on ports of its own. */
function readStartCommand(): { args: string[]; config: string } {
  const { scripts } = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const match = /^node dist\/main\.js --config (\S+) (.+)$/.exec(scripts['start'] ?? '');
  assert.ok(match !== null, `npm start has become ${scripts['start']}`);
  const file = readFileSync(join(REPOSITORY, match[1] ?? ''), 'utf8');
  const config = file
    .replace(/^(listen: \S+):8080/m, '$1:0')
    .replace(/^(admin: \S+):8081/m, '$1:0');
  assert.match(config, /^listen: 0\.0\.0\.0:0 [\s\S]*^admin: 127\.0\.0\.1:0 /m);
  return { args: (match[2] ?? '').split(' '), config };
}

/** Commands as the README prints them, continuation lines included. */
function findCurls(): string[] {
  const blocks = [...README.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, text = '']) => text);
  const inBlocks = blocks.flatMap((text) => text.match(/^curl(?:.*\\\n)*.*$/gm) ?? []);
  const inText = [...README.matchAll(/`(curl [^`]+)`/g)].map(([, text = '']) => text);
  return [...inBlocks, ...inText];
}

describe('npm start without keys', () => {
  let gateway: Gateway;
  let openai: OpenAI;
  let anthropic: Anthropic;

  before(async () => {
    const { args, config } = readStartCommand();
    gateway = await startGateway({ config, args, env: NO_KEYS });
    const [openaiUrl, anthropicUrl] = [...README.matchAll(/baseURL: '([^']+)'/g)].map(
      ([, url = '']) => onOwnPorts(url),
    );
    assert.ok(openaiUrl !== undefined && anthropicUrl !== undefined, 'the README shows no SDK');
    openai = new OpenAI({ baseURL: openaiUrl, apiKey: 'your key', maxRetries: 0 });
    anthropic = new Anthropic({ baseURL: anthropicUrl, apiKey: 'your key', maxRetries: 0 });
  });

  after(() => gateway?.stop());

  function onOwnPorts(text: string): string {
    return text
      .replaceAll('//localhost:8080', `//127.0.0.1:${gateway.port}`)
      .replaceAll('//localhost:8081', `//127.0.0.1:${gateway.adminPort}`);
  }

  it('readme-curl-gets-no-answer', { skip: skipUnless(hasProgram('curl'), 'curl') }, async () => {
    const curls = findCurls();
    assert.equal(curls.length, 3, `the README has other commands now: ${curls.join('\n')}`);
    const outputs: string[] = [];
    for (const command of curls) {
      const line = onOwnPorts(command).replace(/^curl /, 'curl --silent --show-error --fail ');
      outputs.push((await promisify(execFile)('bash', ['-c', line], { timeout: 10_000 })).stdout);
    }
    const [json = '', stream = '', ready = ''] = outputs;
    const answer = JSON.parse(json) as OpenAI.ChatCompletion;
    assert.equal(answer.model, 'gpt-4o-mini');
    assert.ok((answer.choices[0]?.message.content ?? '').length > 0, json);
    assert.ok(stream.split('\n\n').length > 10, stream);
    assert.match(stream, /^data: \{[\s\S]*data: \[DONE\]\n\n$/);
    assert.match(ready, /"ready"/);
  });

  it('openai-sdk-gets-no-answer-or-another', async () => {
    const body = { model: 'gpt-4o-mini', messages: [{ role: 'user' as const, content: 'Hello' }] };
    const whole = await openai.chat.completions.create(body);
    const text = whole.choices[0]?.message.content ?? '';
    assert.ok(text.length > 0);
    const stream = await openai.chat.completions.create({
      ...body,
      stream: true,
      stream_options: { include_usage: true },
    });
    let streamed = '';
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of stream) {
      streamed += chunk.choices[0]?.delta.content ?? '';
      usage = chunk.usage ?? usage;
    }
    assert.equal(streamed, text);
    assert.equal(usage?.completion_tokens, whole.usage?.completion_tokens);
  });

  it('openai-sdk-gets-no-embeddings-or-models', async () => {
    const embedded = await openai.embeddings.create({
      model: 'text-embedding-3-small',
      input: ['a river', 'a weir'],
      dimensions: 8,
    });
    assert.deepEqual(
      embedded.data.map(({ embedding }) => embedding.length),
      [8, 8],
    );
    const ids: string[] = [];
    for await (const model of openai.models.list()) ids.push(model.id);
    assert.ok(ids.includes('gpt-4o') && ids.includes('claude-sonnet-4-5'), ids.join(' '));
    const model = await openai.models.retrieve('gpt-4o-mini');
    assert.deepEqual([model.id, model.object, model.owned_by], ['gpt-4o-mini', 'model', 'openai']);
  });

  it('renamed-model-is-not-renamed', async () => {
    const answer = await openai.chat.completions.create({ model: 'fast', messages: [] });
    assert.equal(answer.model, 'gpt-4o-mini');
  });

  it('anthropic-sdk-gets-no-answer-or-another', async () => {
    const body = {
      model: 'claude-haiku-4-5',
      max_tokens: 40,
      messages: [{ role: 'user' as const, content: 'Hello' }],
    };
    const whole = await anthropic.messages.create(body);
    const [block] = whole.content;
    const text = block?.type === 'text' ? block.text : '';
    assert.ok(text.length > 0);
    const stream = anthropic.messages.stream(body);
    assert.equal(await stream.finalText(), text);
    const { usage } = await stream.finalMessage();
    assert.equal(usage.output_tokens, whole.usage.output_tokens);
    const { model, max_tokens: _bound, ...countable } = body;
    const counted = await anthropic.messages.countTokens({ model, ...countable });
    assert.ok(counted.input_tokens > 0);
  });

  it('anthropic-sdk-gets-no-models', async () => {
    const ids: string[] = [];
    for await (const model of anthropic.models.list()) ids.push(model.id);
    assert.ok(ids.includes('claude-haiku-4-5'), ids.join(' '));
    const model = await anthropic.models.retrieve('claude-haiku-4-5');
    assert.deepEqual([model.id, model.type], ['claude-haiku-4-5', 'model']);
  });
});

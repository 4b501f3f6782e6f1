/** A gateway with limited consumers in front of a scripted provider, and what tests ask of it. */
import assert from 'node:assert/strict';
import { type ConfigText, type Gateway, startGateway } from './gateway.js';
import { LAST_CHUNK, renderChunk, renderHead, renderJson } from './http-text.js';
import { MockUpstream, type MockUpstreamOptions, type Script, send } from './mock-upstream.js';

/** A row of `/api/limits`, as far as tests read it. */
export interface LimitRow {
  readonly consumer: string;
  readonly limit: string;
  readonly capacity: number;
  readonly level: number;
  readonly held: number;
  readonly settled: number;
  readonly refunded: number;
  readonly refused: number;
}

export interface LimitedGateway {
  readonly gateway: Gateway;
  readonly upstream: MockUpstream;
  stop(): Promise<void>;
}

export interface LimitedOptions {
  /** By consumer; the key is `wk-<name>`. */
  readonly limits: Readonly<Record<string, readonly ConfigText[]>>;
  readonly workers?: number;
  readonly upstream?: MockUpstreamOptions;
  readonly config?: ConfigText;
  readonly models?: ConfigText;
}

export async function startLimited(options: LimitedOptions): Promise<LimitedGateway> {
  const upstream = await MockUpstream.start(options.upstream);
  const consumers = Object.fromEntries(
    Object.entries(options.limits).map(([name, limits]) => [
      name,
      { keys: [`wk-${name}`], limits },
    ]),
  );
  const config = {
    providers: {
      mock: { dialect: 'openai', base_url: upstream.baseUrl, api_key: 'sk-upstream-secret' },
      claude: {
        dialect: 'anthropic',
        base_url: upstream.baseUrl.replace(/\/v1$/, ''),
        api_key: 'sk-upstream-secret',
      },
    },
    models: {
      'gpt-4o': { provider: 'mock' },
      other: { provider: 'mock', model: 'gpt-4o-mini' },
      'claude-haiku-4-5': { provider: 'claude' },
      ...options.models,
    },
    consumers,
    ...options.config,
  };
  const gateway = await startGateway({ workers: options.workers ?? 2, config }).catch(
    async (error: unknown) => {
      await upstream.stop();
      throw error;
    },
  );
  return {
    gateway,
    upstream,
    stop: async () => {
      await gateway.stop().finally(() => upstream.stop());
    },
  };
}

export async function readLimits(gateway: Gateway, consumer: string): Promise<LimitRow[]> {
  const answer = await fetch(`${gateway.adminUrl}/api/limits?consumer=${consumer}`);
  assert.equal(answer.status, 200);
  const { limits } = (await answer.json()) as { limits: LimitRow[] };
  return limits;
}

/** The row of one limit, found by how its text begins. */
export async function readLimit(gateway: Gateway, consumer: string, limit: string) {
  const rows = await readLimits(gateway, consumer);
  const row = rows.find((entry) => entry.limit.startsWith(limit));
  assert.ok(row, `no limit ${limit} in ${JSON.stringify(rows)}`);
  return row;
}

/** Settled and refunded may come a moment after the answer's last byte. */
export async function untilSettled(gateway: Gateway, consumer: string): Promise<LimitRow[]> {
  const untilMs = performance.now() + 5000;
  let last = '';
  for (;;) {
    const rows = await readLimits(gateway, consumer);
    // What is held is cleared a moment before it is counted as settled, so that one reading may fall in between.
    const text = JSON.stringify(
      rows.map(({ held, settled, refunded }) => [held, settled, refunded]),
    );
    if (rows.every(({ held }) => held === 0) && text === last) return rows;
    last = text;
    assert.ok(performance.now() < untilMs, `still held: ${JSON.stringify(rows)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export function askChat(gateway: Gateway, consumer: string, extra: ConfigText = {}) {
  return fetch(`${gateway.baseUrl}/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer wk-${consumer}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'gpt-4o',
      messages: [{ role: 'user', content: 'Hello' }],
      ...extra,
    }),
  });
}

/** A chat completion's body with that usage. */
export function chatBody(promptTokens: number, completionTokens: number): object {
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: 'gpt-4o',
    choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }],
    usage: {
      prompt_tokens: promptTokens,
      completion_tokens: completionTokens,
      total_tokens: promptTokens + completionTokens,
    },
  };
}

/** The events of a chat stream: so many words, and usage in the end as OpenAI sends it when it is asked for. */
export function chatEvents(words: number, usage: object | null): string[] {
  const base = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'gpt-4o' };
  const extra = usage === null ? {} : { usage: null };
  const event = (value: object): string => `data: ${JSON.stringify(value)}\n\n`;
  const chunk = (delta: object, reason: string | null): string =>
    event({ ...base, choices: [{ index: 0, delta, finish_reason: reason }], ...extra });
  return [
    chunk({ role: 'assistant', content: '' }, null),
    ...Array.from({ length: words }, (_, index) => chunk({ content: `word${index} ` }, null)),
    chunk({}, 'stop'),
    ...(usage === null ? [] : [event({ ...base, choices: [], usage })]),
    'data: [DONE]\n\n',
  ];
}

/** What a provider of chats answers: five words as events where the request's text asks for a stream, else a body. */
export function answerChat(
  text: string,
  usage: { readonly prompt_tokens: number; readonly completion_tokens: number },
): Script {
  if (!text.includes('"stream":true')) {
    return [send(renderJson(chatBody(usage.prompt_tokens, usage.completion_tokens)))];
  }
  const head = renderHead('HTTP/1.1 200 OK', [
    ['content-type', 'text/event-stream'],
    ['transfer-encoding', 'chunked'],
  ]);
  const events = chatEvents(5, usage).map((event) => send(renderChunk(event)));
  return [send(head), ...events, send(LAST_CHUNK)];
}

/**
 * Requests and answers that belong together by an id: the provider renders the answer from the request, the client knows
 * what it must be to the byte. Nothing else than the id decides, so that it does not matter which target answered.
 */
import { chooseUsage, type Spec } from './spec.js';

const JSON_TYPE = 'application/json';
const STREAM_TYPE = 'text/event-stream';

export interface Answer {
  readonly contentType: string;
  /** Of a stream an event each; else one. */
  readonly pieces: readonly string[];
}

/** @param hasUsage the request asked for usage: of streams of the OpenAI dialect alone. */
export function renderAnswer(spec: Spec, hasUsage: boolean): Answer {
  if (spec.isStream) {
    const pieces = spec.dialect === 'openai' ? openaiEvents(spec, hasUsage) : anthropicEvents(spec);
    return { contentType: STREAM_TYPE, pieces };
  }
  const body = spec.dialect === 'openai' ? openaiBody(spec) : anthropicBody(spec);
  return { contentType: JSON_TYPE, pieces: [JSON.stringify(body)] };
}

/** The way to ask, as the client writes it. */
export function renderAsk(spec: Spec, model: string): { target: string; body: string } {
  const messages = [{ role: 'user', content: spec.id }];
  const stream = spec.isStream ? { stream: true } : {};
  if (spec.dialect === 'anthropic') {
    const body = JSON.stringify({ model, max_tokens: 64, messages, ...stream });
    return { target: '/v1/messages', body };
  }
  const usage = spec.asksUsage ? { stream_options: { include_usage: true } } : {};
  const body = JSON.stringify({ model, max_tokens: 64, messages, ...stream, ...usage });
  return { target: '/v1/chat/completions', body };
}

/** An error as a provider of that dialect writes it. */
export function renderError(dialect: Spec['dialect'], type: string, message: string): string {
  return dialect === 'anthropic'
    ? JSON.stringify({ type: 'error', error: { type, message } })
    : JSON.stringify({ error: { message, type, param: null, code: null } });
}

/** Whether it has the shape in which that dialect's SDKs read errors. */
export function isErrorOf(dialect: Spec['dialect'], text: string): boolean {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return false;
  }
  if (typeof value !== 'object' || value === null) return false;
  const { type, error } = value as Readonly<Record<string, unknown>>;
  if (typeof error !== 'object' || error === null) return false;
  const { type: kind, message } = error as Readonly<Record<string, unknown>>;
  const hasBoth = typeof kind === 'string' && typeof message === 'string' && message !== '';
  return hasBoth && (dialect === 'openai' || type === 'error');
}

function listWords({ id, words }: Spec): string[] {
  return Array.from({ length: words }, (_, at) => `${id}/${at} `);
}

function openaiBody(spec: Spec): object {
  const content = listWords(spec).join('');
  return {
    id: `chatcmpl-${spec.id}`,
    object: 'chat.completion',
    created: 1,
    model: 'm',
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
    usage: openaiUsage(spec),
  };
}

function openaiUsage(spec: Spec): object {
  const { inputTokens, outputTokens } = chooseUsage(spec);
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
  };
}

function openaiEvents(spec: Spec, hasUsage: boolean): string[] {
  const base = {
    id: `chatcmpl-${spec.id}`,
    object: 'chat.completion.chunk',
    created: 1,
    model: 'm',
  };
  const none = hasUsage ? { usage: null } : {};
  const event = (value: object): string => `data: ${JSON.stringify(value)}\n\n`;
  const chunk = (delta: object, finish_reason: string | null): string =>
    event({ ...base, choices: [{ index: 0, delta, finish_reason }], ...none });
  return [
    chunk({ role: 'assistant', content: '' }, null),
    ...listWords(spec).map((content) => chunk({ content }, null)),
    chunk({}, 'stop'),
    ...(hasUsage ? [event({ ...base, choices: [], usage: openaiUsage(spec) })] : []),
    'data: [DONE]\n\n',
  ];
}

function anthropicBody(spec: Spec): object {
  const { inputTokens, outputTokens } = chooseUsage(spec);
  return {
    id: `msg_${spec.id}`,
    type: 'message',
    role: 'assistant',
    model: 'm',
    content: [{ type: 'text', text: listWords(spec).join('') }],
    stop_reason: 'end_turn',
    stop_sequence: null,
    usage: { input_tokens: inputTokens, output_tokens: outputTokens },
  };
}

function anthropicEvents(spec: Spec): string[] {
  const { inputTokens, outputTokens } = chooseUsage(spec);
  const event = (type: string, value: object): string =>
    `event: ${type}\ndata: ${JSON.stringify({ type, ...value })}\n\n`;
  const message = {
    ...{ id: `msg_${spec.id}`, type: 'message', role: 'assistant', model: 'm', content: [] },
    ...{ stop_reason: null, stop_sequence: null },
    usage: { input_tokens: inputTokens, output_tokens: 1 },
  };
  const block = { index: 0, content_block: { type: 'text', text: '' } };
  return [
    event('message_start', { message }),
    event('content_block_start', block),
    ...listWords(spec).map((text) =>
      event('content_block_delta', { index: 0, delta: { type: 'text_delta', text } }),
    ),
    event('content_block_stop', { index: 0 }),
    event('message_delta', {
      delta: { stop_reason: 'end_turn', stop_sequence: null },
      usage: { output_tokens: outputTokens },
    }),
    event('message_stop', {}),
  ];
}

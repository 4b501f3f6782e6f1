/**
 * Anthropic's shapes, taken from recorded answers of the real API; see openai.ts for why nothing varies.
 */
import { DEMO_MODELS } from './openai.js';
import type { AnswerFacts, AnswerFrame, StreamFrame, TextApi } from './text-api.js';
import { getEventCycle } from './words.js';

const MESSAGE = `"id":"msg_weirdemo","type":"message","role":"assistant"`;

export const messages: TextApi = {
  dialect: 'anthropic',

  frameAnswer(facts: AnswerFacts): AnswerFrame {
    return {
      before: `{"model":"${facts.model}",${MESSAGE},"content":[{"type":"text","text":"`,
      after: `"}],"stop_reason":"${stopReason(facts)}","stop_sequence":null`,
      tail: `,"usage":${writeUsage(facts.promptTokens, facts.tokens)}}`,
    };
  },

  frameStream(facts: AnswerFacts): StreamFrame {
    const start =
      `{"type":"message_start","message":{"model":"${facts.model}",${MESSAGE},"content":[],` +
      `"stop_reason":null,"stop_sequence":null,"usage":${writeUsage(facts.promptTokens, Math.min(1, facts.tokens))}}}`;
    const delta =
      `{"type":"message_delta","delta":{"stop_reason":"${stopReason(facts)}","stop_sequence":null},` +
      `"usage":{"input_tokens":${facts.promptTokens},"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":${facts.tokens}}}`;
    return {
      opening:
        writeEvent('message_start', start) +
        writeEvent(
          'content_block_start',
          `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`,
        ) +
        writeEvent('ping', `{"type":"ping"}`),
      cycle: getEventCycle(
        `event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"`,
        `"}}\n\n`,
      ),
      closing:
        writeEvent('content_block_stop', `{"type":"content_block_stop","index":0}`) +
        writeEvent('message_delta', delta) +
        writeEvent('message_stop', `{"type":"message_stop"}`),
    };
  },
};

export function writeAnthropicModels(): string {
  const data = DEMO_MODELS.map(writeAnthropicModel).join(',');
  return `{"data":[${data}],"has_more":false,"first_id":"${DEMO_MODELS[0]}","last_id":"${DEMO_MODELS.at(-1)}"}`;
}

/** @param model as it stands between quotes in JSON. */
export function writeAnthropicModel(model: string): string {
  return `{"type":"model","id":"${model}","display_name":"${model}","created_at":"2025-11-22T00:00:00Z"}`;
}

function stopReason(facts: AnswerFacts): string {
  return facts.isCapped ? 'max_tokens' : 'end_turn';
}

function writeUsage(inputTokens: number, outputTokens: number): string {
  return (
    `{"input_tokens":${inputTokens},"cache_creation_input_tokens":0,"cache_read_input_tokens":0,` +
    `"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},` +
    `"output_tokens":${outputTokens},"service_tier":"standard"}`
  );
}

function writeEvent(name: string, data: string): string {
  return `event: ${name}\ndata: ${data}\n\n`;
}

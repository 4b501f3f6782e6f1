/**
 * OpenAI's shapes, taken from recorded answers of the real API. Ids and times are constant, so that the same
 * request gets the same bytes and a copy that went through a gateway can be compared with one that did not.
 */
import type { AnswerFacts, AnswerFrame, StreamFrame, TextApi } from './text-api.js';
import { getEventCycle } from './words.js';

const CREATED = 1_763_769_600;
const ORIGIN = `"service_tier":"default","system_fingerprint":"fp_weirdemo"`;

export const DEMO_MODELS: readonly string[] = ['demo-large', 'demo-small', 'demo-embedding'];

export const chatCompletions: TextApi = {
  dialect: 'openai',

  frameAnswer(facts: AnswerFacts): AnswerFrame {
    return {
      before:
        `{"id":"chatcmpl-weirdemo","object":"chat.completion","created":${CREATED},"model":"${facts.model}",` +
        `"choices":[{"index":0,"message":{"role":"assistant","content":"`,
      after: `","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"${finishReason(facts)}"}]`,
      tail: `,"usage":${writeUsage(facts)},${ORIGIN}}`,
    };
  },

  frameStream(facts: AnswerFacts): StreamFrame {
    const chunk = `data: {"id":"chatcmpl-weirdemo","object":"chat.completion.chunk","created":${CREATED},"model":"${facts.model}",${ORIGIN},"choices":[`;
    const end = facts.includesUsage ? `],"usage":null}\n\n` : ']}\n\n';
    const usage = facts.includesUsage ? `${chunk}],"usage":${writeUsage(facts)}}\n\n` : '';
    return {
      opening: `${chunk}{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}${end}`,
      cycle: getEventCycle(
        `${chunk}{"index":0,"delta":{"content":"`,
        `"},"logprobs":null,"finish_reason":null}${end}`,
      ),
      closing: `${chunk}{"index":0,"delta":{},"logprobs":null,"finish_reason":"${finishReason(facts)}"}${end}${usage}data: [DONE]\n\n`,
    };
  },
};

export const legacyCompletions: TextApi = {
  dialect: 'openai',

  frameAnswer(facts: AnswerFacts): AnswerFrame {
    return {
      before: `{"id":"cmpl-weirdemo","object":"text_completion","created":${CREATED},"model":"${facts.model}","choices":[{"text":"`,
      after: `","index":0,"logprobs":null,"finish_reason":"${finishReason(facts)}"}]`,
      tail: `,"usage":${writeUsage(facts)}}`,
    };
  },

  frameStream(facts: AnswerFacts): StreamFrame {
    const chunk = `data: {"id":"cmpl-weirdemo","object":"text_completion","created":${CREATED},"choices":[`;
    const model = `"model":"${facts.model}"`;
    const end = facts.includesUsage ? `],${model},"usage":null}\n\n` : `],${model}}\n\n`;
    const usage = facts.includesUsage ? `${chunk}],${model},"usage":${writeUsage(facts)}}\n\n` : '';
    return {
      opening: '',
      cycle: getEventCycle(
        `${chunk}{"text":"`,
        `","index":0,"logprobs":null,"finish_reason":null}${end}`,
      ),
      closing: `${chunk}{"text":"","index":0,"logprobs":null,"finish_reason":"${finishReason(facts)}"}${end}${usage}data: [DONE]\n\n`,
    };
  },
};

export function writeOpenaiModels(): string {
  return `{"object":"list","data":[${DEMO_MODELS.map(writeOpenaiModel).join(',')}]}`;
}

/** @param model as it stands between quotes in JSON. */
export function writeOpenaiModel(model: string): string {
  return `{"id":"${model}","object":"model","created":${CREATED},"owned_by":"weir-demo"}`;
}

function finishReason(facts: AnswerFacts): string {
  return facts.isCapped ? 'length' : 'stop';
}

function writeUsage({ promptTokens, tokens }: AnswerFacts): string {
  return (
    `{"prompt_tokens":${promptTokens},"completion_tokens":${tokens},"total_tokens":${promptTokens + tokens},` +
    `"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":` +
    `{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}`
  );
}

/** OpenAI's shapes: platform.openai.com/docs/api-reference (errors, models). */
import type { GatewayError } from '../../core/errors.js';
import type { Dialect, ModelEntry } from '../dialect.js';

export const openaiDialect: Dialect = {
  formatError: (error) => (error.isShared ? formatShared(error) : formatError(error)),
  formatStreamError: (error) => `data: ${JSON.stringify(describeError(error))}\n\n`,
  formatStreamLength: (model, exchangeId, createdMs) => {
    const chunk = {
      id: exchangeId,
      object: 'chat.completion.chunk',
      created: Math.trunc(createdMs / 1000),
      model,
      choices: [{ index: 0, delta: {}, finish_reason: 'length' }],
    };
    return `data: ${JSON.stringify(chunk)}\n\n`;
  },
  formatModels: (models, createdMs) =>
    JSON.stringify({
      object: 'list',
      data: models.map((model) => describeModel(model, createdMs)),
    }),
  formatModel: (model, createdMs) => JSON.stringify(describeModel(model, createdMs)),
  tokenRequest: (model) => ({
    path: '/v1/chat/completions',
    headers: [],
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'ping' }], max_tokens: 1 }),
  }),
  credential: (apiKey) => ['authorization', `Bearer ${apiKey}`],
};

function formatError(error: GatewayError): string {
  return JSON.stringify(describeError(error));
}

/** Each goes with its error. */
const sharedTexts = new WeakMap<GatewayError, string>();

function formatShared(error: GatewayError): string {
  const text = sharedTexts.get(error) ?? formatError(error);
  sharedTexts.set(error, text);
  return text;
}

function describeError(error: GatewayError) {
  return {
    error: {
      message: error.message,
      type: error.row.openaiType,
      param: error.param,
      code: error.code,
    },
  };
}

function describeModel(model: ModelEntry, createdMs: number) {
  return {
    id: model.id,
    object: 'model',
    created: Math.trunc(createdMs / 1000),
    owned_by: model.owner,
  };
}

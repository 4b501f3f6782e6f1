/** Anthropic's shapes: docs.anthropic.com/en/api (errors, streaming, models). */
import type { GatewayError } from '../../core/errors.js';
import type { Dialect, ModelEntry } from '../dialect.js';

export const anthropicDialect: Dialect = {
  formatError: (error, exchangeId) => JSON.stringify(describeError(error, exchangeId)),
  formatStreamError: (error, exchangeId) =>
    `event: error\ndata: ${JSON.stringify(describeError(error, exchangeId))}\n\n`,
  formatStreamLength: () => {
    const delta = { type: 'message_delta', delta: { stop_reason: 'max_tokens' } };
    return `event: message_delta\ndata: ${JSON.stringify(delta)}\n\n`;
  },
  formatModels: (models, createdMs) =>
    JSON.stringify({
      data: models.map((model) => describeModel(model, createdMs)),
      has_more: false,
      first_id: models[0]?.id ?? null,
      last_id: models.at(-1)?.id ?? null,
    }),
  formatModel: (model, createdMs) => JSON.stringify(describeModel(model, createdMs)),
  tokenRequest: (model) => ({
    path: '/v1/messages',
    headers: [['anthropic-version', '2023-06-01']],
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'ping' }], max_tokens: 1 }),
  }),
  credential: (apiKey) => ['x-api-key', apiKey],
};

function describeError(error: GatewayError, exchangeId: string) {
  return {
    type: 'error',
    error: { type: error.row.anthropicType, message: error.message },
    request_id: exchangeId,
  };
}

function describeModel(model: ModelEntry, createdMs: number) {
  return {
    type: 'model',
    id: model.id,
    display_name: model.id,
    created_at: new Date(createdMs).toISOString(),
  };
}

/**
 * Errors as providers send them, gathered from their documents and servers and from what users reported: of prompts that
 * are too long, of filters, and of what is neither but sounds like it.
 */

export type ErrorAnswer = readonly [provider: string, status: number, body: unknown];

export function encodeBody(body: unknown): Buffer {
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}

export function shapeError(
  message: string,
  fields: Readonly<Record<string, unknown>> = {},
): unknown {
  return { error: { message, type: 'invalid_request_error', param: null, ...fields } };
}

export const CONTEXT_LENGTH_ANSWERS: readonly ErrorAnswer[] = [
  [
    'OpenAI',
    400,
    shapeError(
      "This model's maximum context length is 8192 tokens. However, your messages resulted in 8227 tokens. Please reduce the length of the messages.",
      { param: 'messages', code: 'context_length_exceeded' },
    ),
  ],
  [
    'OpenAI, responses',
    400,
    shapeError(
      'Your input exceeds the context window of this model. Please adjust it and try again.',
      {
        code: null,
      },
    ),
  ],
  [
    'OpenAI, newer models',
    400,
    shapeError('Input tokens exceed the configured limit of 272000 tokens. Please reduce them.'),
  ],
  [
    'Anthropic, prompt',
    400,
    {
      type: 'error',
      error: {
        type: 'invalid_request_error',
        message: 'prompt is too long: 207791 tokens > 200000 maximum',
      },
      request_id: 'req_1',
    },
  ],
  [
    'Anthropic, prompt and answer',
    400,
    {
      type: 'error',
      error: {
        type: 'invalid_request_error',
        message:
          'input length and `max_tokens` exceed context limit: 178959 + 64000 > 200000, decrease input length or `max_tokens` and try again',
      },
    },
  ],
  [
    'Anthropic on Vertex',
    413,
    {
      type: 'error',
      error: { type: 'invalid_request_error', message: 'Prompt is too long' },
    },
  ],
  [
    'Mistral',
    400,
    {
      object: 'error',
      message:
        'Prompt contains 65673 tokens and 0 draft tokens, too large for model with 32768 maximum context length',
      type: 'invalid_request_prompt',
      param: null,
      code: '3051',
    },
  ],
  [
    'Groq',
    400,
    shapeError('Please reduce the length of the messages or completion.', {
      param: 'messages',
      code: 'context_length_exceeded',
    }),
  ],
  [
    'DeepSeek',
    400,
    shapeError(
      "This model's maximum context length is 131072 tokens. However, you requested 131134 tokens (122942 in the messages, 8192 in the completion).",
      { code: 'invalid_request_error' },
    ),
  ],
  [
    'xAI',
    400,
    {
      code: 'Client specified an invalid argument',
      error: "This model's maximum prompt length is 131072 but the request contains 136973 tokens.",
    },
  ],
  [
    'vLLM',
    400,
    shapeError(
      "This model's maximum context length is 2048 tokens. However, your request has 8 input tokens plus 2045 'max_tokens'.",
      { type: 'BadRequestError', code: 400 },
    ),
  ],
  [
    'vLLM, older',
    400,
    {
      object: 'error',
      message: "This model's maximum context length is 4096 tokens. However, you requested 6379.",
      type: 'BadRequestError',
      param: null,
      code: 400,
    },
  ],
  [
    'vLLM, nothing left for the answer',
    400,
    { object: 'error', message: 'max_tokens must be at least 1, got -186.', code: 400 },
  ],
  [
    'llama.cpp',
    400,
    {
      error: {
        code: 400,
        message: 'request (13392 tokens) is too much',
        type: 'exceed_context_size_error',
        n_prompt_tokens: 13392,
        n_ctx: 8192,
      },
    },
  ],
  ['LM Studio', 400, { error: 'Input length 1581 exceeds context length 1500' }],
  [
    'text-generation-inference',
    422,
    {
      error:
        'Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000 `inputs` tokens and 200 `max_new_tokens`',
      error_type: 'validation',
    },
  ],
  [
    'Google, for OpenAI’s clients',
    400,
    [
      {
        error: {
          code: 400,
          message:
            'The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).',
          status: 'INVALID_ARGUMENT',
        },
      },
    ],
  ],
  ['Bedrock', 400, { message: 'Input is too long for requested model.' }],
  [
    'OpenRouter',
    400,
    {
      error: {
        message: 'Provider returned error',
        code: 400,
        metadata: {
          raw: '{"error":{"message":"This model\'s maximum context length is 262144 tokens.","code":400}}',
          provider_name: 'x',
        },
      },
    },
  ],
  [
    'GitHub',
    413,
    shapeError('Request body too large for model.', { code: 'tokens_limit_reached' }),
  ],
  [
    'LiteLLM before OpenAI',
    400,
    shapeError('litellm.BadRequestError: litellm.ContextWindowExceededError: …', { code: '400' }),
  ],
  ['plain text', 400, 'prompt is too long: 207791 tokens > 200000 maximum\n'],
];

export const CONTENT_FILTER_ANSWERS: readonly ErrorAnswer[] = [
  [
    'OpenAI, images',
    400,
    shapeError('Your request was rejected.', { code: 'content_policy_violation' }),
  ],
  [
    'OpenAI, newer images',
    400,
    {
      error: {
        message: 'Your request was rejected by the safety system.',
        type: 'image_generation_user_error',
        code: 'moderation_blocked',
      },
    },
  ],
  [
    'OpenAI, prompt',
    400,
    shapeError(
      'Invalid prompt: your prompt was flagged as potentially violating our usage policy. Please try again with a different prompt.',
      { code: 'invalid_prompt' },
    ),
  ],
  [
    'Azure',
    400,
    {
      error: {
        message:
          "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify your prompt and retry.",
        type: null,
        param: 'prompt',
        code: 'content_filter',
        status: 400,
        innererror: { code: 'ResponsibleAIPolicyViolation', content_filter_result: {} },
      },
    },
  ],
  [
    'Azure, the inner code alone',
    400,
    { error: { code: '400', message: '', innererror: { code: 'ResponsibleAIPolicyViolation' } } },
  ],
  [
    'Anthropic',
    400,
    {
      type: 'error',
      error: {
        details: null,
        type: 'invalid_request_error',
        message: 'Output blocked by content filtering policy',
      },
    },
  ],
  ['DeepSeek', 400, shapeError('Content Exists Risk', { code: 'invalid_request_error' })],
  ['DeepSeek, older', 400, { detail: 'Content Exists Risk' }],
  [
    'xAI',
    403,
    {
      code: 'The caller does not have permission to execute the specified operation',
      error:
        'Content violates usage guidelines. Team: t, API key ID: k, Model: grok-4-0709, Failed check: SAFETY_CHECK_TYPE_BIO',
    },
  ],
  ['xAI, newer', 403, { code: 'permission-denied', error: 'Content violates usage guidelines. ' }],
  [
    'OpenRouter',
    403,
    {
      error: {
        code: 403,
        message: 'x requires moderation. Your input was flagged for "violence".',
        metadata: { reasons: ['violence'] },
      },
    },
  ],
  [
    'Moonshot',
    400,
    {
      error: {
        message: 'The request was rejected because it was considered high risk',
        type: 'content_filter',
      },
    },
  ],
  [
    'Alibaba',
    400,
    shapeError('Input data may contain inappropriate content.', { code: 'data_inspection_failed' }),
  ],
];

/** Nothing of the kind, for all that they are about tokens, lengths or policies. */
export const NEITHER_ANSWERS: readonly ErrorAnswer[] = [
  ['OpenAI, a limit', 429, shapeError("maximum context length, but it's a 429")],
  [
    'OpenAI, an answer that is too long',
    400,
    shapeError(
      'max_tokens is too large: 100000. This model supports at most 16384 completion tokens, whereas you provided 100000.',
      { param: 'max_tokens', code: 'invalid_value' },
    ),
  ],
  [
    'OpenAI, a long field',
    400,
    shapeError("Invalid 'user': string too long. Expected a string with maximum length 64.", {
      code: 'string_above_max_length',
    }),
  ],
  [
    'Azure, a blocked account',
    403,
    {
      error: {
        code: 'Forbidden',
        message:
          'Your resource has been temporarily blocked because we detected behavior that may violate our content policy.',
      },
    },
  ],
  [
    'xAI, an account without access',
    403,
    { code: 'permission-denied', error: 'Access to the chat endpoint is denied' },
  ],
  [
    'FastAPI, which repeats the request',
    422,
    {
      detail: [
        {
          loc: ['body', 'messages'],
          msg: 'field required',
          input: 'prompt is too long, context_length_exceeded, content_filter',
        },
      ],
    },
  ],
  ['an error within an answer of another status', 500, shapeError('', { code: 'content_filter' })],
  ['a whole answer', 200, { error: { code: 'content_filter' } }],
];

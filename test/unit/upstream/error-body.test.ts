/** What bodies of errors say, in the forms in which providers send them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { BOUNDS } from '../../../src/core/bounds.js';
import { classifyErrorAnswer, classifyErrorBody } from '../../../src/upstream/error-body.js';
import { loadJsonAnswers } from '../../helpers/fixtures.js';
import { hasFixtures, skipUnless } from '../../helpers/need.js';

type Answer = readonly [provider: string, status: number, body: unknown];

function encode(body: unknown): Buffer {
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}

function shape(message: string, fields: Readonly<Record<string, unknown>> = {}): unknown {
  return { error: { message, type: 'invalid_request_error', param: null, ...fields } };
}

const CONTEXT_LENGTH: readonly Answer[] = [
  [
    'OpenAI',
    400,
    shape(
      "This model's maximum context length is 8192 tokens. However, your messages resulted in 8227 tokens. Please reduce the length of the messages.",
      { param: 'messages', code: 'context_length_exceeded' },
    ),
  ],
  [
    'OpenAI, responses',
    400,
    shape('Your input exceeds the context window of this model. Please adjust it and try again.', {
      code: null,
    }),
  ],
  [
    'OpenAI, newer models',
    400,
    shape('Input tokens exceed the configured limit of 272000 tokens. Please reduce them.'),
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
    shape('Please reduce the length of the messages or completion.', {
      param: 'messages',
      code: 'context_length_exceeded',
    }),
  ],
  [
    'DeepSeek',
    400,
    shape(
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
    shape(
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
  ['GitHub', 413, shape('Request body too large for model.', { code: 'tokens_limit_reached' })],
  [
    'LiteLLM before OpenAI',
    400,
    shape('litellm.BadRequestError: litellm.ContextWindowExceededError: …', { code: '400' }),
  ],
  ['plain text', 400, 'prompt is too long: 207791 tokens > 200000 maximum\n'],
];

const CONTENT_FILTER: readonly Answer[] = [
  [
    'OpenAI, images',
    400,
    shape('Your request was rejected.', { code: 'content_policy_violation' }),
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
    shape(
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
  ['DeepSeek', 400, shape('Content Exists Risk', { code: 'invalid_request_error' })],
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
    shape('Input data may contain inappropriate content.', { code: 'data_inspection_failed' }),
  ],
];

/** Nothing of the kind, for all that they are about tokens, lengths or policies. */
const NEITHER: readonly Answer[] = [
  ['OpenAI, a limit', 429, shape("maximum context length, but it's a 429")],
  [
    'OpenAI, an answer that is too long',
    400,
    shape(
      'max_tokens is too large: 100000. This model supports at most 16384 completion tokens, whereas you provided 100000.',
      { param: 'max_tokens', code: 'invalid_value' },
    ),
  ],
  [
    'OpenAI, a long field',
    400,
    shape("Invalid 'user': string too long. Expected a string with maximum length 64.", {
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
  ['an error within an answer of another status', 500, shape('', { code: 'content_filter' })],
  ['a whole answer', 200, { error: { code: 'content_filter' } }],
];

for (const [provider, status, body] of CONTEXT_LENGTH) {
  test(`a prompt that is too long is known as ${provider} says it`, () => {
    assert.equal(classifyErrorBody(status, encode(body)), 'context_length');
    assert.equal(classifyErrorAnswer(status, true, encode(body)), 'context_length');
    assert.equal(classifyErrorAnswer(status, false, encode(body)), 'context_length');
  });
}

for (const [provider, status, body] of CONTENT_FILTER) {
  test(`a filtered call is known as ${provider} says it`, () => {
    assert.equal(classifyErrorBody(status, encode(body)), 'content_filter');
    assert.equal(classifyErrorAnswer(status, true, encode(body)), 'content_filter');
    assert.equal(classifyErrorAnswer(status, false, encode(body)), 'content_filter');
  });
}

for (const [what, status, body] of NEITHER) {
  test(`neither a long prompt nor a filter is seen in: ${what}`, () => {
    assert.equal(classifyErrorBody(status, encode(body)), null);
  });
}

const REFUSED_BY_BODY: readonly Answer[] = [
  [
    'Anthropic',
    400,
    {
      type: 'error',
      error: {
        type: 'invalid_request_error',
        message: 'Your credit balance is too low to access the Anthropic API.',
      },
    },
  ],
  [
    'OpenAI',
    400,
    shape('Billing hard limit has been reached.', { code: 'billing_hard_limit_reached' }),
  ],
];

test('an account without credit is the target’s failure, also where it is said with 400', () => {
  for (const [provider, status, body] of REFUSED_BY_BODY) {
    assert.equal(classifyErrorAnswer(status, true, encode(body)), 'no_credit', provider);
    assert.equal(classifyErrorBody(status, encode(body)), null, provider);
  }
});

test('where that account is the caller’s own, the target has nothing to do with it', () => {
  for (const [provider, status, body] of REFUSED_BY_BODY) {
    assert.equal(classifyErrorAnswer(status, false, encode(body)), 'caller_refused', provider);
  }
});

test('a key that is not valid is known as one, also where it is said with 400', () => {
  const xai = {
    code: 'Client specified an invalid argument',
    error: 'Incorrect API key provided: xa***',
  };
  const google = [
    { error: { code: 400, message: 'API key not valid. Please pass a valid API key.' } },
  ];
  for (const body of [xai, google]) {
    assert.equal(classifyErrorAnswer(400, true, encode(body)), 'unauthorized');
    assert.equal(classifyErrorAnswer(400, false, encode(body)), 'caller_refused');
  }
});

test('a model that a target lacks is `not_found`, also where it is said with 400 or 403', () => {
  const answers: readonly Answer[] = [
    ['DeepSeek', 400, shape('Model Not Exist')],
    [
      'Mistral',
      400,
      { object: 'error', message: 'Invalid model: x', type: 'invalid_model', code: '1500' },
    ],
    [
      'OpenAI',
      403,
      shape('Project `p` does not have access to model `m`', { code: 'model_not_found' }),
    ],
    ['Groq', 400, shape('It was taken out of service.', { code: 'model_decommissioned' })],
  ];
  for (const [provider, status, body] of answers) {
    assert.equal(classifyErrorAnswer(status, true, encode(body)), 'not_found', provider);
  }
});

test('a status that says enough is not contradicted by a body', () => {
  for (const status of [401, 402, 404, 408, 409, 429, 500, 502, 503, 529]) {
    const body = encode(shape('', { code: 'context_length_exceeded' }));
    assert.notEqual(classifyErrorAnswer(status, true, body), 'context_length', String(status));
  }
});

test('a body that is none, no JSON, cut, or JSON of another kind leaves it at the status', () => {
  const bodies = ['', ' ', '{', '{"error":', 'null', '1', '"x"', '[]', '[[]]', '{"error":null}'];
  for (const text of [...bodies, '[null]', '{"error":[]}', '<html>400</html>', '\0\xff', '[[[[{']) {
    assert.equal(classifyErrorAnswer(400, true, Buffer.from(text, 'latin1')), 'bad_request', text);
  }
});

test('a JSON body that was cut is read as text', () => {
  const cut = encode(CONTEXT_LENGTH[0]?.[2]).subarray(0, 90);
  assert.equal(classifyErrorBody(400, cut), 'context_length');
});

test('names that objects inherit are no codes', () => {
  const body = '{"error":{"code":"constructor","__proto__":{"message":"prompt is too long"}}}';
  assert.equal(classifyErrorBody(400, Buffer.from(body)), null);
});

test('deep nesting is not followed, and does not hurt', () => {
  for (const depth of [10, 5000]) {
    const deep = `${'{"error":'.repeat(depth)}{"code":"content_filter"}${'}'.repeat(depth)}`;
    assert.equal(classifyErrorBody(400, Buffer.from(deep)), null);
  }
  const list = '['.repeat(BOUNDS.errorBodyBytesMax);
  assert.equal(classifyErrorBody(400, Buffer.from(list)), null);
});

test('of a message only the beginning is believed, for behind it stands what the caller wrote', () => {
  const padding = 'x'.repeat(BOUNDS.errorMessageCharsMax);
  assert.equal(classifyErrorBody(400, encode(shape(`${padding} prompt is too long`))), null);
  assert.equal(classifyErrorBody(400, Buffer.from(`${padding} prompt is too long`)), null);
});

const PACKINGS: readonly (readonly [encoding: string, pack: (bytes: Buffer) => Buffer])[] = [
  ['gzip', gzipSync],
  ['x-gzip', gzipSync],
  ['GZip', gzipSync],
  ['deflate', deflateSync],
  ['br', brotliCompressSync],
];

for (const [encoding, pack] of PACKINGS) {
  test(`a body is unpacked that is packed with ${encoding}, as clients asked for it`, () => {
    const lines = `content-type: application/json\r\nContent-Encoding: ${encoding}\r\n`;
    const packed = pack(encode(CONTEXT_LENGTH[0]?.[2]));
    assert.equal(classifyErrorBody(400, packed, lines), 'context_length');
    assert.equal(classifyErrorBody(400, packed), null);
  });

  test(`a body is not unpacked beyond its bound that is packed with ${encoding}`, () => {
    const lines = `content-encoding: ${encoding}\r\n`;
    const bomb = pack(encode(shape(`prompt is too long${' '.repeat(BOUNDS.errorBodyBytesMax)}`)));
    assert.equal(classifyErrorBody(400, bomb, lines), null);
  });
}

test('a packed body that was cut gives as much as there is', () => {
  // Too random to be packed well, so that the end of the packed bytes is not all of them.
  const text = encode(
    shape(`prompt is too long ${'x'.repeat(3000)}`, { noise: randomText(20_000) }),
  );
  const packed = gzipSync(text);
  const cut = packed.subarray(0, packed.length - 2000);
  assert.equal(classifyErrorBody(400, cut, 'content-encoding: gzip\r\n'), 'context_length');
});

function randomText(length: number): string {
  let state = 1;
  let text = '';
  for (let i = 0; i < length; i += 1) {
    state = (state * 48271) % 2147483647;
    text += String.fromCharCode(97 + (state % 26));
  }
  return text;
}

test('an unknown or broken packing leaves it at the status', () => {
  const body = encode(CONTEXT_LENGTH[0]?.[2]);
  for (const encoding of ['gzip', 'deflate', 'br']) {
    assert.equal(classifyErrorBody(400, body, `content-encoding: ${encoding}\r\n`), null);
  }
  assert.equal(classifyErrorBody(400, gzipSync(body), 'content-encoding: zstd\r\n'), null);
  // Some servers say so of a body that is not packed at all.
  assert.equal(classifyErrorBody(400, body, 'content-encoding: identity\r\n'), 'context_length');
});

test('no recorded answer passes for a long prompt or a filtered one, not even with an error’s status', {
  skip: skipUnless(hasFixtures, 'the fixtures'),
}, () => {
  for (const { provider, name, bytes } of loadJsonAnswers()) {
    assert.equal(classifyErrorBody(400, bytes), null, `${provider}/${name}`);
  }
});

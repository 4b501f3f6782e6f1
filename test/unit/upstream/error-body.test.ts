/** What bodies of errors say, in the forms in which providers send them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { BOUNDS } from '../../../src/core/bounds.js';
import { classifyErrorAnswer, classifyErrorBody } from '../../../src/upstream/error-body.js';
import {
  CONTENT_FILTER_ANSWERS,
  CONTEXT_LENGTH_ANSWERS,
  type ErrorAnswer,
  encodeBody,
  NEITHER_ANSWERS,
  shapeError,
} from '../../helpers/error-answers.js';
import { loadJsonAnswers } from '../../helpers/fixtures.js';
import { hasFixtures, skipUnless } from '../../helpers/need.js';

for (const [provider, status, body] of CONTEXT_LENGTH_ANSWERS) {
  test(`a prompt that is too long is known as ${provider} says it`, () => {
    assert.equal(classifyErrorBody(status, encodeBody(body)), 'context_length');
    assert.equal(classifyErrorAnswer(status, true, encodeBody(body)), 'context_length');
    assert.equal(classifyErrorAnswer(status, false, encodeBody(body)), 'context_length');
  });
}

for (const [provider, status, body] of CONTENT_FILTER_ANSWERS) {
  test(`a filtered call is known as ${provider} says it`, () => {
    assert.equal(classifyErrorBody(status, encodeBody(body)), 'content_filter');
    assert.equal(classifyErrorAnswer(status, true, encodeBody(body)), 'content_filter');
    assert.equal(classifyErrorAnswer(status, false, encodeBody(body)), 'content_filter');
  });
}

for (const [what, status, body] of NEITHER_ANSWERS) {
  test(`neither a long prompt nor a filter is seen in: ${what}`, () => {
    assert.equal(classifyErrorBody(status, encodeBody(body)), null);
  });
}

const REFUSED_BY_BODY: readonly ErrorAnswer[] = [
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
    shapeError('Billing hard limit has been reached.', { code: 'billing_hard_limit_reached' }),
  ],
];

test('an account without credit is the target’s failure, also where it is said with 400', () => {
  for (const [provider, status, body] of REFUSED_BY_BODY) {
    assert.equal(classifyErrorAnswer(status, true, encodeBody(body)), 'no_credit', provider);
    assert.equal(classifyErrorBody(status, encodeBody(body)), null, provider);
  }
});

test('where that account is the caller’s own, the target has nothing to do with it', () => {
  for (const [provider, status, body] of REFUSED_BY_BODY) {
    assert.equal(classifyErrorAnswer(status, false, encodeBody(body)), 'caller_refused', provider);
  }
});

test('a 429 is out of credit where it says so by a code, and throttled in every other case', () => {
  const quota = 'You exceeded your current quota, please check your plan and billing details.';
  const spent = encodeBody(shapeError(quota, { code: 'insufficient_quota' }));
  assert.equal(classifyErrorAnswer(429, true, spent), 'no_credit');
  assert.equal(classifyErrorAnswer(429, false, spent), 'caller_refused');
  // Google says the same sentence of a limit by the minute.
  const google = encodeBody([
    { error: { code: 429, message: quota, status: 'RESOURCE_EXHAUSTED' } },
  ]);
  const long = encodeBody(shapeError('', { code: 'context_length_exceeded' }));
  for (const body of [google, long, encodeBody(shapeError('Slow down.')), Buffer.from('')]) {
    assert.equal(classifyErrorAnswer(429, true, body), 'throttled');
    assert.equal(classifyErrorAnswer(429, false, body), 'caller_throttled');
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
    assert.equal(classifyErrorAnswer(400, true, encodeBody(body)), 'unauthorized');
    assert.equal(classifyErrorAnswer(400, false, encodeBody(body)), 'caller_refused');
  }
});

test('a model that a target lacks is `not_found`, also where it is said with 400 or 403', () => {
  const answers: readonly ErrorAnswer[] = [
    ['DeepSeek', 400, shapeError('Model Not Exist')],
    [
      'Mistral',
      400,
      { object: 'error', message: 'Invalid model: x', type: 'invalid_model', code: '1500' },
    ],
    [
      'OpenAI',
      403,
      shapeError('Project `p` does not have access to model `m`', { code: 'model_not_found' }),
    ],
    ['Groq', 400, shapeError('It was taken out of service.', { code: 'model_decommissioned' })],
  ];
  for (const [provider, status, body] of answers) {
    assert.equal(classifyErrorAnswer(status, true, encodeBody(body)), 'not_found', provider);
  }
});

test('a status that says enough is not contradicted by a body', () => {
  for (const status of [401, 402, 404, 408, 409, 429, 500, 502, 503, 529]) {
    const body = encodeBody(shapeError('', { code: 'context_length_exceeded' }));
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
  const cut = encodeBody(CONTEXT_LENGTH_ANSWERS[0]?.[2]).subarray(0, 90);
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
  assert.equal(
    classifyErrorBody(400, encodeBody(shapeError(`${padding} prompt is too long`))),
    null,
  );
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
    const packed = pack(encodeBody(CONTEXT_LENGTH_ANSWERS[0]?.[2]));
    assert.equal(classifyErrorBody(400, packed, lines), 'context_length');
    assert.equal(classifyErrorBody(400, packed), null);
  });

  test(`of a body packed with ${encoding} that was cut as much is read as there is`, () => {
    // Too random to be packed well, so that the end of the packed bytes is not all of them.
    const noise = randomText(60_000);
    const packed = pack(
      encodeBody(shapeError(`prompt is too long ${'x'.repeat(3000)}`, { noise })),
    );
    const cut = packed.subarray(0, packed.length - 2000);
    assert.equal(
      classifyErrorBody(400, cut, `content-encoding: ${encoding}\r\n`),
      'context_length',
    );
  });

  test(`a body is not unpacked beyond its bound that is packed with ${encoding}`, () => {
    const lines = `content-encoding: ${encoding}\r\n`;
    const bomb = pack(
      encodeBody(shapeError(`prompt is too long${' '.repeat(BOUNDS.errorBodyBytesMax)}`)),
    );
    assert.equal(classifyErrorBody(400, bomb, lines), null);
  });
}

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
  const body = encodeBody(CONTEXT_LENGTH_ANSWERS[0]?.[2]);
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

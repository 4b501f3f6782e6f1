/** Errors within streams whose status was well, in the forms in which providers send them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findStreamError, mayHoldError } from '../../../src/upstream/stream-error.js';

function event(data: unknown, name: string | null = null): string {
  const text = typeof data === 'string' ? data : JSON.stringify(data);
  return `${name === null ? '' : `event: ${name}\n`}data: ${text}\n\n`;
}

const ERRORS: readonly (readonly [who: string, events: string, className: string])[] = [
  [
    'Anthropic, overloaded',
    event({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }, 'error'),
    'overloaded',
  ],
  [
    'Anthropic, its own fault',
    event({ type: 'error', error: { type: 'api_error', message: 'Internal' } }, 'error'),
    'server_error',
  ],
  [
    'Anthropic, a limit',
    event({ type: 'error', error: { type: 'rate_limit_error', message: 'x' } }, 'error'),
    'throttled',
  ],
  [
    'OpenAI',
    event({ error: { message: 'The server had an error', type: 'server_error', code: null } }),
    'server_error',
  ],
  [
    'OpenAI, a limit of tokens',
    event({ error: { message: 'x', type: 'tokens', code: 'rate_limit_exceeded' } }),
    'throttled',
  ],
  [
    'OpenAI, without credit',
    event({ error: { message: 'x', type: 'insufficient_quota', code: 'insufficient_quota' } }),
    'no_credit',
  ],
  [
    'OpenAI’s Responses',
    event({ type: 'response.created', response: { error: null } }, 'response.created') +
      event({ type: 'error', code: 'server_error', message: 'x' }, 'error'),
    'server_error',
  ],
  [
    'OpenAI’s Responses that fail',
    event({
      type: 'response.failed',
      response: { error: { code: 'rate_limit_exceeded', message: 'x' } },
    }),
    'throttled',
  ],
  ['Google', event({ error: { code: 503, message: 'x', status: 'UNAVAILABLE' } }), 'overloaded'],
  ['Google, as a list', event([{ error: { status: 'RESOURCE_EXHAUSTED' } }]), 'throttled'],
  ['OpenRouter', event({ error: { code: 502, message: 'bad gateway' } }), 'server_error'],
  [
    'OpenRouter, within a chunk',
    event({ choices: [{ delta: { content: '' } }], error: { code: '429', message: 'x' } }),
    'throttled',
  ],
  [
    'vLLM, an older one',
    event({ object: 'error', message: 'x', type: 'BadRequestError', code: 400 }),
    'bad_request',
  ],
  [
    'vLLM, too long',
    event({ error: { message: "This model's maximum context length is 8192 tokens.", code: 400 } }),
    'context_length',
  ],
  [
    'text-generation-inference',
    event({ error: 'overloaded', error_type: 'overloaded' }),
    'overloaded',
  ],
  ['a name and plain text', event('something went wrong', 'error'), 'server_error'],
  ['a type that nobody knows', event({ error: { type: 'strange', code: 7 } }), 'server_error'],
];

for (const [who, events, className] of ERRORS) {
  test(`an error within a stream is known as sent by ${who}`, () => {
    for (const text of [events, events.replaceAll('\n', '\r\n'), `: ping\n\n${events}`]) {
      assert.equal(findStreamError(text, false, true)?.className, className);
    }
    assert.equal(mayHoldError(Buffer.from(events)), true);
    const cut = events.slice(0, -1);
    assert.equal(findStreamError(cut, false, true), null, 'its event is not whole');
    assert.equal(findStreamError(cut, true, true)?.className, className, 'nothing follows');
  });
}

const OTHERS: readonly string[] = [
  '',
  ': error\n\n',
  'event: error\n\n',
  event('[DONE]'),
  event({ choices: [{ delta: { role: 'assistant', content: '' } }] }),
  event({ choices: [{ delta: { content: '"error"' } }] }),
  event({ type: 'response.created', response: { error: null } }),
  event({ error: null, choices: [] }),
  event({ error: '' }),
  event({ delta: { type: 'text_delta', text: 'error' } }, 'content_block_delta'),
  event('{"error":'),
  event('1'),
];

test('what is no error within a stream is not taken for one', () => {
  for (const text of OTHERS) {
    assert.equal(findStreamError(text, true, true), null, text);
  }
});

test('the cheap look does not fall for content, or for an error that is null', () => {
  for (const text of OTHERS.filter((other) => !other.startsWith('event: error'))) {
    // Where it is taken in, only a longer look follows.
    const isTakenIn = /"error"(?!:null)/.test(text);
    assert.equal(mayHoldError(Buffer.from(text)), isTakenIn, text);
  }
  assert.equal(mayHoldError(Buffer.from('{"error": null} {"error":null}')), false);
  assert.equal(mayHoldError(Buffer.from('{"error": null} {"error": {}}')), true);
  assert.equal(mayHoldError(Buffer.from('event: error')), true);
});

test('what an error within a stream says of the caller’s own account harms no target', () => {
  const text = event({ type: 'error', error: { type: 'rate_limit_error' } });
  assert.equal(findStreamError(text, false, false)?.className, 'caller_throttled');
});

test('an error within a stream may say for how long', () => {
  const details = [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '2s' }];
  const text = event({ error: { status: 'RESOURCE_EXHAUSTED', details } });
  assert.equal(findStreamError(text, false, true)?.retryAfterMs, 2000);
  assert.equal(findStreamError(event({ error: {} }), false, true)?.retryAfterMs, -1);
});

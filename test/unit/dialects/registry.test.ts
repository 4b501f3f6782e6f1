/** Which dialect a request is in, which bodies name a model, and how each dialect says what Weir must say. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NOT_ASKED } from '../../../src/accept/caller-address.js';
import { describeHead } from '../../../src/accept/head.js';
import {
  type DialectName,
  ERRORS,
  type ErrorCode,
  GatewayError,
} from '../../../src/core/errors.js';
import { DIALECTS, detectDialect, mayNameModel } from '../../../src/dialects/registry.js';

test('a request’s dialect, by its path and by Anthropic’s header', () => {
  const version = ['content-type', 'x', 'anthropic-version', '2023-06-01'];
  const cases: readonly (readonly [
    path: string,
    headers: readonly string[],
    dialect: DialectName,
  ])[] = [
    ['/v1/messages', [], 'anthropic'],
    ['/v1/messages/count_tokens', [], 'anthropic'],
    ['/v1/messages/batches', [], 'anthropic'],
    ['/v1/complete', [], 'anthropic'],
    ['/v1/completions', [], 'openai'],
    ['/v1/chat/completions', [], 'openai'],
    ['/v1/models', version, 'anthropic'],
    ['/v1/models', [], 'openai'],
    ['/v1/models', ['x', 'anthropic-version'], 'openai'],
  ];
  for (const [path, headers, dialect] of cases)
    assert.equal(
      detectDialect(path, describeHead('GET', path, '', headers, NOT_ASKED).hasAnthropicVersion),
      dialect,
      path,
    );
});

test('storage and batches name no model', () => {
  for (const path of [
    'files',
    'files/file-1/content',
    'uploads/u/parts',
    'batches',
    'vector_stores/v/search',
    'messages/batches',
    'skills',
    'containers',
    'organization/x',
  ]) {
    assert.equal(mayNameModel(`/v1/${path}`), false, path);
  }
  for (const path of [
    'chat/completions',
    'filesystem',
    'messages',
    'messages/batches-not',
    'audio/transcriptions',
    'responses',
  ]) {
    assert.equal(mayNameModel(`/v1/${path}`), true, path);
  }
});

const HOSTILE = 'say "no"\r\n\r\ndata: forged\n\u2028\u0000';

test('every error, in the shape of either dialect, whatever its message holds', () => {
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    const error = new GatewayError(code, HOSTILE, { param: 'model' });
    assert.deepEqual(JSON.parse(DIALECTS.openai.formatError(error, 'id-1')), {
      error: { message: HOSTILE, type: ERRORS[code].openaiType, param: 'model', code },
    });
    assert.deepEqual(JSON.parse(DIALECTS.anthropic.formatError(error, 'id-1')), {
      type: 'error',
      error: { type: ERRORS[code].anthropicType, message: HOSTILE },
      request_id: 'id-1',
    });
  }
});

test('the error in a stream is one event, and nothing in it can end it', () => {
  const error = new GatewayError('upstream_cut', HOSTILE);
  for (const name of ['openai', 'anthropic'] as const) {
    const event = DIALECTS[name].formatStreamError(error, 'id-1');
    const lines = event.split('\n');
    assert.deepEqual(lines.slice(-2), ['', ''], 'ends in an empty line');
    const data = lines.slice(0, -2).at(-1) ?? '';
    assert.equal(lines.length, name === 'openai' ? 3 : 4);
    if (name === 'anthropic') assert.equal(lines[0], 'event: error');
    assert.deepEqual(
      JSON.parse(data.replace(/^data: /, '')),
      JSON.parse(DIALECTS[name].formatError(error, 'id-1')),
    );
    assert.ok(!event.includes('\r'));
  }
});

test('lists and credentials', () => {
  assert.deepEqual(JSON.parse(DIALECTS.anthropic.formatModels([], 0)), {
    data: [],
    has_more: false,
    first_id: null,
    last_id: null,
  });
  assert.deepEqual(JSON.parse(DIALECTS.openai.formatModels([], 0)), { object: 'list', data: [] });
  assert.deepEqual(DIALECTS.openai.credential('sk'), ['authorization', 'Bearer sk']);
  assert.deepEqual(DIALECTS.anthropic.credential('sk'), ['x-api-key', 'sk']);
});

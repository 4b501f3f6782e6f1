/** What Weir answers itself about its models, and what it leaves to the provider. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DialectName, ErrorCode } from '../../../src/core/errors.js';
import { GatewayError } from '../../../src/core/errors.js';
import { ModelList } from '../../../src/route/model-list.js';
import { ModelTable } from '../../../src/route/models.js';
import { createRoutesConfig } from '../../helpers/observe-config.js';
import { createExchange } from '../../helpers/stage-fakes.js';

const NAMED = { 'gpt-4o': ['p'], 'org/model 1': ['q'] };

function ask(
  models: Readonly<Record<string, readonly string[]>>,
  path: string,
  { method = 'GET', dialect = 'openai' as DialectName } = {},
): unknown {
  const list = new ModelList(new ModelTable(createRoutesConfig(models)), 1_700_000_000_999);
  const body = list.answer(createExchange({ method, path, dialect }));
  return body === null ? null : (JSON.parse(body) as unknown);
}

function codeOf(run: () => unknown): ErrorCode | null {
  try {
    run();
    return null;
  } catch (error) {
    assert.ok(error instanceof GatewayError);
    return error.code;
  }
}

test('the list, in either dialect', () => {
  assert.deepEqual(ask(NAMED, '/v1/models'), {
    object: 'list',
    data: [
      { id: 'gpt-4o', object: 'model', created: 1_700_000_000, owned_by: 'p' },
      { id: 'org/model 1', object: 'model', created: 1_700_000_000, owned_by: 'q' },
    ],
  });
  const created_at = '2023-11-14T22:13:20.999Z';
  assert.deepEqual(ask(NAMED, '/v1/models', { dialect: 'anthropic', method: 'HEAD' }), {
    data: [
      { type: 'model', id: 'gpt-4o', display_name: 'gpt-4o', created_at },
      { type: 'model', id: 'org/model 1', display_name: 'org/model 1', created_at },
    ],
    has_more: false,
    first_id: 'gpt-4o',
    last_id: 'org/model 1',
  });
});

test('one model, with its name escaped or not', () => {
  const expected = { id: 'org/model 1', object: 'model', created: 1_700_000_000, owned_by: 'q' };
  for (const path of ['/v1/models/org/model%201', '/v1/models/org%2Fmodel%201']) {
    assert.deepEqual(ask(NAMED, path), expected);
  }
  assert.equal(
    codeOf(() => ask(NAMED, '/v1/models/none')),
    'model_not_found',
  );
  assert.equal(
    codeOf(() => ask(NAMED, '/v1/models/%')),
    'model_not_found',
  );
  assert.equal(
    codeOf(() => ask(NAMED, '/v1/models/')),
    'model_not_found',
  );
  assert.equal(ask({ ...NAMED, '*': ['p'] }, '/v1/models/none'), null, 'the provider may know it');
});

test('what is not about the list is passed on, and what lies elsewhere refused', () => {
  for (const path of ['/v1/models-of-mine', '/v1/chat/completions', '/v1/model']) {
    assert.equal(ask(NAMED, path), null, path);
  }
  for (const method of ['POST', 'DELETE', 'OPTIONS']) {
    assert.equal(ask(NAMED, '/v1/models', { method }), null);
    assert.equal(ask(NAMED, '/v1/models/gpt-4o', { method }), null);
  }
  assert.equal(ask({ '*': ['p'] }, '/v1/models'), null, 'nothing to list');
  for (const path of ['/', '/v1', '/v2/models', '/V1/models', '/models']) {
    assert.equal(
      codeOf(() => ask(NAMED, path)),
      'route_not_found',
      path,
    );
  }
});

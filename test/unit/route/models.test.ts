/** From the name that a client asks for to a provider. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DialectName } from '../../../src/core/errors.js';
import { GatewayError } from '../../../src/core/errors.js';
import { type ModelEntry, ModelTable } from '../../../src/route/models.js';
import { createRoutesConfig } from '../../helpers/observe-config.js';

function createTable(
  models: Readonly<Record<string, readonly string[]>>,
  dialects: Readonly<Record<string, DialectName>> = {},
): ModelTable {
  const config = createRoutesConfig(models);
  const providers = config.providers.map((provider) => ({
    ...provider,
    dialect: dialects[provider.name] ?? 'openai',
  }));
  return new ModelTable({ ...config, providers });
}

function refusalOf(run: () => unknown): GatewayError {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof GatewayError);
    assert.equal(error.code, 'model_not_found');
    assert.equal(error.param, 'model');
    return error;
  }
  return assert.fail('nothing was thrown');
}

function providersOf({ targets }: ModelEntry): string[] {
  return targets.map(({ provider }) => provider);
}

test('targets are numbered over all entries, and ask for the entry’s name where nothing else is said', () => {
  const table = createTable({ a: ['p', 'q', 'r'], b: ['q'] });
  assert.deepEqual(providersOf(table.find('a', 'openai')), ['p', 'q', 'r']);
  assert.deepEqual(table.find('b', 'anthropic'), {
    name: 'b',
    targets: [{ index: 3, entryName: 'b', position: 0, provider: 'q', model: 'b' }],
  });
});

test('names are compared exactly', () => {
  const table = createTable({ 'gpt-4o': ['p'] });
  assert.equal(table.has('gpt-4o'), true);
  for (const name of ['GPT-4o', 'gpt-4o ', '', 'constructor', '__proto__', '*']) {
    assert.equal(table.has(name), false);
    refusalOf(() => table.find(name, 'openai'));
  }
});

test('the wildcard takes what is unknown and what names no model, and has no turn of its own in the list', () => {
  const table = createTable({ a: ['p'], '*': ['q'] });
  assert.deepEqual(providersOf(table.find('a', 'openai')), ['p']);
  assert.deepEqual(table.find('other', 'openai'), {
    name: '*',
    targets: [{ index: 1, entryName: '*', position: 0, provider: 'q', model: null }],
  });
  assert.deepEqual(providersOf(table.find(null, 'openai')), ['q']);
  assert.equal(table.hasWildcard, true);
  assert.deepEqual(table.names, [{ id: 'a', owner: 'p' }]);
});

test('the wildcard prefers providers that speak as the caller does', () => {
  const table = createTable({ '*': ['o1', 'a1', 'o2'] }, { a1: 'anthropic' });
  assert.deepEqual(providersOf(table.find(null, 'openai')), ['o1', 'o2']);
  const [target] = table.find('x', 'anthropic').targets;
  assert.deepEqual([target?.provider, target?.position], ['a1', 1]);
  const none = createTable({ '*': ['o1', 'o2'] });
  assert.deepEqual(providersOf(none.find(null, 'anthropic')), ['o1', 'o2']);
});

test('a refusal names the nearest, and shows no more of a long name than needed', () => {
  const table = createTable({ 'gpt-4o': ['p'], 'gpt-4o-mini': ['p'], claude: ['p'] });
  assert.match(
    refusalOf(() => table.find('gpt-4', 'openai')).message,
    /^The model "gpt-4" is not configured here\. Did you mean "gpt-4o"/,
  );
  assert.equal(
    refusalOf(() => table.find('zzzzzzzzzz', 'openai')).message,
    'The model "zzzzzzzzzz" is not configured here.',
  );
  const long = refusalOf(() => table.find('x'.repeat(100_000), 'openai')).message;
  assert.ok(long.length < 250 && long.includes('…'), long);
  assert.ok(!refusalOf(() => table.find('a\r\nb', 'openai')).message.includes('\r\n'));
  assert.match(refusalOf(() => table.find(null, 'openai')).message, /names no model/);
});

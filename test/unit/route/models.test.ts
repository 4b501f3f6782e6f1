/** From the name that a client asks for to a provider. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DialectName } from '../../../src/core/errors.js';
import { GatewayError } from '../../../src/core/errors.js';
import { createCounterLayout } from '../../../src/observe/counters.js';
import { countTargets, ModelTable } from '../../../src/route/models.js';
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

/** No timeouts of its own, and no comments. */
const PLAIN = { timeouts: null, wholeMs: 0, keepAliveMs: 0 };

function targetsOf(table: ModelTable, model: string | null, dialect: DialectName): string[] {
  return table.find(model, dialect).targets.map(({ provider }) => provider);
}

test('an entry holds its targets in order, numbered over all models as their counters are', () => {
  const models = { a: ['p', 'q', 'r'], b: ['q'], '*': ['p', 'r'] };
  const table = createTable(models);
  const entry = table.find('a', 'openai');
  assert.deepEqual(
    entry.targets.map(({ provider, position, index }) => [provider, position, index]),
    [
      ['p', 0, 0],
      ['q', 1, 1],
      ['r', 2, 2],
    ],
  );
  assert.deepEqual(table.find('b', 'anthropic').targets, [
    { entryName: 'b', position: 0, index: 3, provider: 'q', model: 'b', ...PLAIN },
  ]);
  assert.deepEqual(
    table.entries.map(({ number }) => number),
    [...table.entries.keys()],
  );
  const { routes } = createCounterLayout(createRoutesConfig(models));
  assert.equal(countTargets(createRoutesConfig(models)), routes.length);
  for (const { targets } of table.entries) {
    for (const { index, entryName, provider } of targets) {
      assert.deepEqual([routes[index]?.model, routes[index]?.provider], [entryName, provider]);
    }
  }
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
  assert.deepEqual(targetsOf(table, 'a', 'openai'), ['p']);
  assert.deepEqual(table.find('other', 'openai').targets, [
    { entryName: '*', position: 0, index: 1, provider: 'q', model: null, ...PLAIN },
  ]);
  assert.deepEqual(targetsOf(table, null, 'openai'), ['q']);
  assert.equal(table.hasWildcard, true);
  assert.deepEqual(table.names, [{ id: 'a', owner: 'p' }]);
});

test('the wildcard prefers providers that speak as the caller does', () => {
  const table = createTable({ '*': ['o1', 'a1', 'o2'] }, { a1: 'anthropic' });
  assert.deepEqual(targetsOf(table, null, 'openai'), ['o1', 'o2']);
  const { targets, shares } = table.find('x', 'anthropic');
  assert.deepEqual(
    targets.map(({ provider, position, index }) => [provider, position, index]),
    [['a1', 1, 1]],
  );
  assert.equal(shares.length, 1);
  const none = createTable({ '*': ['o1', 'o2'] });
  assert.deepEqual(targetsOf(none, null, 'anthropic'), ['o1', 'o2']);
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

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Target } from '../../../src/route/models.js';
import { turnToTarget } from '../../../src/upstream/attempt-parts.js';
import type { Forwarder } from '../../../src/upstream/forward.js';
import { createExchange } from '../../helpers/stage-fakes.js';

/** Where `ask_usage` is off the provider refuses to be asked. */
const forwarder = {
  configOf: (provider: string) => ({ asksUsage: provider !== 'refuses' }),
} as unknown as Forwarder;

function targetAt(provider: string): Target {
  const plain = { timeouts: null, wholeMs: 0, keepAliveMs: 0 };
  return { entryName: 'm', position: 0, index: 0, provider, model: 'x', ...plain };
}

test('a provider that refuses to be asked for usage is asked, first or later, or another is not', () => {
  const exchange = createExchange();
  exchange.usageEdit = { start: 1, end: 1, insert: Buffer.from('x') };
  turnToTarget(exchange, targetAt('takes'), forwarder);
  assert.notEqual(exchange.usageEdit, null);
  exchange.price = null;
  turnToTarget(exchange, targetAt('refuses'), forwarder);
  assert.equal(exchange.usageEdit, null);
  assert.equal(exchange.price, undefined, 'it is asked for anew');
  assert.equal(exchange.target?.provider, 'refuses');
  const first = createExchange();
  first.usageEdit = { start: 1, end: 1, insert: Buffer.from('x') };
  turnToTarget(first, targetAt('refuses'), forwarder);
  assert.equal(first.usageEdit, null);
});

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { NOT_ASKED } from '../../../src/accept/caller-address.js';
import { describeHead } from '../../../src/accept/head.js';
import { createKeyTable } from '../../../src/authenticate/keys.js';
import type { ConsumerConfig } from '../../../src/config/model.js';
import { BOUNDS } from '../../../src/core/bounds.js';
import { type ErrorCode, GatewayError, OperatorError } from '../../../src/core/errors.js';

const LONG_KEY = 'k'.repeat(BOUNDS.keyBytesMax);

function buildConsumer(name: string, ...keys: readonly string[]): ConsumerConfig {
  const keyDigests = keys.map((key) => createHash('sha256').update(key, 'latin1').digest('hex'));
  return { name, keyDigests, tier: null, priority: 'normal', limits: [] };
}

const table = createKeyTable([
  buildConsumer('team-a', 'wk-a', 'wk-a2', LONG_KEY),
  buildConsumer('team-b', 'wk-b', 'wk-\xe9', `${LONG_KEY}k`),
  buildConsumer('team-c'),
]);

const headOf = (headers: readonly string[]) => describeHead('GET', '/', '', headers, NOT_ASKED);

function assertRefused(headers: readonly string[], code: ErrorCode): void {
  assert.throws(
    () => table.identify(headOf(headers)),
    (error) => {
      assert.ok(error instanceof GatewayError);
      assert.equal(error.code, code);
      for (let i = 1; i < headers.length; i += 2) {
        const key = headers[i]!.split(' ').at(-1)!;
        if (key !== '' && key !== 'Bearer')
          assert.ok(!error.message.includes(key), 'the message holds the key');
      }
      return true;
    },
  );
}

test('finds the consumer in each of the headers', () => {
  const identify = (headers: readonly string[]) => {
    const { consumerIndex, consumerName, keyHeaders } = table.identify(headOf(headers));
    return { consumerIndex, consumerName, keyHeaders };
  };
  const asTeamA = (header: string) => ({
    consumerIndex: 0,
    consumerName: 'team-a',
    keyHeaders: [header],
  });
  assert.deepEqual(identify(['authorization', 'Bearer wk-a']), asTeamA('authorization'));
  assert.deepEqual(
    identify(['host', 'x', 'authorization', 'bEaReR  wk-a2 ']),
    asTeamA('authorization'),
  );
  assert.deepEqual(identify(['x-api-key', 'wk-a']), asTeamA('x-api-key'));
  assert.deepEqual(identify(['api-key', ' wk-a2']), asTeamA('api-key'));
  assert.deepEqual(identify(['api-key', LONG_KEY]), asTeamA('api-key'));
  assert.equal(table.identify(headOf(['api-key', 'wk-\xe9'])).consumerName, 'team-b');
});

test('the first key that is known wins, and every header with a known key is named', () => {
  const both = table.identify(headOf(['x-api-key', 'wk-b', 'authorization', 'Bearer wk-a']));
  assert.equal(both.consumerName, 'team-b');
  assert.equal(both.consumerIndex, 1);
  assert.deepEqual(both.keyHeaders, ['authorization', 'x-api-key']);
  const own = table.identify(
    headOf(['x-api-key', 'sk-of-the-provider', 'authorization', 'Bearer wk-a']),
  );
  assert.equal(own.consumerName, 'team-a');
  assert.deepEqual(own.keyHeaders, ['authorization']);
  const twice = table.identify(
    headOf(['x-api-key', 'wrong', 'x-api-key', 'wk-a', 'x-api-key', 'wk-a']),
  );
  assert.deepEqual(twice.keyHeaders, ['x-api-key']);
});

test('without a key: missing', () => {
  assertRefused([], 'missing_key');
  assertRefused(['host', 'wk-a', 'x-goog-api-key', 'wk-a'], 'missing_key');
  assertRefused(['authorization', 'Bearer '], 'missing_key');
  assertRefused(['authorization', 'Bearer'], 'missing_key');
  assertRefused(['authorization', 'Basic wk-a'], 'missing_key');
  assertRefused(['authorization', 'wk-a'], 'missing_key');
  assertRefused(['x-api-key', ''], 'missing_key');
});

test('with a key that nobody has: invalid', () => {
  assertRefused(['authorization', 'Bearer wk-A'], 'invalid_key');
  assertRefused(['x-api-key', 'wk-a3'], 'invalid_key');
  assertRefused(['api-key', 'Bearer wk-a'], 'invalid_key');
  // The digest of a configured key is no key.
  assertRefused(['x-api-key', createHash('sha256').update('wk-a').digest('hex')], 'invalid_key');
  assertRefused(['x-api-key', `${LONG_KEY}k`], 'invalid_key');
  // Cut to its low byte, the last character would be an e with an acute accent.
  assertRefused(['x-api-key', 'wk-\u01e9'], 'invalid_key');
});

test('what was a key in one header is one in another only if it is written as it is there', () => {
  const odd = createKeyTable([buildConsumer('plain', 'wk'), buildConsumer('odd', 'Bearer wk')]);
  for (let round = 0; round < 3; round += 1) {
    assert.equal(odd.identify(headOf(['authorization', 'Bearer wk'])).consumerName, 'plain');
    assert.equal(odd.identify(headOf(['x-api-key', 'Bearer wk'])).consumerName, 'odd');
    assert.equal(odd.identify(headOf(['api-key', 'wk'])).consumerName, 'plain');
    assert.throws(() => odd.identify(headOf(['authorization', 'wk'])), { code: 'missing_key' });
    assert.equal(odd.identify(headOf(['authorization', 'Bearer Bearer wk'])).consumerName, 'odd');
    assert.equal(odd.identify(headOf(['authorization', 'bearer   wk '])).consumerName, 'plain');
  }
});

test('without consumers nobody is asked', () => {
  assert.deepEqual(createKeyTable(null).identify(headOf(['authorization', 'Bearer x'])), {
    consumerIndex: -1,
    consumerName: null,
    keyHeaders: [],
  });
  assert.throws(() => createKeyTable([]).identify(headOf(['x-api-key', 'x'])), GatewayError);
});

test('a key belongs to one consumer', () => {
  assert.throws(
    () => createKeyTable([buildConsumer('a', 'k'), buildConsumer('b', 'k')]),
    OperatorError,
  );
  assert.doesNotThrow(() => createKeyTable([buildConsumer('a', 'k', 'k')]));
});

test('a key that was right is remembered for another consumer, or a wrong one is remembered at all', () => {
  const keys = Array.from({ length: BOUNDS.rememberedKeysMax + 10 }, (_, index) => `wk-${index}`);
  const large = createKeyTable(keys.map((key) => buildConsumer(`of-${key}`, key)));
  for (let round = 0; round < 2; round += 1) {
    for (const key of keys) {
      assert.equal(large.identify(headOf(['api-key', key])).consumerName, `of-${key}`);
      assert.equal(
        large.identify(headOf(['api-key', key])).consumerName,
        `of-${key}`,
        'remembered',
      );
    }
    assert.throws(() => large.identify(headOf(['api-key', 'wk-none'])), GatewayError);
    assert.throws(() => large.identify(headOf(['api-key', 'wk-none'])), GatewayError);
  }
});

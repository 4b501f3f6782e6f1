/** Which target an attempt goes to, one case at a time; test/property/balancers.test.ts tries all. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createReadKey, NO_KEY } from '../../../src/route/balance/hash-key.js';
import type { BalanceRequest } from '../../../src/route/balance/policy.js';
import {
  BalanceScene,
  createConsumerRequest,
  createJsonRequest,
  createPrice,
} from '../../helpers/balance-scene.js';
import { createExchange } from '../../helpers/stage-fakes.js';

const THREE = [{}, {}, {}];

function positions(scene: BalanceScene, times: number): (number | undefined)[] {
  return Array.from({ length: times }, () => scene.choose()?.position);
}

test('round robin: targets take turns, and one that is gone leaves the others in order', () => {
  const scene = new BalanceScene({ balance: 'round-robin', targets: THREE });
  assert.deepEqual(positions(scene, 7), [0, 1, 2, 0, 1, 2, 0]);
  scene.unusable.add(1);
  assert.deepEqual(positions(scene, 4), [2, 0, 2, 0]);
  scene.unusable.clear();
  assert.deepEqual(positions(scene, 3), [1, 2, 0]);
});

test('weighted: a target has the share that its weight says', () => {
  const scene = new BalanceScene({
    balance: 'weighted',
    targets: [{ weight: 3 }, { weight: 1 }],
  });
  const [heavy = 0] = scene.count(10_000);
  assert.ok(Math.abs(heavy - 7500) < 200, String(heavy));
});

test('weighted: turns are as even as weights allow, and each worker begins at a moment of its own', () => {
  const targets = [{ weight: 4 }, { weight: 2 }, { weight: 1 }];
  const beginnings = new Set<string>();
  for (let seed = 1; seed <= 40; seed += 1) {
    const scene = new BalanceScene({ balance: 'weighted', targets, seed });
    beginnings.add(positions(scene, 7).join(''));
    for (let round = 0; round < 50; round += 1) {
      assert.deepEqual(scene.count(7), [4, 2, 1], `seed ${seed}, round ${round}`);
    }
  }
  assert.ok(beginnings.size > 5, String(beginnings.size));
});

test('a throttled target is passed over in its share of the choices', () => {
  for (const balance of ['weighted', 'round-robin', 'least-busy', 'lowest-cost'] as const) {
    const scene = new BalanceScene({ balance, targets: [{}, {}] });
    scene.factors[0] = 0.2;
    const [throttled = 0] = scene.count(10_000);
    // Of the half that it usually has a fifth; in turns it is next whenever it takes part at all.
    const expected = balance === 'weighted' || balance === 'least-busy' ? 1000 : 1667;
    assert.ok(throttled > 700 && throttled < expected + 300, `${balance}: ${throttled}`);
  }
});

test('where all are throttled, what is left of their weights counts', () => {
  const scene = new BalanceScene({ balance: 'weighted', targets: [{}, {}] });
  scene.factors.splice(0, 2, 0.001, 0.003);
  const [one = 0, other = 0] = scene.count(10_000);
  assert.equal(one + other, 10_000);
  assert.ok(Math.abs(one - 2500) < 300, String(one));
});

test('priority: the lowest number first, then the next; what is throttled flows over', () => {
  const scene = new BalanceScene({
    balance: 'weighted',
    targets: [{ priority: 7 }, { priority: 0 }, { priority: 0 }, { priority: 2 }],
  });
  const [last, first, second, third] = scene.count(1000);
  assert.deepEqual([last, third], [0, 0]);
  assert.ok(first! > 400 && second! > 400);
  scene.unusable = new Set([1]);
  assert.deepEqual(scene.count(100), [0, 0, 100, 0]);
  scene.unusable = new Set([1, 2]);
  assert.deepEqual(scene.count(100), [0, 0, 0, 100]);
  assert.equal(scene.choose(createExchange(), [3])?.position, 0);
  scene.unusable.clear();
  scene.factors[1] = 0.1;
  scene.factors[2] = 0.1;
  const [, one = 0, two = 0, overflow = 0] = scene.count(10_000);
  assert.ok(Math.abs(overflow - 8100) < 300, String(overflow));
  assert.equal(one + two + overflow, 10_000);
});

test('none may be used: the least bad is chosen once, and a second attempt finds none', () => {
  for (const balance of ['weighted', 'round-robin', 'least-busy', 'hash'] as const) {
    const scene = new BalanceScene({ balance, targets: [{}, { priority: 1 }, {}], before: 2 });
    scene.unusable = new Set([2, 3, 4]);
    scene.factors.splice(2, 3, 0, 0.5, 0.5);
    assert.equal(scene.choose()?.position, 2, 'of the largest factor the lowest priority');
    assert.equal(scene.choose(createExchange(), [4]), null);
    assert.equal(scene.choose(createExchange(), [0, 1])?.position, 2, 'others’ do not count');
    assert.equal(scene.balancers.hasUsable(scene.entry, [], 0), false);
    scene.unusable.delete(3);
    assert.equal(scene.choose()?.position, 1);
    assert.equal(scene.balancers.hasUsable(scene.entry, [], 0), true);
    assert.equal(scene.balancers.hasUsable(scene.entry, [3], 0), false);
  }
});

test('an ejected target is chosen by who has nobody else left, a drained one is not', () => {
  for (const balance of ['weighted', 'round-robin', 'least-busy', 'hash'] as const) {
    const scene = new BalanceScene({ balance, targets: [{}, { priority: 1 }, {}, {}] });
    scene.unusable = new Set([1, 2, 3]);
    scene.factors[2] = 0;
    const choose = (tried: readonly number[]): number | undefined =>
      scene.balancers.chooseEjected(scene.entry, createExchange(), tried, 0)?.position;
    assert.equal(choose([0]), 3, balance);
    assert.equal(choose([0, 3]), 1, balance);
    assert.equal(choose([0, 1, 3]), undefined, balance);
  }
  const only = new BalanceScene({ balance: 'hash', targets: [{}] });
  assert.equal(only.balancers.chooseEjected(only.entry, createExchange(), [], 0), null);
});

test('one target is chosen whatever its health, and never twice', () => {
  const scene = new BalanceScene({ balance: 'hash', targets: [{}], before: 1 });
  scene.unusable.add(1);
  assert.equal(scene.choose()?.index, 1);
  assert.equal(scene.choose(createExchange(), [1]), null);
  assert.equal(scene.choose(createExchange(), [0])?.index, 1);
});

test('least busy: the fewest under way for the weight, and ties are not always the first', () => {
  const scene = new BalanceScene({ balance: 'least-busy', targets: [{ weight: 4 }, {}, {}] });
  scene.busy.splice(0, 3, 7, 2, 3);
  assert.deepEqual(scene.count(20), [20, 0, 0]);
  scene.busy.splice(0, 3, 9, 2, 3);
  assert.deepEqual(scene.count(20), [0, 20, 0]);
  scene.busy.splice(0, 3, 0, 0, 0);
  const [heavy = 0, one = 0] = scene.count(6000);
  assert.ok(Math.abs(heavy - 4000) < 200 && Math.abs(one - 1000) < 150, `${heavy} ${one}`);
});

test('lowest cost: the cheapest, ties take turns, an unknown price comes last', () => {
  const scene = new BalanceScene({ balance: 'lowest-cost', targets: [{}, {}, {}, {}] });
  assert.deepEqual(scene.count(8), [2, 2, 2, 2], 'nothing is known: all tie');
  scene.prices.set(1, createPrice(2, 8));
  scene.prices.set(2, createPrice(1, 4));
  scene.prices.set(3, createPrice(1, 4));
  assert.deepEqual(scene.count(10), [0, 0, 5, 5]);
  assert.equal(scene.choose(createExchange(), [2, 3])?.position, 1);
  assert.equal(scene.choose(createExchange(), [1, 2, 3])?.position, 0);
  scene.prices.set(0, createPrice(0, 0));
  assert.deepEqual(scene.count(10), [10, 0, 0, 0], 'what costs nothing is known to');
});

test('lowest cost: prompts so long that a target asks more for them go to another', () => {
  const scene = new BalanceScene({ balance: 'lowest-cost', targets: [{}, {}] });
  scene.prices.set(0, createPrice(1, 4, [{ above: 1000, input: 2 }]));
  scene.prices.set(1, createPrice(1.5, 4));
  assert.equal(scene.choose(createJsonRequest(`{"a":"${'x'.repeat(3000)}"}`))?.position, 0);
  assert.equal(scene.choose(createJsonRequest(`{"a":"${'x'.repeat(5000)}"}`))?.position, 1);
});

test('hash: each kind of key tells requests apart by it and by nothing else', () => {
  const send = (headers: readonly string[], callerAddress = ''): BalanceRequest =>
    createExchange({ headers, callerAddress });
  const byHeader = createReadKey('header:x-session');
  assert.equal(
    byHeader(send(['x-other', '1', 'x-session', 'a'])),
    byHeader(send(['x-session', 'a'])),
  );
  assert.notEqual(byHeader(send(['x-session', 'a'])), byHeader(send(['x-session', 'b'])));
  assert.equal(byHeader(send(['x-other', 'a'])), NO_KEY);

  const byConsumer = createReadKey('consumer');
  assert.equal(byConsumer(send(['x-session', 'a'])), NO_KEY, 'nobody is known');
  assert.notEqual(byConsumer(send([], '10.0.0.1')), byConsumer(send([], '10.0.0.2')));
  const tokens = ['a', 'b'].map((end) =>
    send(['authorization', `Bearer ${'x'.repeat(900)}${end}`]),
  );
  assert.notEqual(byConsumer(tokens[0]!), byConsumer(tokens[1]!), 'they differ at the end only');
  assert.equal(
    byConsumer(createConsumerRequest('team')),
    createReadKey('prompt')(createConsumerRequest('team')),
    'where there is no prompt the consumer counts',
  );
});

/** What every choice keeps to, whatever the targets, their weights, their health and the requests are. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { BalanceName } from '../../src/config/model.js';
import { BOUNDS } from '../../src/core/bounds.js';
import { hashPrompt } from '../../src/route/balance/prompt-prefix.js';
import {
  BalanceScene,
  createConsumerRequest,
  createJsonRequest,
  type SceneTarget,
} from '../helpers/balance-scene.js';
import { createExchange } from '../helpers/stage-fakes.js';

const POLICIES: readonly BalanceName[] = [
  'weighted',
  'round-robin',
  'least-busy',
  'least-latency',
  'lowest-cost',
  'hash',
];

const policy = fc.constantFrom(...POLICIES);
const seed = fc.integer();
const target = fc.record({
  weight: fc.integer({ min: 1, max: 100 }),
  priority: fc.integer({ min: 0, max: 3 }),
});
const targets = fc.array(target, { minLength: 1, maxLength: 6 });
const plainTargets = fc.array(fc.record({ weight: fc.integer({ min: 1, max: 20 }) }), {
  minLength: 2,
  maxLength: 6,
});
/** For each target: whether it may be used, what is left of its weight, and what is under way. */
const states = fc.array(
  fc.record({
    isUsable: fc.boolean(),
    factor: fc.constantFrom(0, 0.01, 0.5, 1),
    busy: fc.nat({ max: 50 }),
  }),
  { minLength: 6, maxLength: 6 },
);

function apply(
  scene: BalanceScene,
  given: typeof states extends fc.Arbitrary<infer T> ? T : never,
) {
  for (const { index } of scene.entry.targets) {
    const state = given[index]!;
    if (!state.isUsable) scene.unusable.add(index);
    scene.factors[index] = state.factor;
    scene.busy[index] = state.busy;
  }
}

test('what was tried is never chosen again, and only what may be used after the first attempt', () => {
  fc.assert(
    fc.property(policy, targets, states, seed, (balance, list, given, seedNumber) => {
      const scene = new BalanceScene({ balance, targets: list, seed: seedNumber });
      apply(scene, given);
      const request = createConsumerRequest('team');
      const tried: number[] = [];
      for (;;) {
        const chosen = scene.choose(request, tried);
        if (chosen === null) break;
        assert.ok(!tried.includes(chosen.index));
        const mayBeUsed = !scene.unusable.has(chosen.index) && scene.factors[chosen.index]! > 0;
        assert.ok(mayBeUsed || tried.length === 0, 'only a first attempt may go to what is not');
        tried.push(chosen.index);
      }
      assert.ok(tried.length > 0);
      const left = scene.entry.targets.filter(({ index }) => !tried.includes(index));
      if (list.length > 1) {
        assert.equal(scene.balancers.hasUsable(scene.entry, tried, 0), false);
      }
      assert.ok(left.every(({ index }) => scene.unusable.has(index) || scene.factors[index] === 0));
    }),
    { numRuns: 400 },
  );
});

test('a target of a later group is chosen only where none of an earlier one is left', () => {
  fc.assert(
    fc.property(policy, targets, states, seed, (balance, list, given, seedNumber) => {
      const scene = new BalanceScene({ balance, targets: list, seed: seedNumber });
      // Throttled ones share with the next group, which the unit tests look at.
      apply(
        scene,
        given.map((state) => ({ ...state, factor: 1 })),
      );
      const chosen = scene.choose(createConsumerRequest('team'))!;
      const usable = list.filter((_, at) => !scene.unusable.has(at));
      const among = usable.length > 0 ? usable : list;
      const lowest = Math.min(...among.map(({ priority }) => priority));
      assert.equal(list[chosen.position]?.priority, lowest);
    }),
    { numRuns: 400 },
  );
});

/** Whether `count` of `times` is what `share` makes likely: six standard deviations. */
function assertShare(count: number, times: number, share: number): void {
  const deviation = Math.sqrt(times * share * (1 - share));
  assert.ok(
    Math.abs(count - times * share) <= 6 * deviation + 1,
    `${count} of ${times} where ${share} was expected`,
  );
}

const CHOICES = 3000;

test('weighted: each target has the share of its weight, and of it what its health leaves', () => {
  fc.assert(
    fc.property(
      plainTargets,
      fc.double({ min: 0.05, max: 1, noNaN: true }),
      seed,
      (list, factor, seedNumber) => {
        const scene = new BalanceScene({ balance: 'weighted', targets: list, seed: seedNumber });
        scene.factors[0] = factor;
        const total = list.reduce((sum, { weight }) => sum + weight, 0);
        const counts = scene.count(CHOICES);
        const throttled = (list[0]!.weight / total) * factor;
        assertShare(counts[0]!, CHOICES, throttled);
        const others = total - list[0]!.weight;
        for (const [at, { weight }] of list.entries()) {
          if (at > 0) assertShare(counts[at]!, CHOICES, ((1 - throttled) * weight) / others);
        }
      },
    ),
    { numRuns: 40 },
  );
});

test('round robin and equal prices: nobody has a turn more than anybody else', () => {
  fc.assert(
    fc.property(
      fc.constantFrom<BalanceName>('round-robin', 'lowest-cost'),
      plainTargets,
      fc.nat({ max: 40 }),
      (balance, list, times) => {
        const counts = new BalanceScene({ balance, targets: list }).count(times);
        assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, counts.join());
      },
    ),
  );
});

test('least busy: nobody has less under way for its weight than the chosen one', () => {
  fc.assert(
    fc.property(plainTargets, states, seed, (list, given, seedNumber) => {
      const scene = new BalanceScene({ balance: 'least-busy', targets: list, seed: seedNumber });
      apply(
        scene,
        given.map((state) => ({ ...state, isUsable: true, factor: 1 })),
      );
      const { position } = scene.choose()!;
      const shares = list.map(({ weight }, at) => scene.busy[at]! / weight);
      assert.equal(shares[position], Math.min(...shares));
    }),
  );
});

const KEYS = Array.from({ length: 300 }, (_, at) => createConsumerRequest(`team-${at}`));

/** Provider by key. */
function assign(list: readonly SceneTarget[], gone = -1): (string | undefined)[] {
  const scene = new BalanceScene({ balance: 'hash', hashBy: 'consumer', targets: list });
  if (gone >= 0) scene.unusable.add(gone);
  return KEYS.map((request) => scene.choose(request)?.provider);
}

function name<T extends object>(list: readonly T[]): (T & { provider: string })[] {
  return list.map((entry, at) => ({ ...entry, provider: `p${at}` }));
}

test('hash: where a target leaves only its own keys move, and they go to several', () => {
  fc.assert(
    fc.property(plainTargets, fc.nat(), (list, pick) => {
      const named = name(list);
      const gone = pick % named.length;
      const before = assign(named);
      const unusable = assign(named, gone);
      const removed = assign(named.filter((_, at) => at !== gone));
      for (const [at, provider] of before.entries()) {
        if (provider !== `p${gone}`) assert.equal(unusable[at], provider);
        assert.notEqual(unusable[at], `p${gone}`);
      }
      if (named.length > 2) {
        assert.deepEqual(removed, unusable, 'not usable and not configured are the same');
      }
    }),
    { numRuns: 60 },
  );
});

test('hash: where a target comes keys move to it alone, and the order of targets does not matter', () => {
  fc.assert(
    fc.property(plainTargets, fc.nat(), (list, turn) => {
      const named = name(list);
      const before = assign(named);
      const after = assign([...named, { provider: 'new', weight: 5 }]);
      for (const [at, provider] of after.entries()) {
        assert.ok(provider === before[at] || provider === 'new');
      }
      const shift = turn % named.length;
      assert.deepEqual(assign([...named.slice(shift), ...named.slice(0, shift)]), before);
    }),
    { numRuns: 60 },
  );
});

test('hash: keys are spread by weight', () => {
  fc.assert(
    fc.property(plainTargets, fc.nat({ max: 1000 }), (list, salt) => {
      const scene = new BalanceScene({ balance: 'hash', targets: name(list) });
      const total = list.reduce((sum, { weight }) => sum + weight, 0);
      const counts = list.map(() => 0);
      for (let at = 0; at < 2000; at += 1) {
        counts[scene.choose(createConsumerRequest(`${salt}/${at}`))!.position]! += 1;
      }
      for (const [at, { weight }] of list.entries()) {
        assertShare(counts[at]!, 2000, weight / total);
      }
    }),
    { numRuns: 20 },
  );
});

test('hash: no target has more under way than 1.25 times its share, whatever keys come', () => {
  const arrivals = fc.array(fc.record({ key: fc.nat({ max: 5 }), leaves: fc.nat({ max: 3 }) }), {
    minLength: 100,
    maxLength: 300,
  });
  fc.assert(
    fc.property(plainTargets, arrivals, (list, events) => {
      const scene = new BalanceScene({ balance: 'hash', targets: name(list) });
      const total = list.reduce((sum, { weight }) => sum + weight, 0);
      const underWay: number[] = [];
      for (const { key, leaves } of events) {
        const index = scene.choose(createConsumerRequest(`team-${key}`))!.index;
        const busyBefore = scene.busy.reduce((sum, busy) => sum + busy, 0);
        const most = Math.ceil((1.25 * (busyBefore + 1) * list[index]!.weight) / total);
        scene.busy[index]! += 1;
        assert.ok(scene.busy[index]! <= Math.max(most, BOUNDS.hashBusyMin));
        underWay.push(index);
        // On the whole more come than leave.
        if (leaves === 0) scene.busy[underWay.shift()!]! -= 1;
      }
    }),
    { numRuns: 60 },
  );
});

test('hash: a crowded key has a second target that is the same each time', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 6 }), fc.string(), (count, key) => {
      // Of one with more than four fifths of the weight 1.25 times its share is everything.
      const list = Array.from({ length: count }, () => ({}));
      const scene = new BalanceScene({ balance: 'hash', targets: name(list) });
      const request = createConsumerRequest(key);
      const first = scene.choose(request)!.index;
      scene.busy[first] = 10_000;
      const second = scene.choose(request)!.index;
      assert.notEqual(second, first);
      assert.equal(scene.choose(request, [first])?.index, second, 'also where the first failed');
      scene.busy[first] = 0;
      assert.equal(scene.choose(request)?.index, first);
    }),
  );
});

test('hash: requests without a key go anywhere, by weight', () => {
  const scene = new BalanceScene({
    balance: 'hash',
    hashBy: 'header:x-session',
    targets: [{}, {}],
  });
  const [one = 0] = scene.count(CHOICES);
  assertShare(one, CHOICES, 0.5);
  const request = createExchange({ headers: ['a', 'b', 'x-session', '42'] });
  assert.ok(scene.count(50, request).includes(50));
});

test('prompt: the hash of any bytes ends, and those behind the first question never count', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3000 }), (bytes) => {
      const request = createJsonRequest('{');
      request.body = { ...request.body!, bytes };
      const hash = hashPrompt(request);
      assert.ok(hash === -2 || (hash >= 0 && hash < 2 ** 32 && Number.isInteger(hash)));
    }),
  );
  const message = fc.record({
    role: fc.constantFrom('system', 'assistant', 'tool'),
    content: fc.json(),
  });
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 3 }),
      fc.json({ maxDepth: 3 }),
      fc.array(message, { maxLength: 3 }),
      fc.array(message, { maxLength: 3 }),
      (before, question, one, other) => {
        const hashOf = (after: readonly object[]): number =>
          hashPrompt(
            createJsonRequest({
              messages: [...before, { role: 'user', content: question }, ...after],
            }),
          );
        assert.equal(hashOf(one), hashOf(other));
        assert.ok(hashOf(one) >= 0);
      },
    ),
    { numRuns: 300 },
  );
});

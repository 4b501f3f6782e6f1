/** Where the next attempt goes, as a table of what failed and how. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ModelConfig } from '../../../src/config/model.js';
import { Deadlines } from '../../../src/core/deadlines.js';
import type { Exchange } from '../../../src/exchange.js';
import { ModelTable, type Target } from '../../../src/route/models.js';
import type { AttemptParts } from '../../../src/upstream/attempt-parts.js';
import { AttemptPlans } from '../../../src/upstream/attempt-plan.js';
import { AttemptWalk, findFirst } from '../../../src/upstream/attempt-walk.js';
import { FAILURE_CLASSES } from '../../../src/upstream/failure-classes.js';
import { createRoutesConfig } from '../../helpers/observe-config.js';
import { createExchange } from '../../helpers/stage-fakes.js';
import { Turns } from '../../helpers/turns.js';
import { UNWATCHED_HEALTH } from '../../helpers/unwatched-targets.js';

interface Setting {
  readonly models: Readonly<Record<string, readonly string[]>>;
  readonly more?: Readonly<Record<string, Partial<ModelConfig>>>;
  readonly anthropic?: readonly string[];
  readonly budget?: number;
  /** Indexes of targets: ejected. */
  readonly outOfService?: readonly number[];
  readonly drained?: readonly number[];
}

class Trip {
  readonly exchange: Exchange = createExchange({ contentLength: 2 });
  readonly parts: AttemptParts;
  readonly first: Target;
  readonly walk: AttemptWalk;
  readonly startMs = performance.now();
  taken = 0;

  constructor(setting: Setting) {
    const config = createRoutesConfig(setting.models);
    const models = config.models.map((model) => ({
      ...model,
      retry: { attemptsMax: 3, backoffMs: 1 },
      ...setting.more?.[model.name],
    }));
    const retry = { attemptsMax: 3, backoffMs: 1, backoffMsMax: 500, budgetPercent: 20 };
    const health = {
      ...UNWATCHED_HEALTH,
      isUsable: (index: number) =>
        setting.outOfService?.includes(index) !== true && setting.drained?.includes(index) !== true,
      weightFactor: (index: number) => (setting.drained?.includes(index) === true ? 0 : 1),
    };
    const forwarder = {
      configOf: (name: string) => ({
        dialect: setting.anthropic?.includes(name) === true ? 'anthropic' : 'openai',
        asksUsage: true,
      }),
    };
    const budget = { tryTake: () => this.taken++ < (setting.budget ?? 99) };
    const table = new ModelTable({ providers: config.providers, models });
    this.parts = {
      forwarder,
      models: table,
      balancers: new Turns(health),
      health,
      plans: new AttemptPlans({ models, retry }, table.entries, new Deadlines()),
      budget,
    } as unknown as AttemptParts;
    this.exchange.model = 'm';
    const entry = this.parts.models.find('m', 'openai');
    this.first = findFirst(this.parts, this.exchange, entry);
    this.walk = new AttemptWalk(this.parts, this.exchange, entry, this.first);
  }

  /** `provider` or `entry/provider`, with `~` where it is waited for; `-`: none. */
  fail(target: Target, as: keyof typeof FAILURE_CLASSES, retryAfterMs = -1): [string, Target] {
    const row = FAILURE_CLASSES[as];
    this.walk.noteFailed(target, row, retryAfterMs, this.startMs);
    const step = this.walk.takeNext(row, this.startMs, true);
    if (step === null) return ['-', target];
    const { entryName, provider } = step.target;
    const name = entryName === 'm' ? provider : `${entryName}/${provider}`;
    return [step.delayMs > 0 ? `~${name}` : name, step.target];
  }

  /** Each fails in the same way. */
  failAll(as: keyof typeof FAILURE_CLASSES, retryAfterMs = -1): string {
    const told: string[] = [this.first.provider];
    let [name, target] = this.fail(this.first, as, retryAfterMs);
    while (name !== '-' && told.length < 20) {
      told.push(name);
      [name, target] = this.fail(target, as, retryAfterMs);
    }
    return told.join(' ');
  }
}

test('every other target is asked at once, then those that may be asked again after a wait', () => {
  assert.equal(new Trip({ models: { m: ['p', 'q'] } }).failAll('overloaded', 200), 'p q ~p');
  assert.equal(new Trip({ models: { m: ['p', 'q', 'r', 's'] } }).failAll('overloaded'), 'p q r');
});

test('a target of which only another can do better is not asked again', () => {
  assert.equal(new Trip({ models: { m: ['p', 'q'] } }).failAll('unauthorized'), 'p q');
  assert.equal(new Trip({ models: { m: ['p'] } }).failAll('first_byte_timeout'), 'p');
  assert.equal(new Trip({ models: { m: ['p', 'q'] } }).failAll('bad_request'), 'p');
});

test('who wants to be left alone for longer than backoff_max is not waited for', () => {
  assert.equal(new Trip({ models: { m: ['p'] } }).failAll('throttled', 400), 'p ~p ~p');
  assert.equal(new Trip({ models: { m: ['p'] } }).failAll('throttled', 600), 'p');
});

test('of several that must be waited for the one that comes back first is asked', () => {
  const trip = new Trip({ models: { m: ['p', 'q'] } });
  const [, second] = trip.fail(trip.first, 'throttled', 400);
  assert.equal(second.provider, 'q');
  assert.equal(trip.fail(second, 'throttled', 300)[0], '~q');
});

test('fallbacks come last, each once, with attempts of their own, and lead nowhere else', () => {
  const setting = {
    models: { m: ['p'], f: ['q', 'r'], g: ['s'] },
    more: {
      m: { fallbacks: ['f'], contextFallbacks: ['g', 'f'] },
      f: { fallbacks: ['g'], retry: { attemptsMax: 2, backoffMs: 1 } },
    },
  };
  assert.equal(new Trip(setting).failAll('first_byte_timeout'), 'p f/q f/r');
  assert.equal(new Trip(setting).failAll('context_length'), 'p g/s f/q f/r');
  assert.equal(new Trip(setting).failAll('content_filter'), 'p');
});

test('targets of another dialect never take over', () => {
  const setting = { models: { m: ['p', 'a', 'q'], f: ['a'] }, anthropic: ['a'] };
  const more = { m: { fallbacks: ['f'] } };
  assert.equal(new Trip({ ...setting, more }).failAll('first_byte_timeout'), 'p q');
});

test('without budget nothing is tried again, and the budget is asked last', () => {
  const trip = new Trip({ models: { m: ['p', 'q'] }, budget: 0 });
  assert.equal(trip.failAll('overloaded'), 'p');
  assert.equal(trip.taken, 1);
  const single = new Trip({ models: { m: ['p'] } });
  single.failAll('unauthorized');
  assert.equal(single.taken, 0);
});

test('a wait that would outlast the exchange is not begun', () => {
  const trip = new Trip({ models: { m: ['p'] } });
  trip.exchange.deadlineMs = trip.startMs + 100;
  assert.equal(trip.fail(trip.first, 'throttled', 150)[0], '-');
  assert.equal(trip.taken, 0);
  trip.exchange.deadlineMs = trip.startMs + 200;
  assert.equal(trip.fail(trip.first, 'throttled', 150)[0], '~p');
});

test('where no target is in service a fallback is asked first; where there is none, one is asked all the same', () => {
  const models = { m: ['p', 'q'], f: ['r', 's'] };
  const more = { m: { fallbacks: ['f'] } };
  const trip = new Trip({ models, more, outOfService: [0, 1] });
  assert.equal(trip.first.provider, 'r');
  assert.equal(trip.fail(trip.first, 'unauthorized')[0], 'f/s');
  assert.equal(new Trip({ models, outOfService: [0, 1] }).first.provider, 'p');
  assert.equal(new Trip({ models, more, outOfService: [0, 1, 2, 3] }).first.provider, 'p');
});

test('a hedge goes to another target, or to a fallback, never to the same', () => {
  const beside = (setting: Setting): string | undefined => {
    const trip = new Trip(setting);
    return trip.walk.takeBeside(trip.startMs, true)?.target.provider;
  };
  assert.equal(beside({ models: { m: ['p', 'q'] } }), 'q');
  assert.equal(beside({ models: { m: ['p'] } }), undefined);
  const more = { m: { fallbacks: ['f'] } };
  assert.equal(beside({ models: { m: ['p'], f: ['r'] }, more }), 'r');
  assert.equal(beside({ models: { m: ['p', 'q'] }, budget: 0 }), undefined);
});

test('an ejected target is asked before another is asked a third time, and a drained one never', () => {
  const two = { models: { m: ['p', 'q'] }, outOfService: [1] };
  assert.equal(new Trip(two).failAll('overloaded'), 'p ~p q');
  assert.equal(new Trip(two).failAll('first_byte_timeout'), 'p q');
  assert.equal(new Trip(two).failAll('bad_request'), 'p');
  assert.equal(new Trip({ models: two.models, drained: [1] }).failAll('overloaded'), 'p ~p ~p');
  const three = { models: { m: ['p', 'q', 'r'] }, outOfService: [1, 2] };
  assert.equal(new Trip(three).failAll('unauthorized'), 'p q r');
  assert.equal(new Trip({ ...three, outOfService: [2] }).failAll('overloaded'), 'p q ~p');
});

test('a fallback that is in service comes before an ejected target', () => {
  const setting = {
    models: { m: ['p', 'q'], f: ['r'] },
    more: { m: { fallbacks: ['f'] } },
    outOfService: [1],
  };
  assert.equal(new Trip(setting).failAll('first_byte_timeout'), 'p f/r');
  assert.equal(new Trip({ ...setting, outOfService: [1, 2] }).failAll('first_byte_timeout'), 'p q');
});

test('an ejected target of another dialect is not asked either', () => {
  const setting = { models: { m: ['p', 'a', 'q'] }, anthropic: ['a'], outOfService: [1, 2] };
  assert.equal(new Trip(setting).failAll('first_byte_timeout'), 'p q');
});

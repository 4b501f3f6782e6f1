import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { ProviderConfig } from '../../../src/config/model.js';
import { BOUNDS } from '../../../src/core/bounds.js';
import { planHealth } from '../../../src/health/plan.js';
import { createHealthBuffer, HealthTable } from '../../../src/health/table.js';
import { type CheckResult, HealthChecks } from '../../../src/primary/health-checks.js';
import { createHealthConfig, EPOCH_MS, failTimes } from '../../helpers/health-tables.js';
import { keepLog } from '../../helpers/kept-log.js';

const WELL: CheckResult = { outcome: 'well', detail: 'status 200', retryAfterMs: -1 };
const FAILED: CheckResult = { outcome: 'failed', detail: 'upstream_refused', retryAfterMs: -1 };

class Scene {
  readonly #context: TestContext;
  readonly log = keepLog();
  readonly table: HealthTable;
  readonly checks: HealthChecks;
  readonly asked: string[] = [];
  readonly #pending: ((result: CheckResult) => void)[] = [];
  closed = 0;
  nowMs = EPOCH_MS;
  random = 0.5;

  constructor(
    context: TestContext,
    providers: readonly string[],
    health: Partial<NonNullable<ProviderConfig['health']>>,
  ) {
    this.#context = context;
    context.mock.timers.enable({ apis: ['setTimeout'] });
    const config = createHealthConfig({ models: { m: providers } });
    const plan = planHealth(config);
    this.table = new HealthTable(createHealthBuffer(plan, EPOCH_MS), plan, 2, () => 0);
    const check = { path: '/v1/models', model: null, everyMs: 1000, timeoutMs: 500, ...health };
    this.checks = new HealthChecks({
      // The last one is not checked.
      providers: config.providers.map((provider, index) => ({
        ...provider,
        health: index === providers.length - 1 ? null : check,
      })),
      openProber: ({ name }) => ({
        probe: () => {
          this.asked.push(name);
          return new Promise((resolve) => this.#pending.push(resolve));
        },
        close: () => {
          this.closed += 1;
        },
      }),
      table: this.table,
      logger: this.log.logger,
      now: () => this.nowMs,
      random: () => this.random,
    });
    this.checks.start();
  }

  wait(ms: number): void {
    this.nowMs += ms;
    this.#context.mock.timers.tick(ms);
  }

  get pending(): number {
    return this.#pending.length;
  }

  /** The check that is under way longest ends so. */
  async answer(result: CheckResult): Promise<void> {
    this.#pending.shift()?.(result);
    for (let turn = 0; turn < 4; turn += 1) await Promise.resolve();
  }

  async check(result: CheckResult): Promise<void> {
    this.wait(1000);
    assert.equal(this.pending, 1);
    await this.answer(result);
  }
}

test('as many failed checks in a row as the breaker allows eject, and the first that goes well closes', async (context) => {
  const scene = new Scene(context, ['a', 'b'], {});
  await scene.check(FAILED);
  await scene.check(FAILED);
  await scene.check(WELL);
  await scene.check(FAILED);
  await scene.check(FAILED);
  assert.equal(scene.table.isUsable(0, scene.nowMs), true);
  await scene.check(FAILED);
  assert.equal(scene.table.isUsable(0, scene.nowMs), false);
  // Held until the next check has told more.
  assert.equal(scene.table.isUsable(0, scene.nowMs + 1500), false);
  await scene.check(WELL);
  assert.equal(scene.table.isUsable(0, scene.nowMs), true);
  assert.ok(scene.asked.every((name) => name === 'a'));
  const said = scene.log.lines.map(({ msg, provider, detail }) => [msg, provider, detail]);
  const failed = ['a health check did not go well', 'a', 'upstream_refused'];
  const well = ['health checks go well again', 'a', 'status 200'];
  assert.deepEqual(said, [failed, well, failed, well]);
});

test('a provider that names a time is not checked before it, and its targets are spared until then', async (context) => {
  const scene = new Scene(context, ['a', 'b'], { model: 'm' });
  await scene.check({ outcome: 'throttled', detail: 'status 429', retryAfterMs: 8000 });
  assert.equal(scene.table.throttledUntilMs(0), scene.nowMs + 8000);
  scene.wait(7999);
  assert.equal(scene.pending, 0);
  scene.wait(1);
  assert.equal(scene.pending, 1);
  await scene.answer(FAILED);
  await scene.check(FAILED);
  await scene.check({ outcome: 'failed', detail: 'status 503', retryAfterMs: 20_000 });
  // Whoever is ejected by checks is held until the next, which is so far away now.
  assert.equal(scene.table.isUsable(0, scene.nowMs + 20_400), false);
  assert.equal(scene.table.isUsable(0, scene.nowMs + 20_501), true);
});

test('a check that does not end is not followed by another', async (context) => {
  const scene = new Scene(context, ['a', 'b'], {});
  scene.wait(10_000);
  assert.equal(scene.pending, 1);
  await scene.answer(WELL);
  scene.wait(1000);
  assert.equal(scene.pending, 1);
});

test('an unclear answer neither ejects nor closes; 429 to a call for a token weighs down', async (context) => {
  const scene = new Scene(context, ['a', 'b'], { path: null, model: 'x' });
  for (let count = 0; count < 5; count += 1) {
    await scene.check({ outcome: 'unclear', detail: 'status 400', retryAfterMs: -1 });
  }
  assert.equal(scene.table.isUsable(0, scene.nowMs), true);
  await scene.check({ outcome: 'throttled', detail: 'status 429', retryAfterMs: -1 });
  assert.equal(scene.table.weightFactor(0, scene.nowMs), 0.01);
});

test('a call for a token is the trial of a target that callers’ requests ejected', async (context) => {
  const scene = new Scene(context, ['a', 'b'], { path: null, model: 'x' });
  failTimes(scene.table, 0, 3, scene.nowMs);
  await scene.check(WELL);
  assert.equal(scene.table.isUsable(0, scene.nowMs), true);
  assert.equal(scene.table.peek(0).state, 0);
});

test('no more checks run at a time than the bound allows, and those that wait have their turn', async (context) => {
  const names = Array.from({ length: BOUNDS.healthChecksMax + 4 }, (_, index) => `p${index}`);
  const scene = new Scene(context, [...names, 'last'], {});
  scene.wait(1000);
  assert.equal(scene.pending, BOUNDS.healthChecksMax);
  for (let count = 0; count < names.length; count += 1) await scene.answer(WELL);
  assert.deepEqual([...scene.asked].sort(), [...names].sort());
});

test('after the stop nothing is asked any more, and a late answer changes nothing', async (context) => {
  const scene = new Scene(context, ['a', 'b'], {});
  await scene.check(FAILED);
  await scene.check(FAILED);
  scene.wait(1000);
  scene.checks.stop();
  await scene.answer(FAILED);
  assert.equal(scene.table.isUsable(0, scene.nowMs), true);
  scene.wait(60_000);
  assert.equal(scene.asked.length, 3);
  assert.equal(scene.closed, 1);
});

test('a period of weeks does not overflow into checks without a pause', async (context) => {
  const scene = new Scene(context, ['a', 'b'], { everyMs: 24 * 86_400_000 });
  const set = context.mock.method(globalThis, 'setTimeout');
  scene.wait(12 * 86_400_000);
  scene.random = 0.999;
  await scene.answer(WELL);
  assert.equal(set.mock.callCount(), 1);
  assert.ok(set.mock.calls.every(({ arguments: [, ms] }) => Number(ms) < 2 ** 31));
});

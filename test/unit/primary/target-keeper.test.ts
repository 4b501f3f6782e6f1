import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HealthTable } from '../../../src/health/table.js';
import { TargetKeeper } from '../../../src/primary/target-keeper.js';
import { createHealthConfig, EPOCH_MS, failTimes } from '../../helpers/health-tables.js';
import { keepLog } from '../../helpers/kept-log.js';

function createScene() {
  const config = createHealthConfig({ models: { m: ['a', 'b'], n: ['a', 'b', 'a'] } });
  const { logger, lines } = keepLog();
  const clock = { nowMs: EPOCH_MS };
  const keeper = new TargetKeeper(config, logger, () => clock.nowMs);
  const worker = new HealthTable(keeper.buffer, keeper.plan, 0, () => 0);
  return { keeper, worker, lines, clock };
}

test('a transition that a worker made is logged once, with target, from, to and why', () => {
  const { keeper, worker, lines, clock } = createScene();
  keeper.look();
  assert.deepEqual(lines, []);
  failTimes(worker, 1, 3, clock.nowMs);
  clock.nowMs += 10;
  keeper.look();
  keeper.look();
  const target = { model: 'm', provider: 'b', provider_model: null };
  assert.deepEqual(lines, [
    {
      level: 'warn',
      ...target,
      from: 'closed',
      to: 'open',
      why: 'failures in a row',
      ejected_ms: 990,
      msg: 'target ejected',
    },
  ]);
  clock.nowMs += 990;
  keeper.look();
  worker.noteAttempt(1, clock.nowMs);
  keeper.look();
  worker.noteSuccess(1, clock.nowMs);
  keeper.look();
  const msg = 'target changed';
  assert.deepEqual(lines.slice(1), [
    {
      level: 'info',
      ...target,
      from: 'open',
      to: 'half-open',
      why: 'the time of its ejection is over',
      msg,
    },
    { level: 'info', ...target, from: 'half-open', to: 'closed', why: 'its trial went well', msg },
  ]);
});

test('the metric tells an ejection whose time is over from one that lasts, and drained from both', () => {
  const { keeper, worker, clock } = createScene();
  const states = () => keeper.readSamples().map(({ state }) => state);
  failTimes(worker, 0, 3, clock.nowMs);
  keeper.setDrained({ model: 'n', provider: 'b' }, true);
  assert.deepEqual(states(), [2, 0, 0, 3, 0]);
  clock.nowMs += 1000;
  assert.deepEqual(states(), [1, 0, 0, 3, 0]);
  assert.deepEqual(
    keeper.readSamples().map(({ ejections }) => ejections),
    [1, 0, 0, 0, 0],
  );
});

test('a count that a dying thread left wrong is put right, but not one that is only late', () => {
  const { keeper, worker } = createScene();
  const { places } = keeper.table;
  const lookTimes = (times: number) => {
    for (let time = 0; time < times; time += 1) keeper.look();
  };
  // As if a worker had ended between taking the place and ejecting the target.
  places.take(0);
  lookTimes(4);
  assert.equal(places.count(0), 1);
  lookTimes(1);
  assert.equal(places.count(0), 0);
  // One that was only late: by the fifth look it has gone on.
  places.take(0);
  lookTimes(4);
  places.giveBack(0);
  lookTimes(1);
  assert.equal(places.count(0), 0);
  failTimes(worker, 0, 3, EPOCH_MS);
  lookTimes(9);
  assert.equal(places.count(0), 1);
});

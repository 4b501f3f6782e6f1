import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HealthTable } from '../../../src/health/table.js';
import { STATE_NAMES, TargetKeeper } from '../../../src/primary/target-keeper.js';
import { createHealthConfig, EPOCH_MS, failTimes } from '../../helpers/health-tables.js';
import { keepLog } from '../../helpers/kept-log.js';

const MODELS = { m: ['a', 'b', 'c'], n: ['a', 'b'] };

function createScene() {
  const config = createHealthConfig({ models: MODELS });
  const { logger, lines } = keepLog();
  const clock = { nowMs: EPOCH_MS };
  const keeper = new TargetKeeper(config, logger, () => clock.nowMs);
  const openWorker = () => new HealthTable(keeper.buffer, keeper.plan, 0, () => 0);
  const states = () =>
    keeper.plan.targets.map(({ model, provider }, index) => [
      `${model} ${provider}`,
      STATE_NAMES[keeper.readState(index, clock.nowMs)],
    ]);
  return { config, keeper, lines, clock, openWorker, states };
}

test('what is known of a target goes with it, wherever it stands in the new configuration', () => {
  const { config, keeper, lines, clock, openWorker, states } = createScene();
  failTimes(openWorker(), 1, 3, clock.nowMs);
  keeper.setDrained({ model: 'n', provider: 'b' }, true);
  const said = lines.length;
  const turned = createHealthConfig({ models: { n: ['b', 'x'], m: ['c', 'b', 'a'] } });
  keeper.adopt(keeper.prepare({ ...turned, workers: config.workers }));
  assert.deepEqual(states(), [
    ['n b', 'drained'],
    ['n x', 'closed'],
    ['m c', 'closed'],
    ['m b', 'open'],
    ['m a', 'closed'],
  ]);
  keeper.look();
  assert.equal(lines.length, said, 'a turn is no change of a target');
  assert.deepEqual(
    keeper.readSamples().map(({ ejections }) => ejections),
    [0, 0, 0, 1, 0],
  );
  // Its place among the ejected of its model is taken: of three, one may be.
  const worker = openWorker();
  failTimes(worker, 4, 9, clock.nowMs);
  assert.equal(states()[4]?.[1], 'closed');
  clock.nowMs += 1000;
  assert.equal(worker.noteAttempt(3, clock.nowMs), true);
  worker.noteSuccess(3, clock.nowMs);
  assert.equal(states()[3]?.[1], 'closed');
  failTimes(worker, 4, 9, clock.nowMs);
  assert.equal(states()[4]?.[1], 'open', 'and its place is given back');
});

test('a target that is reached in another way starts anew, but stays drained', () => {
  const { config, keeper, clock, openWorker, states } = createScene();
  failTimes(openWorker(), 1, 3, clock.nowMs);
  keeper.setDrained({ model: 'n', provider: 'b' }, true);
  const providers = config.providers.map((provider) =>
    provider.name === 'b' ? { ...provider, baseUrl: 'http://127.0.0.1:2' } : provider,
  );
  keeper.adopt(keeper.prepare({ ...config, providers }));
  assert.deepEqual(
    states().map(([, state]) => state),
    ['closed', 'closed', 'closed', 'closed', 'drained'],
  );
});

test('without rules nothing stays ejected', () => {
  const { config, keeper, clock, openWorker, states } = createScene();
  failTimes(openWorker(), 1, 3, clock.nowMs);
  const providers = config.providers.map((provider) => ({ ...provider, breaker: null }));
  keeper.adopt(keeper.prepare({ ...config, providers }));
  assert.equal(states()[1]?.[1], 'closed');
});

test('failures that were seen count on', () => {
  const { config, keeper, clock, openWorker, states } = createScene();
  failTimes(openWorker(), 1, 2, clock.nowMs);
  keeper.adopt(keeper.prepare(config));
  failTimes(openWorker(), 1, 1, clock.nowMs);
  assert.equal(states()[1]?.[1], 'open');
});

/** What workers tell each other of targets through shared memory, on a clock that the test moves. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BOUNDS } from '../../../src/core/bounds.js';
import {
  createTargetLoadBuffer,
  reclaimTargetLoad,
  SharedTargetLoad,
} from '../../../src/route/target-load.js';
import { BalanceScene } from '../../helpers/balance-scene.js';

const TARGETS = 20;
const DECAY_MS = BOUNDS.latencyDecayMs;

function createLoads(workers: number): { buffer: SharedArrayBuffer; loads: SharedTargetLoad[] } {
  const buffer = createTargetLoadBuffer(TARGETS, workers);
  const open = (_: unknown, at: number) => new SharedTargetLoad(buffer, TARGETS, workers, at);
  return { buffer, loads: Array.from({ length: workers }, open) };
}

test('what is under way is the sum over all workers, and a dead one’s is taken back', () => {
  const { buffer, loads } = createLoads(3);
  const [one, two, three] = loads as [SharedTargetLoad, SharedTargetLoad, SharedTargetLoad];
  one.begin(7);
  two.begin(7);
  two.begin(7);
  three.begin(8);
  assert.deepEqual([one.busy(7, 0), one.busy(8, 0), one.busy(6, 0)], [3, 1, 0]);
  two.end(7);
  assert.equal(two.busy(7, 10), 2);
  reclaimTargetLoad(buffer, TARGETS, 1);
  assert.deepEqual([one.busy(7, 20), one.busy(8, 20)], [1, 1]);
  one.end(7);
  one.end(7);
  assert.equal(one.busy(7, 20), 0, 'one end too many does not make it negative');
});

test('the others’ counts are added up once in a while, one’s own are exact', () => {
  const [one, two] = createLoads(2).loads as [SharedTargetLoad, SharedTargetLoad];
  assert.equal(one.busy(0, 5), 0);
  two.begin(0);
  one.begin(0);
  assert.equal(one.busy(0, 5 + BOUNDS.busyStaleMs / 2), 1);
  assert.equal(one.busy(0, 5 + BOUNDS.busyStaleMs), 2);
  two.end(0);
  assert.equal(one.busy(0, 3), 1, 'a clock that goes back is not waited for');
});

test('no worker writes into another’s column or the times', () => {
  const { loads } = createLoads(4);
  for (let index = 0; index < TARGETS; index += 1) {
    loads.forEach((load, worker) => {
      for (let time = 0; time <= worker; time += 1) load.begin(index);
    });
  }
  for (let index = 0; index < TARGETS; index += 1) {
    assert.equal(loads[0]?.busy(index, 0), 10);
    assert.equal(loads[0]?.firstMs(index, 0), 0);
  }
  assert.throws(() => new SharedTargetLoad(createTargetLoadBuffer(1, 1), 1, 1, 1), RangeError);
});

test('a slower answer counts at once, a faster one little by little, and all workers see it', () => {
  const [one, two] = createLoads(2).loads as [SharedTargetLoad, SharedTargetLoad];
  one.recordAnswer(3, 200, 50, 1000);
  assert.deepEqual([two.firstMs(3, 1000), two.tokenMs(3, 1000)], [200, 20]);
  two.recordAnswer(3, 900, 0, 1000);
  assert.deepEqual([one.firstMs(3, 1000), one.tokenMs(3, 1000)], [900, 20]);
  one.recordAnswer(3, 200, 100, 1000 + DECAY_MS);
  const kept = Math.exp(-1);
  const expected = 900 * kept + 200 * (1 - kept);
  assert.ok(Math.abs(one.firstMs(3, 1000 + DECAY_MS) - expected) < 1e-9);
  assert.equal(one.firstMs(2, 1000), 0, 'a neighbour is not measured by it');
});

test('what is no time is not recorded, what is absurd is bounded', () => {
  const [load] = createLoads(1).loads as [SharedTargetLoad];
  for (const value of [0, -1, Number.NaN]) load.recordAnswer(0, value, value, 1000);
  assert.deepEqual([load.firstMs(0, 1000), load.tokenMs(0, 1000)], [0, 0]);
  load.recordAnswer(0, Number.POSITIVE_INFINITY, 1e-300, 1000);
  assert.ok(Number.isFinite(load.firstMs(0, 1000)) && Number.isFinite(load.tokenMs(0, 1000)));
});

test('a time fades, and the attempt that tries it again keeps others from following', () => {
  const [load] = createLoads(1).loads as [SharedTargetLoad];
  load.recordAnswer(0, 1000, 0, 0);
  load.noteTrial(0, 1000);
  assert.ok(load.firstMs(0, 1000) < 1000, 'not faded enough to be a trial');
  assert.ok(Math.abs(load.firstMs(0, DECAY_MS) - 1000 / Math.E) < 1e-9);
  load.noteTrial(0, DECAY_MS);
  assert.equal(load.firstMs(0, DECAY_MS), 1000);
  load.recordAnswer(0, 100, 0, 3 * DECAY_MS);
  assert.ok(load.firstMs(0, 3 * DECAY_MS) < 160, 'after a long time the trial counts nearly alone');
});

test('least latency: a slow target is left, tried once in a while, and taken back when it is fast', () => {
  const [load] = createLoads(1).loads as [SharedTargetLoad];
  const scene = new BalanceScene({ balance: 'least-latency', targets: [{}, {}], load });
  let slowMs = 4000;
  const chosen: { atMs: number; position: number }[] = [];
  /** Ten requests a second, each answered before the next. */
  const run = (seconds: number): number => {
    let slow = 0;
    for (let time = 0; time < seconds * 10; time += 1) {
      scene.nowMs += 100;
      const { index, position } = scene.choose()!;
      chosen.push({ atMs: scene.nowMs, position });
      load.begin(index);
      load.recordAnswer(index, position === 1 ? slowMs : 400, 0, scene.nowMs);
      load.end(index);
      slow += position;
    }
    return slow;
  };
  run(1);
  const perMinute = run(60);
  assert.ok(perMinute >= 2 && perMinute <= 4, `a trial each 23 s: ${perMinute}`);
  slowMs = 40;
  run(60);
  assert.ok(run(10) > 90, 'now it is the faster one');
});

test('least latency: while the trial of a slow target runs nobody follows it', () => {
  const [load] = createLoads(1).loads as [SharedTargetLoad];
  const scene = new BalanceScene({ balance: 'least-latency', targets: [{}, {}], load });
  load.recordAnswer(0, 400, 0, 0);
  load.recordAnswer(1, 4000, 0, 0);
  let trials = 0;
  for (scene.nowMs = 0; scene.nowMs < 30_000; scene.nowMs += 10) {
    const { position, index } = scene.choose()!;
    if (position === 0) load.recordAnswer(index, 400, 0, scene.nowMs);
    else trials += 1;
  }
  assert.equal(trials, 1);
});

test('least latency: what is under way counts, and decides alone where nothing was measured', () => {
  const [load] = createLoads(1).loads as [SharedTargetLoad];
  const scene = new BalanceScene({ balance: 'least-latency', targets: [{}, {}, {}], load });
  const counts = [0, 0, 0];
  for (let time = 0; time < 300; time += 1) {
    const { index } = scene.choose()!;
    load.begin(index);
    counts[index]! += 1;
  }
  assert.ok(
    counts.every((count) => Math.abs(count - 100) <= 6),
    counts.join(),
  );
  load.recordAnswer(0, 100, 10, scene.nowMs);
  load.recordAnswer(1, 100, 1000, scene.nowMs);
  load.recordAnswer(2, 150, 1000, scene.nowMs);
  const next = [0, 0, 0];
  for (let time = 0; time < 100; time += 1) next[scene.choose()!.index]! += 1;
  assert.equal(next[0], 0, 'a hundred tokens take it ten seconds');
  assert.ok(next[1]! > next[2]!, next.join());
});

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { OverloadConfig, Priority } from '../../../src/config/model.js';
import { BOUNDS } from '../../../src/core/bounds.js';
import { ExchangeGate, type GateConfig } from '../../../src/overload/exchange-gate.js';
import {
  createReadingsBuffer,
  PRIORITIES,
  REFUSAL_REASONS,
  Readings,
  type RefusalReason,
} from '../../../src/overload/readings.js';
import { FakeClock } from '../../helpers/fake-clock.js';

const OVERLOAD: OverloadConfig = {
  loopLagMs: 50,
  heapPercent: 90,
  memoryPercent: 90,
  memoryLimitBytes: null,
  descriptorsPercent: 90,
  retryAfterMs: 1000,
};
const CLIENTS = { connectionsMax: null, connectionsPerAddressMax: null, exchangesMax: null };
const CONSUMERS: readonly Priority[] = ['low', 'normal', 'high'];
const CONFIG: GateConfig = {
  overload: OVERLOAD,
  clients: CLIENTS,
  workers: 2,
  consumers: CONSUMERS.map((priority) => ({ priority })),
};
const [LOW, NORMAL, HIGH, NOBODY] = [0, 1, 2, -1];
const FULL = {
  rssBytes: 0,
  memoryLimitBytes: 100,
  descriptors: 0,
  descriptorsMax: 100,
  connections: 0,
};

interface Scene {
  readonly gate: ExchangeGate;
  readonly readings: Readings;
  readonly clock: FakeClock;
  running: number;
}

function createScene(context: TestContext, config: Partial<GateConfig> = {}): Scene {
  const readings = new Readings(createReadingsBuffer(2));
  const clock = new FakeClock(context);
  const scene = { readings, clock, running: 0 };
  const gate = new ExchangeGate({
    config: { ...CONFIG, ...config },
    index: 1,
    readings,
    countInFlight: () => scene.running,
  });
  return Object.assign(scene, { gate });
}

/** The error's code, or `taken`. */
function ask({ gate }: Scene, inFlight: number, consumer: number): string {
  const error = gate.check(inFlight, consumer);
  if (error === null) return 'taken';
  assert.equal(error.code, 'overloaded');
  assert.ok(error.retryAfterMs !== null && error.retryAfterMs >= 1000, 'says when to come again');
  assert.ok(error.retryAfterMs <= 1500);
  return 'refused';
}

function countRefused({ readings }: Scene, reason: RefusalReason, priority: Priority): number {
  return readings.readRefused(1, REFUSAL_REASONS.indexOf(reason), PRIORITIES.indexOf(priority));
}

/** Until the worker's loop has been late for long enough. */
function makeLate(scene: Scene, running: number): void {
  scene.running = running;
  ask(scene, 1, HIGH);
  for (let i = 0; i < 5; i += 1) {
    scene.gate.onTick();
    scene.gate.onInterval({ ms: 100, lagMs: 100, workMs: 100, busyShare: 1 });
  }
}

test('who is idle refuses nobody, whatever the number', (context) => {
  const scene = createScene(context);
  for (const consumer of [LOW, NORMAL, HIGH, NOBODY]) {
    assert.equal(ask(scene, 1_000_000, consumer), 'taken');
  }
});

test('while the loop is late the least important are refused first', (context) => {
  const scene = createScene(context);
  makeLate(scene, 1000);
  const outcomes = [629, 631, 764, 766, 899, 901].map((inFlight) =>
    [LOW, NORMAL, NOBODY, HIGH].map((consumer) => ask(scene, inFlight, consumer)[0]).join(''),
  );
  assert.deepEqual(outcomes, ['tttt', 'rttt', 'rttt', 'rrrt', 'rrrt', 'rrrr']);
  assert.equal(countRefused(scene, 'lag', 'low'), 5);
  assert.equal(countRefused(scene, 'lag', 'normal'), 6);
  assert.equal(countRefused(scene, 'lag', 'high'), 1);
  assert.equal(scene.gate.closesConnections, false);
});

test('of a loop that is late, a round that goes on takes in less and less, until it is over', async (context) => {
  const scene = createScene(context);
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const told = (): string =>
    [LOW, NORMAL, HIGH].map((consumer) => ask(scene, 100, consumer)[0]).join('');
  makeLate(scene, 1000);
  scene.clock.advance(BOUNDS.lagProbeMs);
  await turn();
  assert.equal(told(), 'ttt');
  scene.clock.nowMs += 1.5 * OVERLOAD.loopLagMs + 1;
  assert.equal(told(), 'rtt');
  scene.clock.nowMs += 0.5 * OVERLOAD.loopLagMs;
  assert.equal(told(), 'rrt');
  scene.clock.nowMs += OVERLOAD.loopLagMs;
  assert.equal(told(), 'rrr');
  assert.equal(ask(scene, BOUNDS.exchangesKeptMin, LOW), 'taken');
  await turn();
  assert.equal(told(), 'ttt');
});

test('a round that goes on in a loop that was in time refuses nobody', async (context) => {
  const scene = createScene(context);
  scene.running = 1000;
  ask(scene, 1, HIGH);
  scene.clock.advance(BOUNDS.lagProbeMs);
  await new Promise((resolve) => setImmediate(resolve));
  scene.clock.nowMs += 5000;
  assert.equal(ask(scene, 100_000, LOW), 'taken');
});

test('a loop that is late because others have the core refuses nobody', (context) => {
  const scene = createScene(context);
  scene.running = 1000;
  ask(scene, 1, HIGH);
  for (let i = 0; i < 50; i += 1) {
    scene.gate.onTick();
    scene.gate.onInterval({ ms: 100, lagMs: 500, workMs: 40, busyShare: 1 });
  }
  assert.equal(ask(scene, 2000, LOW), 'taken');
});

test('when the loop keeps up again everybody is taken', (context) => {
  const scene = createScene(context);
  makeLate(scene, 1000);
  scene.running = 10;
  for (let i = 0; i < 25; i += 1) {
    scene.gate.onTick();
    scene.gate.onInterval({ ms: 100, lagMs: 1, workMs: 1, busyShare: 0.1 });
  }
  assert.equal(ask(scene, 100_000, LOW), 'taken');
});

for (const [name, reading] of [
  ['memory', { rssBytes: 0 }],
  ['descriptors', { descriptors: 0 }],
] as const) {
  test(`${name}: one priority more at each step, the last ones get their connections closed`, (context) => {
    const scene = createScene(context);
    const field = Object.keys(reading)[0] as keyof typeof FULL;
    const outcomes = [50, 91, 94, 97, 50].map((used) => {
      scene.readings.writeProcess({ ...FULL, [field]: used });
      scene.clock.nowMs += BOUNDS.pressureLookMs;
      scene.running = 1;
      ask(scene, 1, HIGH);
      scene.gate.onTick();
      const taken = [LOW, NORMAL, HIGH].map((consumer) => ask(scene, 1, consumer)[0]);
      return `${taken.join('')}${scene.gate.closesConnections ? ' closes' : ''}`;
    });
    assert.deepEqual(outcomes, ['ttt', 'rtt', 'rrt closes', 'rrr closes', 'ttt']);
    assert.ok(countRefused(scene, name, 'low') === 3, 'counted by its reason');
  });
}

test('who wakes up looks at once, and does not go by what was', (context) => {
  const scene = createScene(context);
  scene.readings.writeProcess({ ...FULL, rssBytes: 99 });
  assert.equal(ask(scene, 1, HIGH), 'refused');
});

test('a worker with nothing to do sleeps, and is woken by the first who asks', (context) => {
  const scene = createScene(context);
  assert.equal(scene.clock.intervalCount, 0);
  ask(scene, 1, HIGH);
  assert.equal(scene.clock.intervalCount, 1);
  scene.clock.advance(2000);
  assert.equal(scene.clock.intervalCount, 0);
  ask(scene, 1, HIGH);
  assert.equal(scene.clock.intervalCount, 1);
});

test('a worker that still refuses for lack of memory does not sleep', (context) => {
  const scene = createScene(context);
  scene.readings.writeProcess({ ...FULL, rssBytes: 99 });
  ask(scene, 1, LOW);
  scene.clock.advance(5000);
  assert.equal(scene.clock.intervalCount, 1);
  scene.readings.writeProcess(FULL);
  scene.clock.advance(5000);
  assert.equal(scene.clock.intervalCount, 0);
});

test('a configured number of exchanges is shared out over the workers, and holds for all alike', (context) => {
  const clients = { ...CLIENTS, exchangesMax: 9 };
  const scene = createScene(context, { overload: null, clients });
  for (const consumer of [LOW, HIGH]) {
    assert.equal(ask(scene, 5, consumer), 'taken');
    assert.equal(ask(scene, 6, consumer), 'refused');
  }
  assert.equal(countRefused(scene, 'exchanges', 'high'), 1);
  assert.equal(scene.clock.intervalCount, 0, 'nothing is watched');
});

test('overload: off refuses nobody', (context) => {
  const scene = createScene(context, { overload: null });
  scene.readings.writeProcess({ ...FULL, rssBytes: 99, descriptors: 99 });
  assert.equal(ask(scene, 1_000_000, LOW), 'taken');
});

test('another configuration counts from the next exchange on', (context) => {
  const scene = createScene(context);
  makeLate(scene, 1000);
  assert.equal(ask(scene, 1001, LOW), 'refused');
  scene.gate.adopt({ ...CONFIG, consumers: [{ priority: 'high' }] });
  assert.equal(ask(scene, 1001, LOW), 'taken', 'lateness must be seen anew');
  scene.gate.adopt({ ...CONFIG, overload: null });
  scene.clock.advance(5000);
  assert.equal(scene.clock.intervalCount, 0);
  scene.gate.adopt({ ...CONFIG, overload: null, clients: { ...CLIENTS, exchangesMax: 2 } });
  assert.deepEqual([ask(scene, 1, LOW), ask(scene, 2, LOW)], ['taken', 'refused']);
});

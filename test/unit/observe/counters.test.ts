import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import {
  attemptSlot,
  CounterColumn,
  createCounterBuffer,
  createCounterLayout,
  readCounters,
  statusSlot,
} from '../../../src/observe/counters.js';
import { ATTEMPT_OUTCOMES } from '../../../src/upstream/attempt-outcomes.js';
import { createRoutesConfig } from '../../helpers/observe-config.js';

const config = createRoutesConfig({ 'gpt-4o': ['openai', 'azure'], '*': ['openai'] });

test('both sides compute the same layout, and every slot has one meaning', () => {
  const layout = createCounterLayout(config);
  assert.deepEqual(createCounterLayout(structuredClone(config)), layout);
  const slots = [
    ...Object.values(layout.fixed),
    ...Object.values(layout.refused),
    ...layout.routes.flatMap((route) => [
      ...[100, 200, 300, 400, 500].map((status) => statusSlot(route, status)),
      route.endedByDownstream,
      route.endedByUpstream,
      route.endedByGateway,
      route.requestBytes,
      route.responseBytes,
      route.inputTokens,
      route.outputTokens,
      route.cachedInputTokens,
      route.reasoningTokens,
      route.costNanoDollars,
      route.unpriced,
      ...ATTEMPT_OUTCOMES.map((outcome) => attemptSlot(route, outcome)),
    ]),
    ...[...layout.providers.values()].flatMap((p) => [
      p.connectionsOpen,
      p.queueLength,
      p.queueRejected,
      p.staleReplays,
    ]),
  ];
  assert.equal(new Set(slots).size, slots.length);
  assert.ok(Math.max(...slots) < layout.slotCount);
  assert.ok(layout.slotCount <= layout.room);
  assert.equal(layout.routes.filter(({ model }) => model === 'gpt-4o')[1]?.provider, 'azure');
});

test('what a usual exchange adds to at its route lies on one cache line, and its usage on another', () => {
  for (const route of createCounterLayout(config).routes) {
    const { requestBytes, responseBytes, inputTokens, outputTokens, costNanoDollars } = route;
    const usual = [statusSlot(route, 200), requestBytes, responseBytes, attemptSlot(route, 'ok')];
    const usage = [inputTokens, outputTokens, costNanoDollars];
    for (const slots of [usual, usage]) {
      assert.equal(new Set(slots.map((slot) => Math.floor(slot / 8))).size, 1);
    }
  }
});

test('columns never share a cache line, wherever the buffer begins', () => {
  for (const models of [{ a: ['p'] }, { a: ['p', 'p'] }, { a: ['p', 'q', 'r'], b: ['p'] }]) {
    const layout = createCounterLayout(createRoutesConfig(models));
    assert.equal((layout.stride * 8) % 64, 0);
    assert.ok((layout.stride - layout.slotCount) * 8 >= 64);
  }
});

test('statuses fall into their class; what is not a status counts as 5xx', () => {
  const [route] = createCounterLayout(config).routes;
  assert.ok(route);
  for (const [status, offset] of [
    [100, 0],
    [200, 1],
    [299, 1],
    [302, 2],
    [429, 3],
    [599, 4],
    [0, 4],
    [600, 4],
    [Number.NaN, 4],
  ] as const) {
    assert.equal(statusSlot(route, status), route.firstStatusSlot + offset, String(status));
  }
});

test('a buffer of another layout is refused', () => {
  const layout = createCounterLayout(config);
  const buffer = createCounterBuffer(layout, 2);
  assert.throws(() => new CounterColumn(layout, buffer, 2), RangeError);
});

test('columns add up, gauges go down again, and columns do not touch each other', () => {
  const layout = createCounterLayout(config);
  const buffer = createCounterBuffer(layout, 3);
  const columns = [0, 1, 2].map((worker) => new CounterColumn(layout, buffer, worker));
  for (let slot = 0; slot < layout.slotCount; slot += 1) columns[1]?.add(slot, slot + 1);
  columns[0]?.add(layout.fixed.exchangesInFlight, 1);
  columns[0]?.add(layout.fixed.exchangesInFlight, -1);
  columns[2]?.set(layout.fixed.connectionsOpen, 1000);
  assert.equal(columns[1]?.get(layout.fixed.connectionsOpen), layout.fixed.connectionsOpen + 1);
  const sums = readCounters(layout, buffer, 3);
  assert.equal(sums[layout.fixed.exchangesInFlight], layout.fixed.exchangesInFlight + 1);
  assert.equal(sums[layout.fixed.connectionsOpen], layout.fixed.connectionsOpen + 1 + 1000);
});

test('workers count at the same time and nothing is lost', async () => {
  const layout = createCounterLayout(config);
  const workers = 3;
  const rounds = 300_000;
  const buffer = createCounterBuffer(layout, workers);
  const module = new URL('../../../src/observe/counters.js', import.meta.url).href;
  const source = `
    const { workerData } = require('node:worker_threads');
    import(${JSON.stringify(module)}).then(({ CounterColumn, createCounterLayout }) => {
      const layout = createCounterLayout(workerData.config);
      const column = new CounterColumn(layout, workerData.buffer, workerData.index);
      for (let i = 0; i < ${rounds}; i += 1) {
        column.add(layout.fixed.exchangesTotal, 1);
        column.add(layout.routes[2].responseBytes, 3);
      }
    });`;
  const threads = Array.from(
    { length: workers },
    (_, index) => new Worker(source, { eval: true, workerData: { config, buffer, index } }),
  );
  await Promise.all(threads.map((thread) => once(thread, 'exit')));
  const sums = readCounters(layout, buffer, workers);
  assert.equal(sums[layout.fixed.exchangesTotal], workers * rounds);
  assert.equal(sums[layout.routes[2]?.responseBytes ?? -1], workers * rounds * 3);
  assert.equal(
    sums.reduce((sum, value) => sum + value, 0),
    workers * rounds * 4,
  );
});

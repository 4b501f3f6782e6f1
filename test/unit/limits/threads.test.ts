/** The same on real threads: nothing is lost and nothing counted twice. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EPOCH_MS, meter, openTable, together } from '../../helpers/limit-tables.js';
import { startHammer } from '../../helpers/limit-threads.js';

const THREADS = 4;
const LIMITS = [
  meter('tokens', 2_000_000, 60_000),
  meter('requests', 1_000_000, 60_000),
  together(3),
];
const OPTIONS = { workers: THREADS, dynamic: { slots: 64, limits: LIMITS } };

test('four threads on one bucket: every unit is accounted for', async () => {
  const { buffer, primary, plan } = openTable([LIMITS], OPTIONS);
  const order = { buffer, limits: LIMITS, workers: THREADS, rounds: 50_000, isEndless: false };
  const hammers = Array.from({ length: THREADS }, (_, index) => startHammer({ ...order, index }));
  const results = await Promise.all(hammers.map(({ result }) => result));
  const sum = (pick: 'reserved' | 'settled' | 'refused' | 'dynamic') =>
    results.reduce((total, result) => total + result[pick], 0);
  const [tokens, requests, count] = [0, 1, 2].map((row) => primary.readRow(row, EPOCH_MS));
  assert.equal(tokens!.settled, sum('settled'));
  assert.equal(sum('reserved') + tokens!.overdrawn, tokens!.settled + tokens!.refunded);
  assert.equal(tokens!.level - tokens!.debt, 2_000_000 - tokens!.settled);
  assert.equal(requests!.level, 1_000_000 - requests!.settled);
  assert.deepEqual([count!.level, count!.held, tokens!.held], [3, 0, 0]);
  assert.equal(tokens!.refused + requests!.refused + count!.refused, sum('refused'));
  let calls = 0;
  for (let slot = 0; slot < 64; slot += 1) {
    const first = plan.dynamic!.firstRow + slot * LIMITS.length;
    calls += primary.readRow(first + 1, EPOCH_MS).settled;
    assert.equal(primary.readRow(first + 2, EPOCH_MS).level, 3);
  }
  assert.equal(calls, sum('dynamic'));
});

test('a thread that is killed in the middle of its work leaves no place taken', async () => {
  const limits = [
    meter('tokens', 1e9, 60_000, { burst: 1e12 }),
    meter('requests', 1e9, 60_000),
    together(3),
  ];
  const options = { workers: THREADS, dynamic: { slots: 64, limits } };
  const { buffer, primary } = openTable([limits], options);
  const order = { buffer, limits, workers: THREADS, rounds: 0, isEndless: true };
  const hammers = Array.from({ length: THREADS }, (_, index) => startHammer({ ...order, index }));
  await Promise.all(hammers.map(({ result }) => result));
  for (const [index, { worker }] of hammers.entries()) {
    await worker.terminate();
    primary.reclaim(index);
  }
  for (const [row, capacity] of [1e12, 1e9, 3].entries()) {
    const state = primary.readRow(row, EPOCH_MS);
    assert.equal(state.held, 0);
    if (row === 2) assert.equal(state.level, capacity);
  }
});

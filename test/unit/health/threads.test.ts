/** The same on real threads: who changes a target and who sees it take turns by messages, never by time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BOUNDS } from '../../../src/core/bounds.js';
import { CLOSED } from '../../../src/health/breaker.js';
import { EPOCH_MS, openHealth } from '../../helpers/health-tables.js';
import { HealthThread } from '../../helpers/health-threads.js';

const T = EPOCH_MS + 1000;

test('what one worker has ejected, and closed, is so in the other before it asks again', async () => {
  const { buffer, plan, tables } = openHealth();
  const [one, other] = [0, 1].map((column) => new HealthThread({ buffer, plan, column }));
  try {
    const first = { index: 0, nowMs: T };
    assert.equal(await other!.tell({ what: 'is-usable', ...first }), true);
    await one!.tell({ what: 'fail', times: 3, ...first });
    assert.equal(await other!.tell({ what: 'is-usable', ...first }), false);
    const later = { index: 0, nowMs: T + 1000 };
    assert.equal(await other!.tell({ what: 'attempt', ...later }), true);
    assert.equal(await one!.tell({ what: 'attempt', ...later }), false);
    assert.equal(await one!.tell({ what: 'is-usable', ...later }), false);
    await other!.tell({ what: 'success', ...later });
    assert.equal(await one!.tell({ what: 'is-usable', ...later }), true);
    tables[2]!.setDrained(1, true);
    assert.equal(await one!.tell({ what: 'is-usable', index: 1, nowMs: T }), false);
  } finally {
    await Promise.all([one!.end(), other!.end()]);
  }
});

test('a worker that dies with the trial does not keep it', async () => {
  const { buffer, plan, tables } = openHealth();
  const dying = new HealthThread({ buffer, plan, column: 0 });
  await dying.tell({ what: 'fail', times: 3, index: 0, nowMs: T });
  assert.equal(await dying.tell({ what: 'attempt', index: 0, nowMs: T + 1000 }), true);
  await dying.end();
  const living = tables[1]!;
  const lostMs = T + 1000 + BOUNDS.trialMs;
  assert.equal(living.noteAttempt(0, lostMs - 1), false);
  assert.equal(living.noteAttempt(0, lostMs), true);
  living.noteSuccess(0, lostMs);
  assert.equal(living.peek(0).state, CLOSED);
});

test('four threads that fail, try, drain and restore at once: never too many ejected, none lost', async () => {
  const { buffer, plan, tables } = openHealth({
    models: { m: ['a', 'b', 'c', 'd', 'e'] },
    rules: { failures: 2, ejectMs: 2, ejectMsMax: 16 },
    workers: 4,
  });
  const threads = [0, 1, 2, 3].map((column) => new HealthThread({ buffer, plan, column }));
  try {
    const command = { what: 'storm', times: 100_000, index: 0, nowMs: T } as const;
    const results = await Promise.all(threads.map((thread) => thread.tell(command)));
    let trials = 0;
    for (const result of results as { excess: number; trials: number }[]) {
      assert.equal(result.excess, 0);
      trials += result.trials;
    }
    assert.ok(trials > 0);
    const primary = tables[4]!;
    const ejected = [0, 1, 2, 3, 4].filter((index) => primary.peek(index).state !== CLOSED);
    assert.equal(primary.places.count(0), ejected.length);
    assert.ok([0, 1, 2, 3, 4].some((index) => primary.ejectionsTotal(index) > 10));
  } finally {
    await Promise.all(threads.map((thread) => thread.end()));
  }
});

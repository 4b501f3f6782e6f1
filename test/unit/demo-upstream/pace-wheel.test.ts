import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nowMs } from '../../../src/core/clock.js';
import { Alarm, PaceWheel } from '../../../src/demo-upstream/pace-wheel.js';

function rethrow(error: unknown): void {
  throw error;
}

test('alarms ring at their time and never before, also after more than one round', async () => {
  const wheel = new PaceWheel(rethrow);
  const started = nowMs();
  const waits = [0, 1, 3, 3, 40, 120, 4300];
  const rung = await Promise.all(
    waits.map(
      (wait) =>
        new Promise<number>((resolve) => {
          wheel.set(new Alarm(resolve), started + wait, started);
        }),
    ),
  );
  for (const [i, wait] of waits.entries()) {
    const late = (rung[i] as number) - started - wait;
    assert.ok(late >= 0 && late < 100, `${wait} ms rang ${late} ms late`);
  }
});

test('a cleared alarm never rings, not even when another of the same turn clears it', async () => {
  const wheel = new PaceWheel(rethrow);
  const now = nowMs();
  let rings = 0;
  const pair: Alarm[] = [];
  for (let i = 0; i < 2; i += 1) {
    pair.push(
      new Alarm(() => {
        rings += 1;
        wheel.clear(pair[1 - i] as Alarm);
      }),
    );
  }
  const cleared = new Alarm(() => assert.fail('was cleared'));
  wheel.set(cleared, now + 5, now);
  for (const alarm of pair) {
    wheel.set(alarm, now + 5, now);
  }
  wheel.clear(cleared);
  await new Promise<void>((resolve) => {
    wheel.set(new Alarm(() => resolve()), now + 30, now);
  });
  assert.equal(rings, 1);
});

test('a thousand paced alarms do not drift', async () => {
  const wheel = new PaceWheel(rethrow);
  const started = nowMs();
  const ends = await Promise.all(
    Array.from(
      { length: 1000 },
      (_, i) =>
        new Promise<number>((resolve) => {
          let step = 1;
          const alarm = new Alarm((now) => {
            step += 1;
            if (step > 20) {
              resolve(now - started - (i % 10) - 200);
            } else {
              wheel.set(alarm, started + (i % 10) + step * 10, now);
            }
          });
          wheel.set(alarm, started + (i % 10) + 10, started);
        }),
    ),
  );
  assert.ok(Math.max(...ends) < 100, `the latest ended ${Math.max(...ends)} ms late`);
  assert.ok(Math.min(...ends) >= 0);
});

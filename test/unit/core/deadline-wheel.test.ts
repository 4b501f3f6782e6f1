/** Deadlines with moments of their own, by a fake clock: when they come, and that the wheel stays whole. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BOUNDS } from '../../../src/core/bounds.js';
import type { Dated, WheelSlot } from '../../../src/core/deadline-wheel.js';
import { Deadlines } from '../../../src/core/deadlines.js';
import { FakeClock } from '../../helpers/fake-clock.js';

const TICK_MS = BOUNDS.timerTickMs;
const ROUND_MS = BOUNDS.deadlineSlots * TICK_MS;

class Entry implements Dated {
  wheelSlot: WheelSlot | null = null;
  wheelPrevious: Dated | null = null;
  wheelNext: Dated | null = null;

  constructor(
    public dueMs: number,
    readonly onDue: () => void,
  ) {}
}

test('an entry is told once, never early and at most two ticks late, in whichever round', (t) => {
  for (const waitMs of [0, 1, TICK_MS - 1, TICK_MS, 333.3, ROUND_MS, 2.5 * ROUND_MS + 7]) {
    for (let offsetMs = 0; offsetMs < TICK_MS; offsetMs += 3) {
      const clock = new FakeClock(t);
      const { wheel } = new Deadlines();
      clock.advance(offsetMs);
      const dueMs = clock.nowMs + waitMs;
      const times: number[] = [];
      wheel.add(new Entry(dueMs, () => times.push(clock.nowMs)));
      clock.advance(waitMs + 5 * TICK_MS);
      assert.equal(times.length, 1, `${waitMs} after ${offsetMs}`);
      const lateMs = (times[0] ?? 0) - dueMs;
      assert.ok(lateMs >= 0 && lateMs <= 2 * TICK_MS, `${waitMs}: ${lateMs} late`);
    }
  }
});

test('an entry that is removed is not told, and one that waits is not added twice', (t) => {
  const clock = new FakeClock(t);
  const { wheel } = new Deadlines();
  let told = 0;
  const gone = new Entry(clock.nowMs + 50, () => assert.fail('removed'));
  const kept = new Entry(clock.nowMs + 50, () => {
    told += 1;
  });
  wheel.add(gone);
  wheel.add(kept);
  wheel.add(kept);
  assert.equal(wheel.count, 2);
  wheel.remove(gone);
  wheel.remove(gone);
  clock.advance(200);
  wheel.remove(kept);
  assert.equal(told, 1);
  assert.equal(wheel.count, 0);
  assert.equal(clock.intervalCount, 1);
  clock.advance(2000);
  assert.equal(clock.intervalCount, 0, 'an idle worker sleeps');
});

test('a moment that has passed, and one after the loop was held up for more than a round', (t) => {
  const clock = new FakeClock(t);
  const { wheel } = new Deadlines();
  const told: string[] = [];
  wheel.add(new Entry(clock.nowMs - 5000, () => told.push('past')));
  clock.advance(2 * TICK_MS);
  assert.deepEqual(told, ['past']);
  for (let number = 0; number < 3; number += 1) {
    const dueMs = clock.nowMs + 100 + (number * ROUND_MS) / 3;
    wheel.add(new Entry(dueMs, () => told.push(String(number))));
  }
  clock.holdUp(2 * ROUND_MS);
  clock.advance(2 * TICK_MS);
  assert.deepEqual(told.sort(), ['0', '1', '2', 'past']);
});

test('what a callback adds and removes, of the same tick too', (t) => {
  const clock = new FakeClock(t);
  const { wheel } = new Deadlines();
  const dueMs = clock.nowMs + 100;
  const told: string[] = [];
  const entries: Entry[] = [];
  for (const name of ['a', 'b', 'c', 'd']) {
    entries.push(
      new Entry(dueMs, () => {
        told.push(name);
        // Whoever is told first takes all others away but one.
        for (const other of entries.slice(0, -1)) wheel.remove(other);
        if (told.length < 3) wheel.add(new Entry(clock.nowMs, () => told.push('later')));
      }),
    );
  }
  const later = new Entry(dueMs + ROUND_MS, () => told.push('next round'));
  for (const entry of entries) wheel.add(entry);
  wheel.add(later);
  clock.advance(200);
  assert.equal(told.filter((name) => name.length === 1).length, 1);
  assert.equal(told.filter((name) => name === 'later').length, 1);
  clock.advance(ROUND_MS);
  assert.equal(told.at(-1), 'next round');
  assert.equal(wheel.count, 0);
});

test('random additions and removals: each entry is told at its time, or was removed', (t) => {
  const step = fc.record({
    waitMs: fc.oneof(fc.integer({ min: -50, max: 500 }), fc.integer({ min: 0, max: 3 * ROUND_MS })),
    advanceMs: fc.oneof(fc.nat(60), fc.nat(ROUND_MS)),
    removes: fc.option(fc.nat(30)),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const clock = new FakeClock(t);
      const { wheel } = new Deadlines();
      const told = new Map<number, number>();
      const entries: Entry[] = [];
      const removed = new Set<number>();
      for (const { waitMs, advanceMs, removes } of steps) {
        const number = entries.length;
        const entry = new Entry(clock.nowMs + waitMs, () => {
          assert.ok(!told.has(number) && !removed.has(number));
          told.set(number, clock.nowMs);
        });
        entries.push(entry);
        wheel.add(entry);
        const other = removes === null ? undefined : entries[removes];
        if (other !== undefined && other.wheelSlot !== null && removes !== null) {
          wheel.remove(other);
          removed.add(removes);
        }
        clock.advance(advanceMs);
      }
      clock.advance(4 * ROUND_MS);
      assert.equal(wheel.count, 0);
      for (const [number, { dueMs }] of entries.entries()) {
        if (removed.has(number)) continue;
        const lateMs = (told.get(number) ?? Number.NaN) - dueMs;
        assert.ok(lateMs >= 0 && lateMs <= 50 + 2 * TICK_MS, `${lateMs} ms late`);
      }
    }),
    { seed: 7, numRuns: 60 },
  );
});

/** Two threads that claim, evict and use slots, every order of their steps. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Memory } from '../../../src/limits/memory.js';
import { DynamicSlots } from '../../../src/limits/slots.js';
import { LimitTable } from '../../../src/limits/table.js';
import { exploreAll } from '../../helpers/interleave.js';
import { EPOCH_MS, meter, need, type OpenTable, openTable } from '../../helpers/limit-tables.js';

const LIMITS = [meter('requests', 2, 1000)];

function openSlots(slots: number, workers = 2): OpenTable {
  return openTable([], { workers, dynamic: { slots, limits: LIMITS } });
}

/** Keys by their hash: all begin at the first slot. */
const KEY = {
  a: [1, 0xaaaaaaaa],
  b: [2, 0xbbbbbbbb],
  c: [3, 0xcccccccc],
  d: [4, 0xdddddddd],
} as const;
type Key = keyof typeof KEY;

function pinBy(open: OpenTable, worker: number, key: Key, ageMs: number, memory?: Memory): number {
  const table = new LimitTable(open.buffer, open.plan, worker, memory);
  const [low, high] = KEY[key];
  return new DynamicSlots(table).pinHash(low, high, ageMs);
}

function unpinBy(open: OpenTable, worker: number, slot: number): void {
  new DynamicSlots(new LimitTable(open.buffer, open.plan, worker)).unpin(slot);
}

/** Slots that belong to the key for good, and those that are claimed for it. */
function findStates(open: OpenTable, key: Key): { live: number; claimed: number } {
  const words = new Uint32Array(open.buffer, open.primary.layout.slotWords * 8);
  const [low, high] = KEY[key];
  const found = { live: 0, claimed: 0 };
  for (let slot = 0; slot < open.plan.dynamic!.slots; slot += 1) {
    const word = words[slot * 2]!;
    if (words[slot * 2 + 1] !== high >>> 1 || word >>> 20 !== low) continue;
    if ((word & 3) >= 2) found.live += 1;
    if ((word & 3) === 1) found.claimed += 1;
  }
  return found;
}

test('two that claim the same key at once end up with one slot', () => {
  const open = openSlots(2);
  const body = (worker: number) => (memory: Memory) => pinBy(open, worker, 'a', 10, memory);
  const { ends, states } = exploreAll(open.buffer, [body(0), body(1)], ([first, second]) => {
    assert.equal(first, second);
    assert.deepEqual(findStates(open, 'a'), { live: 1, claimed: 0 });
  });
  assert.ok(ends >= 1 && states > 100, `${states} states`);
});

test('two that claim the same key in different places end up with one slot', () => {
  const open = openSlots(2);
  // The first slot's bucket is full again for the later of the two only, so each evicts another.
  for (const [key, usedMs] of [
    ['b', 20],
    ['c', 30],
  ] as const) {
    unpinBy(open, 0, pinBy(open, 0, key, usedMs));
  }
  open.primary.buckets.charge(0, 1, 400);
  const body = (worker: number, ageMs: number) => (memory: Memory) =>
    pinBy(open, worker, 'a', ageMs, memory);
  const places = new Set<string>();
  const { states } = exploreAll(open.buffer, [body(0, 600), body(1, 2000)], ([first, second]) => {
    assert.equal(first, second);
    places.add(`${first}`);
    assert.deepEqual(findStates(open, 'a'), { live: 1, claimed: 0 });
  });
  assert.ok(states > 1000, `${states} states`);
  assert.deepEqual([...places].sort(), ['0', '1']);
});

test('a key whose claimer dies at any step is still found once by the next', () => {
  const open = openSlots(2);
  const body = (worker: number) => (memory: Memory) => pinBy(open, worker, 'a', 10, memory);
  exploreAll(
    open.buffer,
    [body(0), body(1)],
    ([, second]) => {
      assert.ok(second! >= 0);
      assert.deepEqual(findStates(open, 'a'), { live: 1, claimed: 0 });
    },
    [0],
  );
});

/** Runs something just before the n-th step of one kind. */
function interrupt(
  memory: Memory,
  kind: 'load64' | 'swap64',
  steps: Readonly<Record<number, () => void>>,
): Memory {
  let count = 0;
  return new Proxy(memory, {
    get(target, name) {
      const method = Reflect.get(target, name) as (...values: unknown[]) => unknown;
      return (...values: unknown[]) => {
        if (name === kind) {
          count += 1;
          steps[count]?.();
        }
        return method.apply(target, values);
      };
    },
  });
}

test('a third that sees a late claim does not make it live beside an earlier one in front', () => {
  const open = openSlots(2, 3);
  for (const key of ['b', 'c'] as const) unpinBy(open, 0, pinBy(open, 0, key, 20));
  open.primary.buckets.charge(0, 1, 400);
  // The second looked before anybody had claimed, lets the first claim in front of it, claims, and dies.
  const claimLate = (): void => {
    const memory = interrupt(open.primary.memory, 'swap64', {
      2: () => assert.equal(pinBy(open, 0, 'a', 2000), 0),
      3: () => {
        throw new Error('dead');
      },
    });
    assert.throws(() => pinBy(open, 1, 'a', 600, memory), /dead/);
    assert.deepEqual(findStates(open, 'a'), { live: 1, claimed: 1 });
  };
  // The third has read the place in front before all that, and reads the other after it.
  const memory = interrupt(open.primary.memory, 'load64', { 2: claimLate });
  assert.equal(pinBy(open, 2, 'a', 2000, memory), 0);
  assert.deepEqual(findStates(open, 'a'), { live: 1, claimed: 0 });
});

test('a slot is not evicted under a thread that reserves in it', () => {
  const open = openSlots(1);
  unpinBy(open, 0, pinBy(open, 0, 'b', 20));
  const caller = (memory: Memory) => {
    const slot = pinBy(open, 0, 'b', 5000, memory);
    if (slot < 0) return -1;
    const { buckets } = new LimitTable(open.buffer, open.plan, 0, memory);
    buckets.charge(slot, 2, 5000);
    return slot;
  };
  const evictor = (memory: Memory) => pinBy(open, 1, 'a', 5000, memory);
  const seen = new Set<string>();
  exploreAll(open.buffer, [caller, evictor], ([called, evicted]) => {
    seen.add(`${called} ${evicted}`);
    assert.ok(called === -1 || evicted === -1, 'both have the only slot');
    assert.ok(called === 0 || evicted === 0, 'nobody has it');
    const owner = called === 0 ? 'b' : 'a';
    assert.equal(findStates(open, owner).live, 1);
    assert.equal(open.primary.buckets.missingTicks(0, 5000) > 0n, called === 0);
  });
  assert.deepEqual([...seen].sort(), ['-1 0', '0 -1']);
});

test('two that evict for different keys never share a slot', () => {
  const open = openSlots(2);
  for (const key of ['c', 'd'] as const) unpinBy(open, 0, pinBy(open, 0, key, 20));
  const body = (worker: number, key: Key) => (memory: Memory) =>
    pinBy(open, worker, key, 5000, memory);
  exploreAll(open.buffer, [body(0, 'a'), body(1, 'b')], ([first, second]) => {
    assert.notEqual(first, second);
    assert.deepEqual([findStates(open, 'a').live, findStates(open, 'b').live], [1, 1]);
  });
});

test('a settled call leaves its slot to others, and a running one does not', () => {
  const open = openSlots(1);
  const { ledgers } = open;
  const reservation = ledgers[0]!.createReservation();
  const other = ledgers[1]!.createReservation();
  assert.equal(ledgers[0]!.reserveDynamic('first', null, need(1, 0), EPOCH_MS, reservation), null);
  const lateMs = EPOCH_MS + 60_000;
  const refusal = ledgers[1]!.reserveDynamic('second', null, need(1, 0), lateMs, other);
  assert.equal(refusal?.reason, 'table_full');
  ledgers[0]!.refund(reservation, lateMs);
  assert.equal(ledgers[1]!.reserveDynamic('second', null, need(1, 0), lateMs, other), null);
  assert.equal(new DynamicSlots(open.primary).refusedCount, 1);
});

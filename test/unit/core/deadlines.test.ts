/** Timeouts by a fake clock: when they come, and that lists stay whole whatever is done to them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BOUNDS } from '../../../src/core/bounds.js';
import { type DeadlineList, Deadlines, type Timed } from '../../../src/core/deadlines.js';
import { FakeClock } from '../../helpers/fake-clock.js';

const TICK_MS = BOUNDS.timerTickMs;

class Entry implements Timed {
  deadlineList: DeadlineList | null = null;
  deadlinePrevious: Timed | null = null;
  deadlineNext: Timed | null = null;
  deadlineStartMs = 0;

  constructor(
    readonly name: string,
    readonly onExpired: (entry: Entry) => void,
  ) {}

  onDeadline(): void {
    this.onExpired(this);
  }
}

test('an entry is told once, no more than a tick before or after its time', (t) => {
  for (let offsetMs = 0; offsetMs < TICK_MS; offsetMs += 1) {
    const clock = new FakeClock(t);
    const deadlines = new Deadlines();
    const list = deadlines.createList(100);
    const times: number[] = [];
    const keepsTicking = new Entry('ticker', () => assert.fail('removed'));
    list.add(keepsTicking);
    clock.advance(offsetMs);
    const addedMs = clock.nowMs;
    list.add(new Entry('a', () => times.push(clock.nowMs - addedMs)));
    list.remove(keepsTicking);
    clock.advance(1000);
    assert.equal(times.length, 1);
    assert.ok(Math.abs((times[0] ?? 0) - 100) <= TICK_MS, `${times} after ${offsetMs}`);
  }
});

test('what waits longer than a tick is told at its time, not at the tick after it', (t) => {
  for (let offsetMs = 0; offsetMs < TICK_MS; offsetMs += 1) {
    const clock = new FakeClock(t);
    const deadlines = new Deadlines();
    const lists = [deadlines.createList(100), deadlines.createList(107)];
    const lateMs: number[] = [];
    deadlines.createList(60_000).add(new Entry('ticker', () => assert.fail('not yet')));
    clock.advance(offsetMs);
    const addedMs = clock.nowMs;
    for (const list of lists) {
      const tell = (): number => lateMs.push(clock.nowMs - addedMs - list.durationMs);
      list.add(new Entry('one', tell));
      list.add(new Entry('another', tell));
    }
    clock.advance(1000);
    assert.equal(lateMs.length, 4);
    for (const ms of lateMs) assert.ok(ms >= 0 && ms <= 1, `${lateMs} after ${offsetMs}`);
  }
});

test('entries are told in the order of their deadlines; a touch begins the wait anew', (t) => {
  const clock = new FakeClock(t);
  const list = new Deadlines().createList(100);
  const told: string[] = [];
  const entries = ['a', 'b', 'c', 'd'].map((name) => new Entry(name, () => told.push(name)));
  for (const entry of entries) {
    list.add(entry);
    clock.advance(TICK_MS);
  }
  const [a, b, c, d] = entries as [Entry, Entry, Entry, Entry];
  list.touch(b);
  list.touch(d);
  list.touch(a);
  list.remove(c);
  assert.equal(list.waitedMs(c), 0);
  clock.advance(TICK_MS);
  assert.equal(list.waitedMs(a), TICK_MS);
  clock.advance(60);
  assert.deepEqual(told, []);
  clock.advance(40);
  assert.deepEqual(told, ['b', 'd', 'a']);
});

test('an entry moves from one list to another, and a touch of the other list leaves both whole', (t) => {
  const clock = new FakeClock(t);
  const deadlines = new Deadlines();
  const short = deadlines.createList(100);
  const long = deadlines.createList(300);
  const told: string[] = [];
  const entries = ['a', 'b', 'c'].map((name) => new Entry(name, () => told.push(name)));
  const [a, b, c] = entries as [Entry, Entry, Entry];
  long.add(a);
  long.add(b);
  short.add(c);
  long.touch(c);
  long.add(c);
  clock.advance(200);
  assert.deepEqual(told, [], 'what moved waits as long as its new list says');
  short.touch(a);
  clock.advance(200);
  assert.deepEqual(told, ['a', 'b', 'c']);
  clock.advance(1000);
  assert.deepEqual(told, ['a', 'b', 'c'], 'once each');
});

test('a touch of what waits nowhere does not make it wait', (t) => {
  const clock = new FakeClock(t);
  const list = new Deadlines().createList(100);
  list.touch(new Entry('a', () => assert.fail('was not added')));
  clock.advance(1000);
});

test('callbacks may remove, add and add again', (t) => {
  const clock = new FakeClock(t);
  const list = new Deadlines().createList(100);
  const told: string[] = [];
  const victim = new Entry('victim', () => told.push('victim'));
  const again = new Entry('again', (entry) => {
    told.push('again');
    list.remove(victim);
    if (told.length < 3) list.add(entry);
  });
  list.add(again);
  list.add(victim);
  clock.advance(110);
  assert.deepEqual(told, ['again']);
  clock.advance(110);
  assert.deepEqual(told, ['again', 'again']);
  clock.advance(500);
  assert.deepEqual(told, ['again', 'again', 'again']);
});

test('a loop that was held up expires nobody at once, and one that always is does in the end', (t) => {
  const clock = new FakeClock(t);
  const list = new Deadlines().createList(100);
  const told: string[] = [];
  const silent = new Entry('silent', () => told.push('silent'));
  const alive = new Entry('alive', () => told.push('alive'));
  list.add(silent);
  list.add(alive);
  clock.holdUp(5000);
  assert.deepEqual(told, [], 'what came in meanwhile has not been read yet');
  list.touch(alive);
  clock.advance(TICK_MS);
  assert.deepEqual(told, ['silent']);
  for (let i = 0; i < 3; i += 1) clock.holdUp(5000);
  assert.deepEqual(told, ['silent', 'alive']);
});

test('nothing ticks while nothing waits, and the wait after it begins at the right time', (t) => {
  const clock = new FakeClock(t);
  const list = new Deadlines().createList(100);
  assert.equal(clock.intervalCount, 0);
  list.add(new Entry('a', () => {}));
  assert.equal(clock.intervalCount, 1);
  clock.advance(5000);
  assert.equal(clock.intervalCount, 0);
  clock.advance(60_000);
  const addedMs = clock.nowMs;
  let waitedMs = 0;
  list.add(
    new Entry('b', () => {
      waitedMs = clock.nowMs - addedMs;
    }),
  );
  clock.advance(500);
  assert.ok(Math.abs(waitedMs - 100) <= TICK_MS, `${waitedMs}`);
});

const DURATIONS = [40, 100, 300] as const;
const which = { list: fc.nat({ max: 2 }), entry: fc.nat({ max: 5 }) };
const steps = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constantFrom('add', 'add', 'touch', 'remove'),
      ...which,
      ms: fc.constant(0),
    }),
    fc.record({ kind: fc.constant('wait'), ...which, ms: fc.integer({ min: 0, max: 120 }) }),
  ),
  { maxLength: 60 },
);

test('does what a table of start times would do, whatever is done to the lists', (t) => {
  fc.assert(
    fc.property(steps, (script) => {
      const clock = new FakeClock(t);
      const deadlines = new Deadlines();
      const lists = DURATIONS.map((durationMs) => deadlines.createList(durationMs));
      // The oracle: entry → its list and since when it waits.
      const waiting = new Map<Entry, { list: number; sinceMs: number }>();
      const entries = Array.from(
        { length: 6 },
        (_, i) =>
          new Entry(`${i}`, (entry) => {
            const expected = waiting.get(entry);
            assert.ok(expected !== undefined, `${entry.name} waits nowhere`);
            const lateMs = clock.nowMs - expected.sinceMs - (DURATIONS[expected.list] ?? 0);
            assert.ok(Math.abs(lateMs) <= TICK_MS, `${entry.name} is ${lateMs} ms late`);
            waiting.delete(entry);
          }),
      );
      for (const { kind, list, entry: number, ms } of script) {
        const entry = entries[number] as Entry;
        if (kind === 'wait') {
          clock.advance(ms);
        } else if (kind === 'add') {
          lists[list]?.add(entry);
          waiting.set(entry, { list, sinceMs: clock.nowMs });
        } else if (kind === 'touch') {
          lists[list]?.touch(entry);
          if (waiting.get(entry)?.list === list) waiting.set(entry, { list, sinceMs: clock.nowMs });
        } else {
          lists[list]?.remove(entry);
          if (waiting.get(entry)?.list === list) waiting.delete(entry);
        }
        for (const [late, { list, sinceMs }] of waiting) {
          const overdueMs = clock.nowMs - sinceMs - (DURATIONS[list] ?? 0);
          assert.ok(overdueMs <= TICK_MS, `${late.name} was not told for ${overdueMs} ms`);
        }
      }
    }),
    { numRuns: 500 },
  );
});

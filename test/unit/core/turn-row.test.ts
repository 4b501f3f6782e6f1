/** What comes up in a turn of the loop is done at its end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { BOUNDS } from '../../../src/core/bounds.js';
import { TurnRow } from '../../../src/core/turn-row.js';

function createRow(): {
  row: TurnRow;
  ran: string[];
  faults: unknown[];
  add: (name: string) => void;
} {
  const ran: string[] = [];
  const faults: unknown[] = [];
  const row = new TurnRow((thrown) => faults.push(thrown));
  const add = (name: string): void => row.add({ run: () => void ran.push(name) });
  return { row, ran, faults, add };
}

test('all of a turn are run at its end, in their order, and what they add in the next', async () => {
  const { row, ran, add } = createRow();
  add('a');
  row.add({
    run: () => {
      ran.push('b');
      add('d');
    },
  });
  add('c');
  assert.deepEqual(ran, []);
  await nextTurn();
  assert.deepEqual(ran, ['a', 'b', 'c']);
  await nextTurn();
  assert.deepEqual(ran, ['a', 'b', 'c', 'd']);
});

test('a row that is full is run at once, and once', async () => {
  const { ran, add } = createRow();
  for (let n = 0; n < BOUNDS.turnRowMax; n += 1) {
    assert.equal(ran.length, 0);
    add(`${n}`);
  }
  assert.equal(ran.length, BOUNDS.turnRowMax);
  add('after');
  await nextTurn();
  assert.equal(ran.length, BOUNDS.turnRowMax + 1);
});

test('who throws keeps nobody else from being run', async () => {
  const { row, ran, faults, add } = createRow();
  row.add({
    run: () => {
      throw new Error('defect');
    },
  });
  add('b');
  await nextTurn();
  assert.deepEqual(ran, ['b']);
  assert.equal(String(faults[0]), 'Error: defect');
});

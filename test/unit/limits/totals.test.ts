import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Memory, SharedMemory } from '../../../src/limits/memory.js';
import { addToTotal, readTotal } from '../../../src/limits/totals.js';
import { exploreAll } from '../../helpers/interleave.js';

const CELL = 1;
const WORD = 2 ** 32;

function openCell(total: number): { readonly buffer: SharedArrayBuffer; readonly memory: Memory } {
  const buffer = new SharedArrayBuffer(24);
  new BigInt64Array(buffer)[CELL] = BigInt(total);
  return { buffer, memory: new SharedMemory(buffer) };
}

/** What others would find who read the cell whole; the cells beside it must be left alone. */
function readCells(buffer: SharedArrayBuffer): bigint[] {
  return [...new BigInt64Array(buffer)];
}

test('a total is the sum of what was added, beyond 32 bits too', () => {
  const amounts = [0, 1, WORD / 2, WORD - 1, WORD, WORD + 1, 3 * WORD - 1, 2 ** 40, 2 ** 52 + 5];
  for (const first of amounts) {
    for (const second of amounts) {
      const { buffer, memory } = openCell(0);
      addToTotal(memory, CELL, first);
      addToTotal(memory, CELL, second);
      assert.equal(readTotal(memory, CELL), first + second);
      assert.deepEqual(readCells(buffer), [0n, BigInt(first + second), 0n]);
    }
  }
});

test('of two that add at once neither loses its carry, and neither carries for the other', () => {
  for (const start of [0, WORD - 1, WORD - 4, 2 * WORD - 1]) {
    const { buffer } = openCell(start);
    const add = (units: number) => (memory: Memory) => {
      addToTotal(memory, CELL, units);
      addToTotal(memory, CELL, WORD - 2);
    };
    const { ends } = exploreAll(buffer, [add(3), add(2 * WORD + 5)], () => {
      assert.deepEqual(readCells(buffer), [0n, BigInt(start + 4 * WORD + 4), 0n]);
    });
    assert.ok(ends > 0);
  }
});

test('who reads while another adds never sees more than there is, nor less but by the carry', () => {
  const start = WORD - 3;
  const { buffer } = openCell(start);
  const seen = new Set<number>();
  const add = (memory: Memory) => {
    addToTotal(memory, CELL, 1);
    addToTotal(memory, CELL, 5);
    return 0;
  };
  exploreAll(buffer, [add, (memory) => readTotal(memory, CELL)], ([, read]) => seen.add(read!));
  const short = start + 6 - WORD;
  assert.deepEqual([...seen].sort(), [short, start, start + 1, start + 6].sort());
});

test('a carry that is made between the looks at both words is not lost', () => {
  const { memory } = openCell(WORD - 1);
  let isAdded = false;
  const busy: Pick<Memory, 'load32'> = {
    load32: (word) => {
      if (word === CELL * 2 && !isAdded) {
        isAdded = true;
        addToTotal(memory, CELL, 1);
      }
      return memory.load32(word);
    },
  };
  assert.equal(readTotal(busy, CELL), WORD);
});

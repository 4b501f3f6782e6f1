/** The memory that requests are written from: bounded, and never written over while a socket reads from it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findSlab, type Slab, SlabRing } from '../../../src/upstream/request-slabs.js';

const BYTES = 1024;

function hold(ring: SlabRing, bytes: number): Slab {
  const slab = ring.find(bytes);
  slab.usedBytes += bytes;
  slab.held += 1;
  return slab;
}

test('what nobody needs any more is written over at once, in the same slab', () => {
  const ring = new SlabRing(BYTES, 4);
  const slabs = new Set<Slab>();
  for (let round = 0; round < 100; round += 1) {
    const slab = hold(ring, 600);
    assert.equal(slab.usedBytes, 600);
    slabs.add(slab);
    slab.held -= 1;
  }
  assert.equal(slabs.size, 1);
});

test('requests that wait share slabs; beyond the bound the oldest are no longer held', () => {
  const ring = new SlabRing(BYTES, 3);
  const slabs = Array.from({ length: 12 }, () => hold(ring, 300));
  assert.equal(new Set(slabs).size, 3);
  assert.equal(slabs[0], slabs[2]);
  assert.equal(slabs[0]?.generation, 1, 'the first three were given up for the last three');
  assert.equal(slabs[3]?.generation, 0);
  assert.equal(slabs[0]?.held, 3);
});

test('a slab that a socket reads from is never given up, however many are asked for', () => {
  const ring = new SlabRing(BYTES, 2);
  const read = hold(ring, 1000);
  read.pending += 1;
  for (let round = 0; round < 20; round += 1) {
    assert.notEqual(hold(ring, 1000), read);
  }
  assert.equal(read.generation, 0);
  const other = hold(ring, 1000);
  other.pending += 1;
  const beyond = ring.find(1000);
  assert.equal(beyond.isShared, false, 'none of the ring, so that it is not kept');
  assert.equal(read.usedBytes, 1000);
});

test('a slab is free again when all in it have been answered, before any is given up', () => {
  const ring = new SlabRing(BYTES, 2);
  const first = hold(ring, 1000);
  const second = hold(ring, 1000);
  second.held -= 1;
  assert.equal(hold(ring, 1000), second);
  assert.equal(first.generation, 0);
});

test('a request beyond all slabs has memory of its own, which is not kept', () => {
  const slab = findSlab(5_000_000);
  assert.equal(slab.buffer.length, 5_000_000);
  assert.equal(slab.isShared, false);
  assert.equal(findSlab(100).isShared, true);
  assert.equal(findSlab(100_000).isShared, true);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pressure } from '../../../src/overload/pressure.js';

test('three steps from the configured share to the whole', () => {
  const pressure = new Pressure(90);
  const levels = [89.9, 90, 93.2, 93.4, 96.6, 96.7, 120].map((used) => {
    pressure.read(used, 100);
    return pressure.level;
  });
  assert.deepEqual(levels, [0, 1, 1, 2, 2, 3, 3]);
});

test('a step is left when the reading is clearly below it', () => {
  const pressure = new Pressure(90);
  const levels = [97, 95, 94.6, 92, 91.3, 88.1, 87.9].map((used) => {
    pressure.read(used, 100);
    return pressure.level;
  });
  assert.deepEqual(levels, [3, 3, 2, 2, 1, 1, 0]);
});

test('several steps at once, both ways', () => {
  const pressure = new Pressure(50);
  pressure.read(99, 100);
  assert.equal(pressure.level, 3);
  pressure.read(1, 100);
  assert.equal(pressure.level, 0);
});

test('of what nobody knows the size there is enough', () => {
  const pressure = new Pressure(1);
  pressure.read(1e12, 0);
  assert.deepEqual([pressure.level, pressure.percent], [0, 0]);
});

test('a hundred percent is reached by what is full only', () => {
  const pressure = new Pressure(100);
  pressure.read(99.9, 100);
  assert.equal(pressure.level, 0);
  pressure.read(100, 100);
  assert.equal(pressure.level, 3);
});

/** The waits between attempts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backoff } from '../../../src/upstream/backoff.js';

/** As close to 1 as Math.random() comes. */
const ALMOST_ONE = 1 - 2 ** -53;

test('the longest wait doubles with each attempt, up to the maximum', () => {
  const backoff = new Backoff(100, 5000, () => ALMOST_ONE);
  const waits = [1, 2, 3, 4, 5, 6, 7, 8, 100].map((attempt) =>
    Math.round(backoff.delayMs(attempt)),
  );
  assert.deepEqual(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
});

test('the shortest wait is none at all: jitter is full', () => {
  const backoff = new Backoff(100, 5000, () => 0);
  for (const attempt of [1, 2, 50]) assert.equal(backoff.delayMs(attempt), 0);
});

test('callers who failed together do not come back together', () => {
  const backoff = new Backoff(100, 5000);
  const waits = new Set(Array.from({ length: 50 }, () => backoff.delayMs(3)));
  assert.ok(waits.size > 40);
});

test('a number of attempts that makes no sense is taken for the first', () => {
  const backoff = new Backoff(100, 5000, () => 0.5);
  for (const attempt of [0, -7, Number.NaN]) assert.equal(backoff.delayMs(attempt), 50);
  assert.equal(backoff.delayMs(Number.POSITIVE_INFINITY), 2500);
});

test('without a base there is no wait, however many attempts there were', () => {
  const backoff = new Backoff(0, 5000, () => 0.5);
  for (const attempt of [1, 40, 5000]) assert.equal(backoff.delayMs(attempt), 0);
});

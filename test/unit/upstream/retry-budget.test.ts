/** How many further attempts there may be. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BOUNDS } from '../../../src/core/bounds.js';
import { RetryBudget } from '../../../src/upstream/retry-budget.js';

function takeAll(budget: RetryBudget): number {
  let taken = 0;
  while (budget.tryTake()) taken += 1;
  return taken;
}

function noteFirsts(budget: RetryBudget, count: number): void {
  for (let i = 0; i < count; i += 1) budget.noteFirst();
}

test('a gateway that has hardly had a request may try again', () => {
  assert.equal(takeAll(new RetryBudget(20)), BOUNDS.retryBudgetFloor);
});

test('five first attempts pay for one more at 20 %, and not four', () => {
  const budget = new RetryBudget(20);
  takeAll(budget);
  noteFirsts(budget, 4);
  assert.equal(budget.tryTake(), false);
  noteFirsts(budget, 1);
  assert.equal(budget.tryTake(), true);
  assert.equal(budget.tryTake(), false);
});

test('when all fail, further attempts stay at a fifth of the first ones', () => {
  const budget = new RetryBudget(20);
  let taken = 0;
  for (let i = 0; i < 10_000; i += 1) {
    budget.noteFirst();
    taken += takeAll(budget);
  }
  assert.equal(taken, 2000 + BOUNDS.retryBudgetFloor);
});

test('days without a failure save up no more than the bound', () => {
  const budget = new RetryBudget(20);
  noteFirsts(budget, 100_000);
  assert.equal(takeAll(budget), BOUNDS.retryBudgetSavedMax);
});

test('a budget of 0 % allows nothing, not even at first', () => {
  const budget = new RetryBudget(0);
  noteFirsts(budget, 1000);
  assert.equal(takeAll(budget), 0);
});

test('what is refused is counted, and nothing else', () => {
  let refused = 0;
  const budget = new RetryBudget(20, () => {
    refused += 1;
  });
  assert.equal(takeAll(budget), BOUNDS.retryBudgetFloor);
  assert.equal(refused, 1);
  assert.equal(budget.tryTake(), false);
  assert.equal(refused, 2);
});

/** Which exchanges are called for directly. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deadlines } from '../../../src/core/deadlines.js';
import { ModelTable } from '../../../src/route/models.js';
import { AttemptPlans } from '../../../src/upstream/attempt-plan.js';
import { createRoutesConfig } from '../../helpers/observe-config.js';

test('one attempt at one of several targets tells nothing of how the target is, or one at the only target costs as much', () => {
  const { providers, models } = createRoutesConfig({ several: ['p', 'q'], only: ['p'] });
  const retry = { attemptsMax: 1, backoffMs: 1 };
  const config = { providers, models: models.map((model) => ({ ...model, retry })) };
  const table = new ModelTable(config);
  const all = { ...retry, backoffMsMax: 500, budgetPercent: 20 };
  const plans = new AttemptPlans({ ...config, retry: all }, table.entries, new Deadlines());
  const isSingle = (name: string): boolean => plans.of(table.find(name, 'openai')).isSingle;
  assert.equal(isSingle('several'), false);
  assert.equal(isSingle('only'), true);
});

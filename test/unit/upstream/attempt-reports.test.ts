/** What is told of an attempt, by how it ended. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BOUNDS } from '../../../src/core/bounds.js';
import { toSharedMs } from '../../../src/core/clock.js';
import type { AttemptOutcome } from '../../../src/upstream/attempt-outcomes.js';
import { AttemptReports } from '../../../src/upstream/attempt-reports.js';
import { createExchange } from '../../helpers/stage-fakes.js';
import { UNWATCHED_HEALTH, UNWATCHED_LOAD } from '../../helpers/unwatched-targets.js';

const TARGET = {
  index: 7,
  entryName: 'm',
  position: 0,
  provider: 'p',
  model: 'x',
  timeouts: null,
  wholeMs: 0,
  keepAliveMs: 0,
};

function tellOf(outcome: AttemptOutcome, isAnswered: boolean, retryAfterMs = -1) {
  const calls: string[] = [];
  const note =
    (name: string) =>
    (...values: number[]): void => {
      calls.push([name, ...values.slice(2)].join(' '));
      assert.equal(values[0], 7);
    };
  const health = {
    ...UNWATCHED_HEALTH,
    noteAttempt: (...values: number[]): boolean => {
      note('attempt')(...values);
      return true;
    },
    noteSuccess: note('success'),
    noteFailure: note('failure'),
    noteThrottled: note('throttled'),
    noteNothing: note('nothing'),
  };
  const load = { begin: note('begin'), end: note('end'), recordAnswer: () => {} };
  const reports = new AttemptReports(8, health, load, (_target, name) =>
    calls.push(`count ${name}`),
  );
  const exchange = createExchange();
  reports.begin(exchange, TARGET, 100);
  reports.end(exchange, TARGET, 100, outcome, isAnswered, retryAfterMs, 150);
  assert.deepEqual(calls.slice(0, 4), ['attempt', 'begin', 'end', `count ${outcome}`]);
  assert.equal(calls.length, 5);
  return { verdict: calls[4], attempts: exchange.attempts };
}

test('a target is blamed for what it did, and for nothing else', () => {
  assert.equal(tellOf('ok', true).verdict, 'success');
  assert.equal(tellOf('overloaded', true).verdict, 'failure');
  assert.equal(tellOf('reset_before_head', false).verdict, 'failure');
  assert.equal(tellOf('throttled', true).verdict, 'throttled 0');
  assert.equal(tellOf('throttled', true, 500).verdict, `throttled ${toSharedMs(150) + 500}`);
  // It answered: the request was at fault.
  assert.equal(tellOf('bad_request', true).verdict, 'success');
  assert.equal(tellOf('queue', false).verdict, 'nothing');
  for (const outcome of ['aborted', 'outrun', 'other'] as const) {
    assert.equal(tellOf(outcome, false).verdict, 'nothing');
  }
});

test('an attempt is news when it failed, or is not the only one', () => {
  assert.equal(tellOf('ok', true).attempts, null);
  assert.equal(tellOf('aborted', false).attempts, null);
  assert.deepEqual(tellOf('overloaded', true).attempts, [
    { provider: 'p', model: 'x', className: 'overloaded', ms: 50 },
  ]);
});

test('the list of attempts does not grow without end', () => {
  const inert = { begin: () => {}, end: () => {}, recordAnswer: () => {} };
  const nothing = () => {};
  const reports = new AttemptReports(8, UNWATCHED_HEALTH, inert, nothing);
  const exchange = createExchange();
  for (let made = 0; made < 100; made += 1) {
    reports.begin(exchange, TARGET, 0);
    reports.end(exchange, TARGET, 0, 'refused', false, -1, 1);
  }
  assert.equal(exchange.attempts?.length, BOUNDS.attemptRecordsMax);
  assert.equal(exchange.attemptsMade, 100);
});

test('a target that a hedge outran is blamed where it has answered nobody since it was asked', () => {
  const failedMs: number[] = [];
  const health = {
    ...UNWATCHED_HEALTH,
    noteFailure: (_index: number, atMs: number) => failedMs.push(atMs),
  };
  const reports = new AttemptReports(8, health, UNWATCHED_LOAD, () => {});
  reports.noteSilence(TARGET, 100, 200);
  assert.deepEqual(failedMs, [toSharedMs(200)]);
  reports.noteAnswering(TARGET, 250);
  reports.noteSilence(TARGET, 240, 340);
  assert.equal(failedMs.length, 1, 'it is only slower');
  reports.noteSilence(TARGET, 260, 360);
  assert.equal(failedMs.length, 2);
});

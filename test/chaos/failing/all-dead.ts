/** All targets fail: calls are not multiplied, and every caller is told so in time and in its own dialect. */
import { pause } from '../../helpers/changes.js';
import { atMost, type Figure, told } from '../scenario.js';
import { countAttempts, PACE, type Scene, WORKERS } from './scene.js';
import { addUp, type Tally, tellErrors } from './tally.js';
import type { Way } from './ways.js';

const WAYS: readonly Way[] = ['refuse', 'unavailable', 'stall'];
const EXTRA_MAX = 20;
/** What a worker has saved up while nothing failed (retryBudgetSavedMax): earned by requests before. */
const SAVED_MAX = 100 * WORKERS;
/** What a worker has to begin with (retryBudgetFloor). */
const FLOOR = 10 * WORKERS;
/** Shorter than three silences, so that some end by it. */
const DEADLINE_MS = 700;

export async function runAllDead(scene: Scene, seconds: number): Promise<Figure[]> {
  const { callers, targets, gateway, options } = scene;
  const tallies: Tally[] = [];
  await callers.hold();
  const before = countAttempts(await gateway.metrics(), null);
  callers.beginPart('b', { ...PACE, deadlineMs: DEADLINE_MS });
  for (const way of WAYS) {
    options.say(`all targets: ${way}`);
    await Promise.all(targets.map((target) => target.play(way)));
    tallies.push(callers.turnTo(`all ${way}`));
    callers.release();
    await pause((seconds * 1000) / WAYS.length);
    await callers.hold();
  }
  const attemptsInAll = countAttempts(await gateway.metrics(), null);
  const attempts = attemptsInAll - before;
  const askedInAll = addUp(callers.tallies, (tally) => tally.asked);
  await Promise.all(targets.map((target) => target.play('well')));
  callers.turnTo('after all');
  callers.release();
  const asked = addUp(tallies, (tally) => tally.asked);
  const extra = attempts - asked;
  const percent = (count: number): number => (100 * Math.max(count, 0)) / Math.max(asked, 1);
  return [
    told('all fail: requests', asked.toLocaleString('en-US')),
    told(
      'all fail: extra attempts, with those saved up before',
      `${extra} (${percent(extra).toFixed(1)} %)`,
    ),
    atMost(
      `all fail: extra attempts beyond the ${SAVED_MAX} saved up before`,
      percent(extra - SAVED_MAX),
      EXTRA_MAX,
      '%',
    ),
    atMost(
      `since the start: extra attempts beyond the ${FLOOR} to begin with, of all requests`,
      (100 * Math.max(0, attemptsInAll - askedInAll - FLOOR)) / Math.max(askedInAll, 1),
      EXTRA_MAX,
      '%',
    ),
    told('all fail: errors by status', tellErrors(tallies)),
    atMost(
      'all fail: requests without an error of their dialect',
      asked - addUp(tallies, (tally) => tally.errors),
      0,
    ),
    tellLate(
      scene,
      addUp(tallies, (tally) => tally.late),
    ),
    told(
      'all fail: the latest error, after its deadline',
      `${Math.max(...tallies.map((tally) => tally.lateMsMax)).toFixed(0)} ms`,
    ),
  ];
}

/** A machine with much else to do may be late by itself, so that a short run only tells. */
function tellLate({ isLong }: Scene, late: number): Figure {
  const what = `all fail: errors later than their deadline of ${DEADLINE_MS} ms and half a second`;
  return isLong ? atMost(what, late, 0) : told(what, String(late));
}

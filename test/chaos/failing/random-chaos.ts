/** Targets are killed, frozen, made to fail and restored at random; several may be down at a time. */
import { pause } from '../../helpers/changes.js';
import type { Gateway } from '../../helpers/gateway.js';
import { sumMetric } from '../../helpers/metrics-text.js';
import type { SeededRandom } from '../../helpers/seeded-random.js';
import { type Figure, told } from '../scenario.js';
import { PACE, type Scene } from './scene.js';
import { addUp, type Tally, tellErrors } from './tally.js';
import type { SimulatedTarget } from './targets.js';
import type { Way } from './ways.js';

const FAILURES: readonly (Way | 'kill' | 'freeze')[] = [
  ...(['refuse', 'reset', 'throttle', 'unavailable', 'stall', 'stall-within'] as const),
  ...(['garbage', 'cut-within', 'kill', 'freeze'] as const),
];
/** More often than it fails a target is restored, so that one or two are well most of the time. */
const RESTORED_SHARE = 0.55;
const RESTORED = 'restored';
const PAUSE_MS_MIN = 100;
const PAUSE_MS_MAX = 1200;

export async function runRandomChaos(scene: Scene, seconds: number): Promise<Figure[]> {
  const { callers, targets, options, gateway } = scene;
  const refusedBefore = await countRefused(gateway);
  const random = scene.random.fork();
  await callers.hold();
  callers.beginPart('c', PACE);
  const tallies: Tally[] = [];
  const served: Tally[] = [];
  const failing = new Set<SimulatedTarget>();
  /** Those who ask from now on, by whether anybody can answer. */
  const turn = (): void => {
    const isServed = failing.size < targets.length;
    const tally = callers.turnTo(isServed ? 'chaos' : 'chaos, none well');
    tallies.push(tally);
    if (isServed) served.push(tally);
  };
  turn();
  callers.release();
  const events: string[] = [];
  const endMs = performance.now() + seconds * 1000;
  while (performance.now() < endMs) {
    await pause(random.integer(PAUSE_MS_MIN, PAUSE_MS_MAX));
    const target = random.pick(targets);
    const done = await disturb(target, random);
    events.push(done);
    if (done === RESTORED) failing.delete(target);
    else failing.add(target);
    turn();
    options.say(`target ${target.name}: ${done}`);
  }
  await Promise.all(targets.map((target) => target.play('well')));
  await callers.hold();
  return [
    told('random chaos: events', `${events.length}: ${countWords(events)}`),
    told('random chaos: requests', addUp(tallies, (tally) => tally.asked).toLocaleString('en-US')),
    told('random chaos: answered whole', tellWhole(tallies)),
    told('of those asked while at least one target was well', tellWhole(served)),
    told(
      'random chaos: answers cut after they had begun',
      String(addUp(tallies, (tally) => tally.cut)),
    ),
    told(
      'random chaos: further attempts that the budget refused',
      String((await countRefused(gateway)) - refusedBefore),
    ),
    told('random chaos: errors by status', tellErrors(tallies)),
    told('of those asked while at least one target was well', tellErrors(served)),
  ];
}

async function countRefused(gateway: Gateway): Promise<number> {
  return sumMetric(await gateway.metrics(), 'weir_retry_budget_refused_total');
}

async function disturb(target: SimulatedTarget, random: SeededRandom): Promise<string> {
  if (random.chance(RESTORED_SHARE)) {
    await target.play('well');
    return RESTORED;
  }
  const failure = random.pick(FAILURES);
  if (failure === 'kill') await target.kill();
  else if (failure === 'freeze') target.freeze();
  else await target.play(failure);
  return failure;
}

/** Of answers that had not begun, as with one dead target. */
function tellWhole(tallies: readonly Tally[]): string {
  const uncut = addUp(tallies, (tally) => tally.asked - tally.cut);
  return `${((100 * addUp(tallies, (tally) => tally.whole)) / Math.max(uncut, 1)).toFixed(2)} %`;
}

function countWords(words: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts].map(([word, count]) => `${word} ${count}`).join(', ');
}

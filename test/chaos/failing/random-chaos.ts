/** Targets are killed, frozen, made to fail and restored at random; several may be down at a time. */
import { pause } from '../../helpers/changes.js';
import type { SeededRandom } from '../../helpers/seeded-random.js';
import { type Figure, told } from '../scenario.js';
import { PACE, type Scene } from './scene.js';
import { tellErrors } from './tally.js';
import type { SimulatedTarget } from './targets.js';
import type { Way } from './ways.js';

const FAILURES: readonly (Way | 'kill' | 'freeze')[] = [
  ...(['refuse', 'reset', 'throttle', 'unavailable', 'stall', 'stall-within'] as const),
  ...(['garbage', 'cut-within', 'kill', 'freeze'] as const),
];
/** More often than it fails a target is restored, so that one or two are well most of the time. */
const RESTORED = 0.55;
const PAUSE_MS_MIN = 100;
const PAUSE_MS_MAX = 1200;

export async function runRandomChaos(scene: Scene, seconds: number): Promise<Figure[]> {
  const { callers, targets, options } = scene;
  const random = scene.random.fork();
  await callers.hold();
  callers.beginPart('c', PACE);
  const tally = callers.turnTo('chaos');
  callers.release();
  const events: string[] = [];
  const endMs = performance.now() + seconds * 1000;
  while (performance.now() < endMs) {
    await pause(random.integer(PAUSE_MS_MIN, PAUSE_MS_MAX));
    const target = random.pick(targets);
    const done = await disturb(target, random);
    events.push(done);
    options.say(`target ${target.name}: ${done}`);
  }
  await Promise.all(targets.map((target) => target.play('well')));
  const percent = (100 * tally.whole) / Math.max(tally.asked, 1);
  return [
    told('random chaos: events', `${events.length}: ${countWords(events)}`),
    told('random chaos: requests', tally.asked.toLocaleString('en-US')),
    told('random chaos: answered whole', `${percent.toFixed(2)} %`),
    told('random chaos: answers cut after they had begun', String(tally.cut)),
    told('random chaos: errors by status', tellErrors([tally])),
  ];
}

async function disturb(target: SimulatedTarget, random: SeededRandom): Promise<string> {
  if (random.chance(RESTORED)) {
    await target.play('well');
    return 'restored';
  }
  const failure = random.pick(FAILURES);
  if (failure === 'kill') await target.kill();
  else if (failure === 'freeze') target.freeze();
  else await target.play(failure);
  return failure;
}

function countWords(words: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts].map(([word, count]) => `${word} ${count}`).join(', ');
}

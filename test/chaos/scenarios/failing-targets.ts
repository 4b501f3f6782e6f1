/** The numbers of balancing, attempts and breakers while targets fail, and the books of limits at its end. */

import { runAllDead } from '../failing/all-dead.js';
import { auditBooks } from '../failing/books.js';
import { runOneDead } from '../failing/one-dead.js';
import { runRandomChaos } from '../failing/random-chaos.js';
import { type Scene, startScene } from '../failing/scene.js';
import { addUp } from '../failing/tally.js';
import {
  atMost,
  type Figure,
  type Outcome,
  type Scenario,
  type ScenarioOptions,
} from '../scenario.js';

/** Of the run's time. */
const SHARES = { oneDead: 0.5, allDead: 0.15, random: 0.35 } as const;

export const failingTargets: Scenario = {
  name: 'failing-targets',
  title: 'Targets that fail',
  about:
    'Three simulated targets, each a process of its own, under clients that ask for JSON and streams in two dialects, of models that are balanced by weight, by what is under way (with a hedge) and by latency. First one target fails, way after way; then all fail; then they are killed, frozen, made to fail and restored at random. Each request has an id, from which both its answer and what it uses follow, so that a lost, doubled or mixed-up answer is seen, and so are books that are wrong.',
  longSeconds: 120,
  run,
};

async function run(options: ScenarioOptions): Promise<Outcome> {
  const scene = await startScene(options);
  try {
    const figures = [
      ...(await runOneDead(scene, options.seconds * SHARES.oneDead)),
      ...(await runAllDead(scene, options.seconds * SHARES.allDead)),
      ...(await runRandomChaos(scene, options.seconds * SHARES.random)),
    ];
    await scene.callers.hold();
    return await conclude(scene, figures);
  } finally {
    await scene.stop();
  }
}

async function conclude(scene: Scene, figures: readonly Figure[]): Promise<Outcome> {
  const { callers, gateway, options } = scene;
  const { tallies, books } = callers;
  const audit = await auditBooks(gateway, books);
  for (const { label, complaints } of tallies) {
    for (const { id, what } of complaints) options.say(`COMPLAINT (${label}) ${id}: ${what}`);
  }
  for (const complaint of audit.complaints) options.say(`BOOKS ${complaint}`);
  const faults = gateway.logs.filter(({ level }) => level === 'error' || level === 'fatal');
  for (const fault of faults) options.say(`FAULT ${JSON.stringify(fault)}`);
  return {
    figures: [
      ...figures,
      atMost(
        'all parts: answers lost',
        addUp(tallies, (tally) => tally.lost),
        0,
      ),
      atMost(
        'all parts: answers doubled, mixed up or wrong',
        addUp(tallies, (tally) => tally.wrong),
        0,
      ),
      atMost('all parts: wrong books of limits', audit.complaints.length, 0),
      atMost('all parts: errors in the gateway’s log', faults.length, 0),
    ],
    notes: [
      'Latency is what a client sees from its request’s last byte to the answer’s head, over whole answers. What a failing target adds is the p99 while it fails less the p99 while none does, in the same run; a target that is silent is found out by a timeout of 300 ms (first byte, first token, idle) or a hedge after 100 ms, all others at once. "Requests that met it" needed more than one attempt.',
      ...audit.told,
    ],
  };
}

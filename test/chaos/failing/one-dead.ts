/** One target fails, way after way; between two of them all are well again. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { pause } from '../../helpers/changes.js';
import { atLeast, atMost, type Figure, told } from '../scenario.js';
import { countAttempts, DETECTION_MS, type Scene } from './scene.js';
import { addUp, percentile, type Tally, tellErrors } from './tally.js';
import { WAYS_IN_TURN, type WayToFail } from './ways.js';

const SUCCESS_MIN = 99.99;
/** Of a short run, whose calls are too few for two digits after the point. */
const SUCCESS_SHORT_MIN = 90;
const DEAD_SHARE_MAX = 1;
const ADDED_MS_MAX = 5;
const FOUND_OUT_MS = 1000;
/** What compilers do in it is not measured, half of it while all is well. */
const WARM_UP_SHARE = 0.12;
const NS_PER_MS = 1e6;

interface Turn {
  readonly way: WayToFail;
  readonly failing: Tally;
  /** Calls to the target, and to all, from a second after its death on. */
  readonly deadCalls: number;
  readonly calls: number;
}

/** @param seconds of all turns together. */
export async function runOneDead(scene: Scene, seconds: number): Promise<Figure[]> {
  const warmMs = seconds * 1000 * WARM_UP_SHARE;
  const turnMs = (seconds * 1000 - warmMs) / WAYS_IN_TURN.length;
  await pause(warmMs / 2);
  // What happens where something fails is not compiled before something has failed.
  const [first] = WAYS_IN_TURN;
  if (first !== undefined) await failInOneWay(scene, first, 0, warmMs / 2);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const quiet: Tally[] = [];
  const turns: Turn[] = [];
  for (const [number, way] of WAYS_IN_TURN.entries()) {
    quiet.push(await beQuiet(scene, way, turnMs / 4));
    scene.options.say(`one target ${way.words}`);
    turns.push(await failInOneWay(scene, way, number, turnMs / 2));
  }
  await scene.callers.hold();
  delay.disable();
  return [...report(scene, turns, quiet), tellDelay(delay.percentile(99))];
}

async function beQuiet({ callers }: Scene, { way }: WayToFail, ms: number): Promise<Tally> {
  callers.turnTo(`before ${way}`);
  await pause(ms);
  const quiet = callers.turnTo(`quiet before ${way}`);
  await pause(ms);
  return quiet;
}

async function failInOneWay(scene: Scene, way: WayToFail, number: number, ms: number) {
  const { targets, callers, gateway } = scene;
  const target = targets[number % targets.length];
  if (target === undefined) throw new Error('no target');
  const failing = callers.turnTo(way.way);
  const endMs = performance.now() + ms;
  await target.play(way.way);
  await pause(Math.min(FOUND_OUT_MS, ms / 2));
  const [before, seenBefore] = [await gateway.metrics(), await target.count()];
  await pause(endMs - performance.now());
  const [after, seenAfter] = [await gateway.metrics(), await target.count()];
  await target.play('well');
  const grown = (name: string | null): number =>
    countAttempts(after, name) - countAttempts(before, name);
  // What the gateway says it called, or what the target saw, whichever is more; a closed port sees nothing.
  const deadCalls = Math.max(grown(target.name), seenAfter - seenBefore);
  return { way, failing, deadCalls, calls: grown(null) };
}

function report(scene: Scene, turns: readonly Turn[], quiet: readonly Tally[]): Figure[] {
  const failing = turns.map((turn) => turn.failing);
  const asked = addUp(failing, (tally) => tally.asked);
  const cut = addUp(failing, (tally) => tally.cut);
  const whole = addUp(failing, (tally) => tally.whole);
  const quietMs = quiet.flatMap((tally) => tally.firstByteMs);
  const [quietP50, quietP99] = [percentile(quietMs, 50), percentile(quietMs, 99)];
  for (const { way, failing: tally } of turns) {
    if (tally.cut > 0) scene.options.say(`${tally.cut} answers cut while a target ${way.words}`);
  }
  const unexpectedCuts = turns
    .filter(({ way }) => !way.isWithin && way.way !== 'refuse')
    .reduce((sum, turn) => sum + turn.failing.cut, 0);
  return [
    told('one target fails: requests', asked.toLocaleString('en-US')),
    atLeast(
      'one target fails: answered whole, of those whose answer had not begun',
      (100 * whole) / (asked - cut),
      scene.isLong ? SUCCESS_MIN : SUCCESS_SHORT_MIN,
      '%',
    ),
    told('one target fails: errors that callers saw, by status', tellErrors(failing)),
    told('one target fails: answers cut after they had begun', String(cut)),
    tellCuts(scene, unexpectedCuts),
    ...turns.map(({ way, deadCalls, calls }) =>
      tellShare(scene, way, calls === 0 ? 0 : (100 * deadCalls) / calls),
    ),
    told(
      'latency to the first byte while none fails, p50 and p99',
      `${quietP50.toFixed(1)} and ${quietP99.toFixed(1)} ms`,
    ),
    ...turns.map((turn) => judgeLatency(scene, turn)),
  ];
}

/** Where a machine with much else to do leaves a target no time, answers are cut for silence; a short run only tells. */
function tellCuts({ isLong }: Scene, cuts: number): Figure {
  const what = 'of these where the target did not fail within answers';
  return isLong ? atMost(what, cuts, 0) : told(what, String(cuts));
}

/** What the machine itself adds: of this a client’s latency holds its part. */
function tellDelay(nanoseconds: number): Figure {
  const ms = nanoseconds / NS_PER_MS;
  return told('how late the clients’ own loop was meanwhile, p99', `${ms.toFixed(1)} ms`);
}

function tellShare({ isLong }: Scene, { words }: WayToFail, percent: number): Figure {
  const what = `share of all calls that it gets 1 s later, where it ${words}`;
  return !isLong
    ? told(what, `${percent.toFixed(2)} %`)
    : atMost(what, percent, DEAD_SHARE_MAX, '%');
}

/**
 * What the failing target adds to the p99 of all. Beside it stand, for what the machine does meanwhile, those who did not
 * meet it: of 700 calls the p99 is the seventh slowest, which one hiccup between two turns would decide.
 */
function judgeLatency({ isLong }: Scene, { way, failing }: Turn): Figure {
  const addedMs = percentile(failing.firstByteMs, 99) - percentile(failing.unmetMs, 99);
  const { length } = failing.metMs;
  const what = `latency added at p99 where it ${way.words}, which ${length} calls met`;
  const bound = (way.isSilent ? DETECTION_MS : 0) + ADDED_MS_MAX;
  return isLong ? atMost(what, addedMs, bound, 'ms') : told(what, `${addedMs.toFixed(1)} ms`);
}

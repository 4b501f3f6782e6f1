/** P-33: a mixed load for a long time, at half of what the machine carries; nothing may rise with time. */
import { BulkUpstream } from '../../helpers/bulk-upstream.js';
import { pause } from '../../helpers/changes.js';
import { type Scene, startScene, WORKERS } from '../failing/scene.js';
import { addUp, tellErrors } from '../failing/tally.js';
import { WAYS_IN_TURN } from '../failing/ways.js';
import { countFilesLeft, listFaults, waitForQuiet } from '../measure/residue.js';
import { fitSlope, isLevel, type Point, takeLast } from '../measure/slope.js';
import {
  atMost,
  type Figure,
  type Outcome,
  type Scenario,
  type ScenarioOptions,
  told,
} from '../scenario.js';
import { Levels } from '../soak/levels.js';
import { OtherClients } from '../soak/other-clients.js';

const LONG_FROM_SECONDS = 120;
const SLOPE_SHARE = 0.75;
const SAMPLE_MS = 5000;
const SAMPLE_SHORT_MS = 500;
/** Of the time: how much the machine carries is measured first. */
const CALIBRATION_SHARE = 0.05;
const CALIBRATION_SECONDS_MIN = 3;
const CALIBRATION_SECONDS_MAX = 20;
/** Of a machine that is too busy to be measured. */
const THINK_MS_MAX = 2000;
const LOAD = 0.5;
/** What a request takes while nobody is in a hurry: of the pause that makes the wanted rate it is no part. */
const ANSWER_MS = 30;
const DEADLINE_MS = 15_000;
const CLIENTS = 100;
const CLIENTS_SHORT = 30;
/** A target fails for a quarter of each such turn. */
const TURN_SECONDS = 20;
const TURNS_TOLD = 2;
/**
 * Slopes that are sure and yet not worth a word. At 500 requests a second 4 MB an hour are 2 bytes of each; at that rate
 * a leak of one object of each would be 100 MB.
 */
const NEGLIGIBLE = { heapMb: 4, residentMb: 12, files: 2 } as const;

export const soak: Scenario = {
  name: 'soak',
  title: 'Mixed load for a long time',
  about:
    'JSON and streams in two dialects with limits, over three targets of which one fails for a quarter of the time, way after way; clients that give up in every phase, read large answers slowly, and upload. The pace is half of what the same clients reached without a pause at the beginning, on this machine with everything on it. Heap (of all threads, after a collection), resident memory and open files are sampled every five seconds; a straight line is laid through the last three quarters.',
  longSeconds: 1800,
  run,
};

async function run(options: ScenarioOptions): Promise<Outcome> {
  const isLong = options.seconds >= LONG_FROM_SECONDS;
  const levels = new Levels(isLong ? SAMPLE_MS : SAMPLE_SHORT_MS);
  const bulk = await BulkUpstream.start();
  try {
    const scene = await startScene(options, {
      env: levels.env,
      clients: isLong ? CLIENTS : CLIENTS_SHORT,
      pace: { thinkMsMin: 0, thinkMsMax: 0, deadlineMs: DEADLINE_MS },
      providers: {
        bulk: {
          dialect: 'openai',
          base_url: bulk.baseUrl,
          api_key: 'sk-upstream-secret',
          connections: { keep_alive: '1s' },
        },
      },
      models: { '*': { provider: 'bulk' } },
      consumers: { others: { keys: ['wk-others'] } },
    });
    try {
      return await load(scene, levels, isLong);
    } finally {
      await scene.stop();
    }
  } finally {
    levels.stop();
    await bulk.stop();
  }
}

async function load(scene: Scene, levels: Levels, isLong: boolean): Promise<Outcome> {
  const { gateway, callers, options } = scene;
  const filesBefore = gateway.countOpenFiles() + SPARE_FILES;
  const endMs = performance.now() + options.seconds * 1000;
  const perSecond = await calibrate(scene);
  const tally = callers.turnTo('soak');
  const startMs = performance.now();
  const counts = isLong
    ? { giveUp: 6, readSlowly: 6, upload: 3 }
    : { giveUp: 3, readSlowly: 2, upload: 1 };
  const others = new OtherClients(gateway.port, counts, scene.random.fork());
  levels.watch(gateway);
  await failInTurn(scene, levels, endMs);
  const seconds = (performance.now() - startMs) / 1000;
  const [reached, peakFiles] = [tally.asked / seconds, highest(levels.files)];
  await Promise.all([callers.stop(), others.stop()]);
  const left = await waitForQuiet(gateway);
  const filesLeft = await countFilesLeft(gateway, filesBefore);
  const faults = [...listFaults(gateway), ...others.faults];
  for (const fault of faults.slice(0, 20)) options.say(`FAULT ${fault}`);
  for (const { label, complaints } of callers.tallies) {
    for (const { id, what } of complaints) options.say(`COMPLAINT (${label}) ${id}: ${what}`);
  }
  for (const gauge of left) options.say(`LEFT ${gauge}`);
  const { tallies } = callers;
  const wrong = addUp(tallies, (each) => each.wrong + each.lost);
  const figures: Figure[] = [
    told('requests a second without a pause', perSecond.toFixed(0)),
    told('requests a second of the soak', reached.toFixed(0)),
    told('requests in all', addUp(tallies, (each) => each.asked).toLocaleString('en-US')),
    told('errors by status', tellErrors(tallies)),
    told('answers cut by failing targets', String(addUp(tallies, (each) => each.cut))),
    told(
      'given up, read slowly, uploaded',
      `${others.gaveUp}, ${others.readSlowly}, ${others.uploaded}`,
    ),
    atMost('answers lost, doubled or wrong', wrong, 0),
    atMost('slow readers and uploads that failed, errors in the log', faults.length, 0),
    reportSlope('heap', 'MB', levels.heapMb, NEGLIGIBLE.heapMb, isLong),
    reportSlope('resident memory', 'MB', levels.residentMb, NEGLIGIBLE.residentMb, isLong),
    reportSlope('open files and sockets', '', levels.files, NEGLIGIBLE.files, isLong),
    told('most open files and sockets', String(peakFiles)),
    atMost('gauges that do not return to 0', left.length, 0),
    atMost('open files and sockets left', Math.max(0, filesLeft), 0),
  ];
  return { figures, notes: NOTES };
}

/** Each worker opens /dev/null with its first connection to a provider. */
const SPARE_FILES = WORKERS;
const NOTES = [
  'Slopes are least squares over the last three quarters; intervals are of 95 %, widened by the likeness of neighbouring samples. One file a worker is not counted as left: libuv’s spare for the day on which no file can be opened.',
];

/** Requests a second of these clients when none of them pauses; from here on they make half as many. */
async function calibrate({ callers, clients, options }: Scene): Promise<number> {
  const share = options.seconds * CALIBRATION_SHARE;
  const seconds = Math.max(CALIBRATION_SECONDS_MIN, Math.min(share, CALIBRATION_SECONDS_MAX));
  // The first half is for compilers.
  await pause(seconds * 500);
  const tally = callers.turnTo('calibration');
  await pause(seconds * 500);
  const perSecond = Math.max(1, tally.whole / (seconds / 2));
  const wantedMs = (1000 * clients) / (perSecond * LOAD) - ANSWER_MS;
  const thinkMs = Math.min(Math.max(1, wantedMs), THINK_MS_MAX);
  const [thinkMsMin, thinkMsMax] = [Math.round(thinkMs * 0.5), Math.round(thinkMs * 1.5)];
  callers.beginPart('a', { thinkMsMin, thinkMsMax, deadlineMs: DEADLINE_MS });
  options.say(`${perSecond.toFixed(0)} requests a second without a pause; now half of that`);
  return perSecond;
}

async function failInTurn(scene: Scene, levels: Levels, endMs: number): Promise<void> {
  const { targets, options, gateway, callers } = scene;
  const turnMs = Math.min(TURN_SECONDS, options.seconds / 5) * 1000;
  for (let turn = 0; performance.now() < endMs && gateway.exit === null; turn++) {
    await pause(Math.min(turnMs * 0.75, endMs - performance.now()));
    if (performance.now() >= endMs) return;
    const target = targets[turn % targets.length];
    const way = WAYS_IN_TURN[turn % WAYS_IN_TURN.length]?.way ?? 'refuse';
    await target?.play(way);
    await pause(Math.min(turnMs / 4, endMs - performance.now()));
    await target?.play('well');
    if (turn % TURNS_TOLD === 0) {
      const last = (points: readonly Point[]): string => (points.at(-1)?.value ?? 0).toFixed(0);
      options.say(
        `${addUp(callers.tallies, (each) => each.asked)} asked, heap ${last(levels.heapMb)} MB, resident ${last(levels.residentMb)} MB, ${last(levels.files)} files`,
      );
    }
  }
}

function reportSlope(
  name: string,
  unit: string,
  points: readonly Point[],
  negligible: number,
  isLong: boolean,
): Figure {
  const slope = fitSlope(takeLast(points, SLOPE_SHARE));
  const withUnit = unit === '' ? '' : ` ${unit}`;
  const range = `${lowest(points).toFixed(0)} to ${highest(points).toFixed(0)}${withUnit}, ${points.length} samples`;
  const what = `slope of ${name}`;
  if (!isLong) return told(what, `not measured so shortly (${range})`);
  return {
    what,
    measured: `${slope.perHour.toFixed(2)} ± ${slope.plusMinus.toFixed(2)}${withUnit} an hour (${range})`,
    bound: `zero within its interval, or <= ${negligible}${withUnit} an hour`,
    holds: points.length > 0 && isLevel(slope, negligible),
  };
}

function highest(points: readonly Point[]): number {
  return points.reduce((most, { value }) => Math.max(most, value), 0);
}

function lowest(points: readonly Point[]): number {
  return points.reduce((least, { value }) => Math.min(least, value), Number.POSITIVE_INFINITY);
}

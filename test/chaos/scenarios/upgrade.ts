/**
 * Upgrades under load: no request fails, no stream is cut, no limit is reset or counts twice. The kernel must move
 * connections between sockets for that (docs/operations.md), so it runs in a network namespace where it does.
 */
import { fileURLToPath } from 'node:url';
import { pause } from '../../helpers/changes.js';
import { type Gateway, startGateway } from '../../helpers/gateway.js';
import { LastingLoad } from '../../helpers/lasting-load.js';
import { readLimit, untilSettled } from '../../helpers/limited.js';
import { startLoadUpstream } from '../../helpers/load.js';
import { runInNamespace } from '../../helpers/network-namespace.js';
import { upgradeGateway } from '../../helpers/upgrade.js';
import { atLeast, atMost, type Outcome, type Scenario, told } from '../scenario.js';

const LONG_SECONDS = 200;
const HAND_OVERS_A_LONG_RUN = 50;
/** Most of the time in the middle of a stream. */
const SHAPE = { events: 60, paceMs: 50 };
/** Servers before the current one that may still let run what runs; the supervisor allows one more. */
const DRAINING_MAX = 3;
const BUCKET = 1e7;
/** So little flows in that none of it counts as a request while the run lasts. */
const LIMITS = [{ requests: 10_000, per: '366d', burst: BUCKET }, { concurrency: 100_000 }];
const OUTCOME = 'outcome ';

export const upgrade: Scenario = {
  name: 'upgrade',
  title: 'Upgrades under load',
  about:
    '50 hand-overs from one server process to the next, while 200 connections ask for JSON answers, with pauses of up to ' +
    '150 ms or up to 8 s on kept connections, and read event streams of 3 s. Every byte is compared. In the end one ' +
    'consumer’s bucket, which went from server to server, is compared with what was answered.',
  longSeconds: LONG_SECONDS,
  run: async ({ seconds, seed, say }) => {
    let outcome: Outcome | null = null;
    const { code, output } = await runInNamespace(
      fileURLToPath(import.meta.url),
      [String(seconds), String(seed)],
      (line) => {
        if (line.startsWith(OUTCOME)) outcome = JSON.parse(line.slice(OUTCOME.length)) as Outcome;
        else say(line);
      },
    );
    if (outcome === null) throw new Error(`no outcome, exit code ${code}\n${output.slice(-2000)}`);
    return outcome;
  },
};

/** Inside the namespace. */
async function run(seconds: number, say: (line: string) => void): Promise<Outcome> {
  const isLong = seconds >= LONG_SECONDS;
  const handOvers = Math.max(3, Math.round((HAND_OVERS_A_LONG_RUN * seconds) / LONG_SECONDS));
  const upstream = await startLoadUpstream(SHAPE);
  const gateway = await startGateway({
    readyMs: 30_000,
    config: {
      providers: {
        mock: {
          dialect: 'openai',
          base_url: upstream.baseUrl,
          api_key: 'sk-upstream-secret',
          connections: { max: 2000 },
        },
      },
      models: { '*': { provider: 'mock' } },
      consumers: { a: { keys: ['wk-a'], limits: LIMITS } },
      log: { access: 'off' },
    },
  });
  const shared = { port: gateway.port, shape: SHAPE, headers: KEY, answerMsMax: 30_000 };
  const loads = [
    new LastingLoad({
      ...shared,
      askers: isLong ? 120 : 24,
      readers: isLong ? 60 : 12,
      pauseMsMax: 150,
    }),
    new LastingLoad({ ...shared, askers: isLong ? 20 : 4, readers: 0, pauseMsMax: 8000 }),
  ];
  const sum = (pick: (load: LastingLoad) => number): number =>
    loads.reduce((total, load) => total + pick(load), 0);
  const tookMs: number[] = [];
  const endMs = performance.now() + seconds * 1000;
  try {
    for (let count = 1; count <= handOvers; count += 1) {
      await waitForRoom(gateway, count);
      const left = handOvers - count + 1;
      await pause(Math.max(0, ((endMs - performance.now()) / left) * Math.random()));
      tookMs.push(await upgradeGateway(gateway, 60_000));
      if (count % 5 === 0 || count === handOvers) {
        say(
          `${count} hand-overs, ${sum((load) => load.answered)} answers, ${sum((l) => l.failed)} failed`,
        );
      }
    }
    await pause(1000);
    await Promise.all(loads.map((load) => load.stop()));
    for (const load of loads) for (const failure of load.failures) say(failure);
    const whole = sum((load) => load.answered + load.streamed);
    await untilSettled(gateway, 'a');
    const bucket = await readLimit(gateway, 'a', 'requests');
    const places = await readLimit(gateway, 'a', 'concurrency');
    const died = gateway.logs.filter((line) => line['level'] === 'error').length;
    tookMs.sort((a, b) => a - b);
    await gateway.stop(120_000);
    return {
      figures: [
        atLeast('hand-overs', tookMs.length, handOvers),
        atMost(
          'requests that failed, streams that were cut',
          sum((l) => l.failed),
          0,
        ),
        atMost(
          'requests that the bucket counts twice, or not',
          Math.abs(BUCKET - bucket.level - whole),
          0,
        ),
        atMost('places among the concurrent that are lost', 100_000 - places.level, 0),
        atMost('errors in the log', died, 0),
        told('answers, and whole streams', `${sum((l) => l.answered)}, ${sum((l) => l.streamed)}`),
        told('connections', String(sum((l) => l.connected))),
        told(
          'from SIGUSR2 to the new server serving, median and longest',
          `${round(tookMs[tookMs.length >> 1])} ms, ${round(tookMs.at(-1))} ms`,
        ),
        told('slowest JSON answer', `${round(Math.max(...loads.map((l) => l.slowestMs)))} ms`),
      ],
      notes: [],
    };
  } finally {
    for (const load of loads) void load.stop();
    await gateway.kill();
    await upstream.stop();
  }
}

const KEY = [['authorization', 'Bearer wk-a']] as const;

function round(ms: number | undefined): number {
  return Math.round(ms ?? 0);
}

/** Until few enough of the `begun` servers before the current one are left. */
async function waitForRoom(gateway: Gateway, begun: number): Promise<void> {
  const isEnd = (line: Readonly<Record<string, unknown>>): boolean =>
    /^the server before this one/.test(String(line['msg']));
  while (begun - 1 - gateway.logs.filter(isEnd).length > DRAINING_MAX) await pause(100);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const say = (line: string): void => {
    process.stdout.write(`${line}\n`);
  };
  say(OUTCOME + JSON.stringify(await run(Number(process.argv[2]), say)));
}

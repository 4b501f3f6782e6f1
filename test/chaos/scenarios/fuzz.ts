/** P-35: whatever bytes come from either side, nothing crashes, hangs or leaks, and those beside it are served rightly. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { pause } from '../../helpers/changes.js';
import { type ConfigText, type Gateway, startGateway } from '../../helpers/gateway.js';
import { SeededRandom } from '../../helpers/seeded-random.js';
import { type CallerKind, Callers } from '../failing/callers.js';
import { addUp, tellErrors } from '../failing/tally.js';
import { Attackers } from '../fuzz/attackers.js';
import { loadRequests } from '../fuzz/corpus.js';
import { CANARY, type FuzzOrder, type FuzzReport } from '../fuzz/messages.js';
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

const PROGRAM = fileURLToPath(new URL('../fuzz/provider-process.js', import.meta.url));
const WORKERS = 2;
const ATTACKERS = 64;
const CANARIES = 8;
const MB = 1024 * 1024;
const SAMPLE_MS = 1000;
/** Below it heaps are still finding their size. */
const LONG_FROM_SECONDS = 120;
const SLOPE_SHARE = 0.75;
/** A slope that is sure to be above zero, and comes to no more than this, is not what a leak of each request would be. */
const NEGLIGIBLE_MB_PER_HOUR = 20;

/** A mutated answer may be one that never comes. */
const QUICK = { first_byte: '300ms', idle: '300ms', whole: '3s' };

const KINDS: readonly CallerKind[] = [
  { kind: 'oj', model: CANARY, books: 'json' },
  { kind: 'os', model: CANARY, books: 'json' },
  { kind: 'ou', model: CANARY, books: 'json' },
];
const PACE = { thinkMsMin: 5, thinkMsMax: 40, deadlineMs: 15_000 };

export const fuzz: Scenario = {
  name: 'fuzz',
  title: 'Mutated bytes from both sides',
  about:
    'Clients send valid requests and the vectors of request smuggling with a few bytes changed, in careless pieces, over raw sockets. The provider reads what comes of it strictly, and answers with recorded answers of real providers, a few bytes changed, in careless pieces, cut at random places, then ends, resets or says nothing more. Beside them good clients ask the same provider over the same connections, and check every byte of their answers.',
  longSeconds: 600,
  run,
};

async function run(options: ScenarioOptions): Promise<Outcome> {
  const random = new SeededRandom(options.seed);
  const provider = fork(PROGRAM, [String(options.seed)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  try {
    const report = await next(provider);
    const port = report.kind === 'listening' ? report.port : 0;
    const gateway = await startGateway({ workers: WORKERS, config: renderConfig(port) });
    try {
      const outcome = await attack(options, gateway, provider, random);
      await gateway.stop();
      return outcome;
    } finally {
      await gateway.kill();
    }
  } finally {
    provider.kill('SIGKILL');
  }
}

function renderConfig(port: number): ConfigText {
  const shared = {
    api_key: 'sk-upstream-secret',
    connections: { keep_alive: '500ms' },
  };
  return {
    providers: {
      mock: { ...shared, dialect: 'openai', base_url: `http://127.0.0.1:${port}/v1` },
      claude: { ...shared, dialect: 'anthropic', base_url: `http://127.0.0.1:${port}` },
    },
    models: {
      [CANARY]: { provider: 'mock' },
      claude: { provider: 'claude', timeouts: QUICK },
      '*': { provider: 'mock', timeouts: QUICK },
    },
    log: { access: 'off' },
  };
}

async function attack(
  options: ScenarioOptions,
  gateway: Gateway,
  provider: ChildProcess,
  random: SeededRandom,
): Promise<Outcome> {
  const filesBefore = gateway.countOpenFiles() + WORKERS;
  const serverPid = gateway.pid;
  const canaries = new Callers(gateway.port, random.fork(), PACE);
  canaries.start(CANARIES, KINDS);
  const attackers = new Attackers(
    gateway.port,
    ATTACKERS,
    loadRequests(),
    random.fork(),
    options.seconds >= LONG_FROM_SECONDS,
  );
  const memory: Point[] = [];
  const endMs = performance.now() + options.seconds * 1000;
  for (let round = 1; performance.now() < endMs && gateway.exit === null; round++) {
    await pause(Math.min(SAMPLE_MS, endMs - performance.now()));
    memory.push({ atMs: performance.now(), value: gateway.rssBytes() / MB });
    if (round % 10 === 0) {
      options.say(`${attackers.sent} sent, ${Math.round(memory.at(-1)?.value ?? 0)} MB`);
    }
  }
  await Promise.all([attackers.stop(), canaries.stop()]);
  const left = gateway.exit === null ? await waitForQuiet(gateway) : ['it has ended'];
  const filesLeft = gateway.exit === null ? await countFilesLeft(gateway, filesBefore) : 0;
  provider.send({ kind: 'count' } satisfies FuzzOrder);
  const seen = await next(provider);
  const faults = [...listFaults(gateway), ...(gateway.pid === serverPid ? [] : ['another server'])];
  for (const fault of faults) options.say(`FAULT ${fault}`);
  for (const bytes of attackers.hungBytes) options.say(`HUNG ${bytes}`);
  for (const what of attackers.malformed.slice(0, 20)) options.say(`MALFORMED ${what}`);
  for (const gauge of left) options.say(`LEFT ${gauge}`);
  const counts = seen.kind === 'counted' ? seen : { requests: 0, mutated: 0, violations: [] };
  for (const violation of counts.violations) options.say(`VIOLATION ${violation}`);
  const figures = [
    told('requests sent, three of five mutated', attackers.sent.toLocaleString('en-US')),
    told('of these refused or cut while they were sent', `${attackers.refused}`),
    told(
      'requests that reached the provider, and mutated answers of it',
      `${counts.requests.toLocaleString('en-US')}, ${counts.mutated.toLocaleString('en-US')}`,
    ),
    atMost('crashes, restarts and errors in the log', faults.length, 0),
    atMost('connections neither answered nor closed within 40 s', attackers.hung, 0),
    atMost('malformed answers to clients', attackers.malformed.length, 0),
    atMost('malformed requests to the provider', counts.violations.length, 0),
    ...reportCanaries(canaries, options),
    atMost('gauges that do not return to 0', left.length, 0),
    atMost('open files and sockets left', Math.max(filesLeft, 0), 0),
    reportMemory(memory, options.seconds),
  ];
  return { figures, notes: NOTES };
}

const NOTES = [
  'A good client’s request fails where the provider’s connection was closed or fell silent under it in the same instant in which a mutated answer to somebody else did; Weir tries again where that is safe. Such an error is told; a wrong byte is none.',
];

function reportCanaries({ tallies }: Callers, { say }: ScenarioOptions): Figure[] {
  for (const { complaints } of tallies) {
    for (const { id, what } of complaints) say(`CANARY ${id}: ${what}`);
  }
  const count = (what: 'asked' | 'errors' | 'cut' | 'lost' | 'wrong'): number =>
    addUp(tallies, (tally) => tally[what]);
  return [
    told('requests of good clients', count('asked').toLocaleString('en-US')),
    atMost('of these answered wrongly, or not', count('wrong') + count('lost'), 0),
    atMost('of these cut or refused', count('errors') + count('cut'), 0),
    told('their errors by status', tellErrors(tallies)),
  ];
}

function reportMemory(memory: readonly Point[], seconds: number): Figure {
  const slope = fitSlope(takeLast(memory, SLOPE_SHARE));
  const values = memory.map(({ value }) => value);
  const range = `${Math.min(...values).toFixed(0)} to ${Math.max(...values).toFixed(0)} MB`;
  if (seconds < LONG_FROM_SECONDS) return told('resident memory', range);
  const { perHour, plusMinus } = slope;
  return {
    what: 'slope of resident memory over the last three quarters',
    measured: `${perHour.toFixed(1)} ± ${plusMinus.toFixed(1)} MB an hour (${range})`,
    bound: `zero within its 95 % interval, or <= ${NEGLIGIBLE_MB_PER_HOUR} MB an hour`,
    holds: isLevel(slope, NEGLIGIBLE_MB_PER_HOUR),
  };
}

async function next(provider: ChildProcess): Promise<FuzzReport> {
  const [report] = (await once(provider, 'message')) as [FuzzReport];
  return report;
}

/** Reloads under load: nothing is refused, cut or counted wrong, and every worker knows the new file at once. */
import { pause } from '../../helpers/changes.js';
import { type ConfigText, startGateway } from '../../helpers/gateway.js';
import { readLimits, untilSettled } from '../../helpers/limited.js';
import { MixedLoad, startSeededUpstream, TOKENS_PER_ANSWER } from '../../helpers/mixed-load.js';
import { postReload, writeConfig } from '../../helpers/reload.js';
import { SeededRandom } from '../../helpers/seeded-random.js';
import { atLeast, atMost, type Outcome, type Scenario, told } from '../scenario.js';

const WORKERS = 2;
const LONG_SECONDS = 120;
const RELOADS_A_LONG_RUN = 200;
const CONNECTIONS = 200;
/** With a new key, after each reload: enough that both workers are asked. */
const LOOKS = 4;
const BUSY_PAUSE_MS = 100;

/** As many reloads and connections as in the long run, or fewer where it is shorter. */
function measureRun(seconds: number) {
  const share = Math.min(1, seconds / LONG_SECONDS);
  return {
    reloads: Math.max(12, Math.round(RELOADS_A_LONG_RUN * share)),
    connections: share < 1 ? 40 : CONNECTIONS,
  };
}

/** Something of everything is other in each; what `steady` may do is always the same. */
function configOf(baseUrl: string, number: number): ConfigText {
  const guests = Object.fromEntries(
    Array.from({ length: 1 + (number % 5) }, (_, at) => [
      `guest-${number}-${at}`,
      { keys: [`wk-guest-${number}-${at}`], limits: [{ requests: 100 + number, per: '1h' }] },
    ]),
  );
  const steady = {
    keys: ['wk-steady'],
    limits: [
      { tokens: 1e12, per: '1d' },
      { requests: 1e9, per: '1d', burst: 1e9 },
      ...(number % 3 === 0 ? [{ cost: 1e6, per: '1d' }] : []),
      { concurrency: 1000 + (number % 2) },
    ],
  };
  return {
    providers: {
      mock: {
        dialect: 'openai',
        base_url: baseUrl,
        api_key: 'sk-upstream-secret',
        // Each third reload has other connections to the provider.
        timeouts: { idle: `${60 + Math.floor(number / 3)}s` },
        connections: { max: 2000 },
      },
    },
    models: { '*': { provider: 'mock' }, [`model-${number % 7}`]: { provider: 'mock' } },
    consumers: number % 2 === 0 ? { ...guests, steady } : { steady, ...guests },
    log: { access: 'off' },
  };
}

export const reload: Scenario = {
  name: 'reload',
  title: 'Reloads under load',
  about:
    '200 reloads, one after the other, while 200 connections ask for JSON answers and event streams without a pause. ' +
    'Each changes consumers, limits, models and mostly the provider’s connections; one consumer’s limits stay, and what ' +
    'its buckets have counted in the end is compared with what it was answered.',
  longSeconds: LONG_SECONDS,
  run,
};

async function run({ seconds, seed, say }: Parameters<Scenario['run']>[0]): Promise<Outcome> {
  const { reloads, connections } = measureRun(seconds);
  const { server, baseUrl } = await startSeededUpstream();
  const gateway = await startGateway({ workers: WORKERS, config: configOf(baseUrl, 0) });
  try {
    const random = new SeededRandom(seed);
    const load = new MixedLoad({
      port: gateway.port,
      connections,
      key: 'wk-steady',
      random,
      thinkMs: 150,
    });
    const tookMs: number[] = [];
    let refused = 0;
    let busy = 0;
    let unknown = 0;
    const everyMs = (seconds * 1000) / reloads;
    const startedMs = performance.now();
    for (let number = 1; number <= reloads; number += 1) {
      const dueMs = startedMs + number * everyMs;
      await pause(Math.max(0, dueMs - performance.now()));
      writeConfig(gateway, configOf(baseUrl, number), WORKERS);
      const askedMs = performance.now();
      let answer = await postReload(gateway);
      while (answer.status === 409) {
        busy += 1;
        await pause(BUSY_PAUSE_MS);
        answer = await postReload(gateway);
      }
      tookMs.push(performance.now() - askedMs);
      if (answer.status !== 200) {
        refused += 1;
        say(`reload ${number}: ${answer.text}`);
      }
      const looks = Array.from({ length: LOOKS }, () => load.ask(`wk-guest-${number}-0`));
      unknown += (await Promise.all(looks)).filter((status) => status !== 200).length;
      if (number % 20 === 0) say(`${number} reloads, ${load.answered} answers`);
    }
    await load.stop();
    const rows = await untilSettled(gateway, 'steady');
    const whole = load.answered + load.streamed;
    const find = (kind: string) => rows.find(({ limit }) => limit.startsWith(`${kind}/`));
    const metrics = await gateway.metrics();
    const exchanges = metrics.find(({ name }) => name === 'weir_exchanges_total')?.value ?? 0;
    const guestRows = await readLimits(gateway, `guest-${reloads}-0`);
    for (const complaint of load.complaints) say(complaint);
    const sorted = tookMs.sort((a, b) => a - b);
    await gateway.stop();
    return {
      figures: [
        atLeast('reloads that were done', reloads - refused, reloads),
        atMost('requests that failed', load.failed, 0),
        atMost('answers or streams that were not whole', load.cut, 0),
        atMost('requests with a key of the new file that were not let in', unknown, 0),
        atMost(
          'requests that the unchanged bucket has not counted, or counted twice',
          Math.abs((find('requests')?.settled ?? 0) - whole),
          0,
        ),
        atMost(
          'tokens, likewise',
          Math.abs((find('tokens')?.settled ?? 0) - whole * TOKENS_PER_ANSWER),
          0,
        ),
        atMost(
          'exchanges that the counter over all configurations lacks',
          Math.abs(exchanges - whole - LOOKS * reloads),
          0,
        ),
        atMost(
          'still held in the end',
          rows.reduce((sum, { held }) => sum + held, 0),
          0,
        ),
        told('of the last file’s guest', `${guestRows[0]?.settled ?? 0} of ${LOOKS} requests`),
        told(
          'answers',
          `${load.answered.toLocaleString('en-US')} JSON, ${load.streamed.toLocaleString('en-US')} streams`,
        ),
        told('connections', `${connections}`),
        told('a reload takes, median', `${sorted[Math.floor(sorted.length / 2)]?.toFixed(0)} ms`),
        told('a reload takes, longest', `${sorted.at(-1)?.toFixed(0)} ms`),
        told('reloads put off, because exchanges of 8 configurations ran', `${busy}`),
      ],
      notes: [
        'Load, provider and gateway share the machine, so the times tell of it more than of Weir.',
      ],
    };
  } finally {
    await gateway.kill();
    server.closeAllConnections();
    server.close();
  }
}

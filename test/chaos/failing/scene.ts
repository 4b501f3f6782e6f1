/** A gateway before three simulated targets, in two dialects and with three ways to balance, and 200 clients of it. */
import { type ConfigText, type Gateway, startGateway } from '../../helpers/gateway.js';
import { type MetricSample, sumMetric } from '../../helpers/metrics-text.js';
import { SeededRandom } from '../../helpers/seeded-random.js';
import type { ScenarioOptions } from '../scenario.js';
import { type CallerKind, Callers, type Pace } from './callers.js';
import { SimulatedTarget } from './targets.js';

export const WORKERS = 2;
/** What the configuration takes for the longest silence before an answer; the detection time of a silent target. */
export const DETECTION_MS = 300;
/** So long that a target on a machine with much else to do is not taken for silent. */
const DETECTION_SHORT_MS = 1500;
const HEDGE_MS = 100;
/** Of a run of this length and more; a shorter one has fewer clients, breakers that are quicker, and bounds of counts alone. */
const LONG_FROM_SECONDS = 60;
const NAMES = ['a', 'b', 'c'] as const;
const PARTS = ['a', 'b', 'c'] as const;

const KINDS: readonly CallerKind[] = [
  { kind: 'oj', model: 'plain', books: 'json' },
  { kind: 'os', model: 'plain', books: 'stream' },
  { kind: 'aj', model: 'claude', books: 'json' },
  { kind: 'oj', model: 'hedged', books: 'json' },
  { kind: 'ou', model: 'plain', books: 'stream' },
  { kind: 'as', model: 'claude', books: 'stream' },
  { kind: 'os', model: 'hedged', books: 'stream' },
];

export const PACE: Pace = { thinkMsMin: 200, thinkMsMax: 800, deadlineMs: 5000 };

export interface Scene {
  readonly options: ScenarioOptions;
  readonly random: SeededRandom;
  readonly gateway: Gateway;
  readonly targets: readonly SimulatedTarget[];
  readonly callers: Callers;
  readonly clients: number;
  readonly isLong: boolean;
  stop(): Promise<void>;
}

/** What other runs over the same targets add. */
export interface SceneExtras {
  readonly providers?: ConfigText;
  readonly models?: ConfigText;
  readonly consumers?: ConfigText;
  readonly env?: Readonly<Record<string, string>>;
  readonly pace?: Pace;
  readonly clients?: number;
}

export async function startScene(
  options: ScenarioOptions,
  extras: SceneExtras = {},
): Promise<Scene> {
  const isLong = options.seconds >= LONG_FROM_SECONDS;
  const clients = extras.clients ?? (isLong ? 200 : 60);
  const random = new SeededRandom(options.seed);
  const targets = await Promise.all(NAMES.map((name) => SimulatedTarget.start(name)));
  const stopTargets = () => Promise.all(targets.map((target) => target.stop()));
  try {
    const config = renderConfig(targets, isLong, extras);
    const { env = {}, pace = PACE } = extras;
    const gateway = await startGateway({ workers: WORKERS, config, env });
    const callers = new Callers(gateway.port, random.fork(), pace);
    callers.start(clients, KINDS);
    const stop = async (): Promise<void> => {
      await callers.stop();
      await stopTargets();
      await gateway.stop();
    };
    return { options, random, gateway, targets, callers, clients, isLong, stop };
  } catch (error) {
    await stopTargets();
    throw error;
  }
}

function renderConfig(
  targets: readonly SimulatedTarget[],
  isLong: boolean,
  extras: SceneExtras,
): ConfigText {
  const times = isLong ? { eject: '2s', eject_max: '2s' } : { eject: '250ms', eject_max: '250ms' };
  // Two of three may be out at a time; by default it is half of them, which is one.
  const breaker = { ...times, share_max: 67 };
  const silence = `${isLong ? DETECTION_MS : DETECTION_SHORT_MS}ms`;
  const timeouts = { connect: silence, first_byte: silence, first_token: silence, idle: silence };
  const shared = { api_key: 'sk-upstream-secret', timeouts, breaker };
  const providers = Object.fromEntries(
    targets.flatMap(({ name, port }) => [
      [name, { ...shared, dialect: 'openai', base_url: `http://127.0.0.1:${port}/v1` }],
      [`${name}-claude`, { ...shared, dialect: 'anthropic', base_url: `http://127.0.0.1:${port}` }],
    ]),
  );
  const over = (suffix = '') => NAMES.map((name) => ({ provider: `${name}${suffix}`, model: 'm' }));
  const patient = { first_byte: '5s', first_token: '5s', idle: silence };
  const models = {
    plain: { targets: over() },
    hedged: {
      targets: over(),
      balance: 'least-busy',
      hedge: `${HEDGE_MS}ms`,
      timeouts: patient,
    },
    claude: { targets: over('-claude'), balance: 'least-latency' },
  };
  const limits = [
    { requests: 10_000_000, per: '1d' },
    { tokens: 1_000_000_000, per: '1d' },
    { concurrency: 1000 },
  ];
  const consumers = Object.fromEntries(
    PARTS.flatMap((part) => [
      [`${part}-json`, { keys: [`wk-${part}-json`], limits }],
      [`${part}-stream`, { keys: [`wk-${part}-stream`], limits }],
    ]),
  );
  return {
    providers: { ...providers, ...extras.providers },
    models: { ...models, ...extras.models },
    consumers: { ...consumers, ...extras.consumers },
    log: { access: 'off' },
  };
}

/** Calls that ended, of one target in both dialects or of all. */
export function countAttempts(samples: readonly MetricSample[], name: string | null): number {
  const providers = name === null ? NAMES : [name];
  return providers
    .flatMap((each) => [each, `${each}-claude`])
    .reduce((sum, provider) => sum + sumMetric(samples, 'weir_attempts_total', { provider }), 0);
}

/** Clients that send a byte now and then, and clients that read nothing, beside clients that behave. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { pause } from '../../helpers/changes.js';
import { type ConfigText, type Gateway, startGateway } from '../../helpers/gateway.js';
import { MB, MemoryWatch } from '../../helpers/memory-watch.js';
import { pollUntil } from '../../helpers/poll.js';
import {
  atLeast,
  atMost,
  type Figure,
  type Outcome,
  type Scenario,
  type ScenarioOptions,
  told,
} from '../scenario.js';
import type { AttackPlan, Ending } from '../slow/attackers.js';
import { findPercentile, GoodClients } from '../slow/good-clients.js';
import type { ProviderNews } from '../slow/provider-thread.js';

export interface SlowSizes {
  readonly heads: number;
  readonly bodies: number;
  readonly readers: number;
  readonly good: number;
}

const LONG: SlowSizes = { heads: 250, bodies: 250, readers: 200, good: 50 };
const GONE_MS_MAX = 35_000;
const READER_KB_MAX = 256;
const SLOWDOWN_MAX = 1.5;
/** More than all buffers on the way hold. */
const STREAM_BYTES = 200 * MB;
const WARM_MS = 3000;
/** Shorter than the readers live. */
const STILL_MS_MAX = 10_000;

export interface SlowOutcome {
  readonly endings: readonly Ending[];
  readonly failures: readonly string[];
  /** Answers that stood still at the provider at the same time, at most. */
  readonly stalledMax: number;
  /** Of clients, beside those of the good ones, when all bad ones should be gone. */
  readonly connectionsLeft: number;
  /** What the gateway's memory rose by while the attack went on. */
  readonly growthBytes: number;
  readonly beforeMs: readonly number[];
  /** While the readers' answers still flow into the kernels' buffers: plain bandwidth, on cores that all share. */
  readonly fillingMs: readonly number[];
  /** From when all readers stand still until the last of the bad ones is gone. */
  readonly duringMs: readonly number[];
}

/** The provider, and what it told last of the large answers. */
class ProviderThread {
  readonly #worker = new Worker(new URL('../slow/provider-thread.js', import.meta.url));
  underWay = 0;
  stalledMax = 0;

  /** Listened for from the beginning: what a thread says before somebody listens is lost. */
  readonly port = new Promise<number>((resolve, reject) => {
    this.#worker.once('error', reject);
    this.#worker.on('message', (news: ProviderNews) => {
      if ('port' in news) resolve(news.port);
      else {
        this.underWay = news.underWay;
        this.stalledMax = Math.max(this.stalledMax, news.stalled);
      }
    });
  });

  async stop(): Promise<void> {
    const ended = once(this.#worker, 'exit');
    this.#worker.postMessage('stop');
    await ended;
  }
}

function configure(ofBad: number, ofGood: number): ConfigText {
  const provider = (port: number) => ({
    dialect: 'openai',
    base_url: `http://127.0.0.1:${port}/v1`,
    api_key: 'sk-upstream-secret',
  });
  return {
    providers: { bad: provider(ofBad), good: provider(ofGood) },
    models: { 'gpt-4o': { provider: 'good' }, '*': { provider: 'bad' } },
    log: { access: 'off' },
  };
}

export async function attackSlowly(
  sizes: SlowSizes,
  { calmMs, say }: { readonly calmMs: number; readonly say: ScenarioOptions['say'] },
): Promise<SlowOutcome> {
  // One for each side: who waits for a provider that is busy does not wait for Weir.
  const [provider, ofGood] = [new ProviderThread(), new ProviderThread()];
  const gateway = await startGateway({
    config: configure(await provider.port, await ofGood.port),
  });
  try {
    const good = new GoodClients(gateway.port, sizes.good);
    await pause(Math.min(WARM_MS, calmMs));
    good.take();
    say(`${sizes.good} good clients alone for ${calmMs / 1000} s`);
    await pause(calmMs);
    const beforeMs = good.take();
    let fillingMs: readonly number[] = [];
    const onStill = (): void => {
      fillingMs = good.take();
      say(`all readers stand still; ${fillingMs.length} good requests were answered meanwhile`);
    };
    const attack = await sendAttackers(gateway, provider, sizes, { say, onStill });
    const duringMs = good.take();
    const connectionsLeft = (await countConnections(gateway)) - sizes.good;
    await good.stop();
    await gateway.stop();
    const { stalledMax } = provider;
    const { failures } = good;
    return { ...attack, failures, stalledMax, connectionsLeft, beforeMs, fillingMs, duringMs };
  } finally {
    await gateway.kill();
    await Promise.all([provider.stop(), ofGood.stop()]);
  }
}

async function sendAttackers(
  gateway: Gateway,
  provider: ProviderThread,
  { heads, bodies, readers }: SlowSizes,
  { say, onStill }: { readonly say: ScenarioOptions['say']; readonly onStill: () => void },
): Promise<{ endings: readonly Ending[]; growthBytes: number }> {
  const workerData: AttackPlan = {
    port: gateway.port,
    heads,
    bodies,
    readers,
    streamBytes: STREAM_BYTES,
    patienceMs: GONE_MS_MAX,
  };
  say(`${heads} slow heads, ${bodies} slow bodies and ${readers} readers that read nothing`);
  const attackers = new Worker(new URL('../slow/attackers.js', import.meta.url), { workerData });
  const endings: Ending[] = [];
  const { growthBytes } = await MemoryWatch.during(
    gateway,
    async () => {
      const senders = once(attackers, 'message') as Promise<[readonly Ending[]]>;
      const ofReaders = await watchReaders(provider, readers, onStill);
      const [ofSenders] = await senders;
      endings.push(...ofSenders, ofReaders);
    },
    250,
  );
  const ended = once(attackers, 'exit');
  attackers.postMessage('leave');
  await ended;
  for (const { kind, opened, stillOpen, oldestMs } of endings) {
    say(`${kind}: ${opened} opened, ${stillOpen} left, the oldest lived ${seconds(oldestMs)}`);
  }
  return { endings, growthBytes };
}

/** They are gone when the provider has no answer under way any more: who is cut takes its answer along. */
async function watchReaders(
  provider: ProviderThread,
  opened: number,
  onStill: () => void,
): Promise<Ending> {
  const startedMs = performance.now();
  const areStill = () => provider.stalledMax >= opened;
  await pollUntil(areStill, STILL_MS_MAX, 'the readers to stand still').catch(() => undefined);
  onStill();
  const isOver = () => provider.underWay === 0 && provider.stalledMax > 0;
  await pollUntil(isOver, GONE_MS_MAX, 'the readers to be cut').catch(() => undefined);
  const stillOpen = provider.underWay;
  const oldestMs = isOver() ? performance.now() - startedMs : Number.POSITIVE_INFINITY;
  return { kind: 'readers', opened, stillOpen, oldestMs };
}

async function countConnections(gateway: Gateway): Promise<number> {
  const samples = (await gateway.metrics()).filter(({ name }) => name === 'weir_connections_open');
  return samples.reduce((sum, { value }) => sum + value, 0);
}

function seconds(ms: number): string {
  return Number.isFinite(ms) ? `${(ms / 1000).toFixed(1)} s` : 'on';
}

function ms(value: number): string {
  return `${value.toFixed(2)} ms`;
}

async function run({ seconds: length, say }: ScenarioOptions): Promise<Outcome> {
  const calmMs = Math.max(5000, length * 1000 - GONE_MS_MAX);
  const seen = await attackSlowly(LONG, { calmMs, say });
  const { endings, failures, stalledMax, connectionsLeft, growthBytes } = seen;
  const { beforeMs, fillingMs, duringMs } = seen;
  for (const failure of failures.slice(0, 10)) say(`a good client: ${failure}`);
  const [before, during] = [findPercentile(beforeMs, 99), findPercentile(duringMs, 99)];
  const readerKb = growthBytes / LONG.readers / 1024;
  const figures: Figure[] = [
    atMost(
      'good requests that failed',
      failures.length,
      0,
      `of ${beforeMs.length + fillingMs.length + duringMs.length}`,
    ),
    atMost('p99 of the good, during over before', during / before, SLOWDOWN_MAX),
    told('good before: p50, p99', `${ms(findPercentile(beforeMs, 50))}, ${ms(before)}`),
    told(
      'good while the readers’ buffers fill: p50, p99',
      `${ms(findPercentile(fillingMs, 50))}, ${ms(findPercentile(fillingMs, 99))}`,
    ),
    told('good during: p50, p99', `${ms(findPercentile(duringMs, 50))}, ${ms(during)}`),
    ...endings.flatMap(({ kind, opened, stillOpen, oldestMs }) => [
      atMost(`${kind} not cut within 35 s`, stillOpen, 0, `of ${opened}`),
      told(`${kind}: the oldest lived`, seconds(oldestMs)),
    ]),
    atMost('connections of bad clients that Weir still holds', connectionsLeft, 0),
    atLeast('readers whose provider stood still, at most at a time', stalledMax, LONG.readers),
    atMost('memory for each stalled reader', readerKb, READER_KB_MAX, 'KB'),
  ];
  return {
    figures,
    notes: [
      '“During” begins when all readers stand still, and ends when the last bad connection is gone. Before that, some 1.6 GB flow into the kernels’ buffers on cores that the providers, the clients and Weir share; what the good ones feel of it is told apart and has no bound.',
      'Memory is what the whole process rose by at most, divided by the readers: that of the slow senders is in it.',
      'The times of the good clients are those of a client that shares two cores with the attackers, the provider and Weir.',
    ],
  };
}

export const slowClients: Scenario = {
  name: 'slow-clients',
  title: 'Slow clients and stalled readers',
  about:
    '500 connections send a byte every three seconds, half of them of a head, half of a body, and 200 readers ask for 200 MB each, which come at 1.6 MB a second, and read nothing, beside 50 clients that ask about 16 times a second. None of the bad ones comes back once it is cut.',
  longSeconds: 60,
  run,
};

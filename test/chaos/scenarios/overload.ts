/** Three times as many requests as the gateway can do, for a minute. */
import { createServer } from 'node:net';
import { pause } from '../../helpers/changes.js';
import { type Gateway, proxyConfig, startGateway } from '../../helpers/gateway.js';
import { sumMetric } from '../../helpers/metrics-text.js';
import { type ArrivalClass, type Arrivals, choosePair, NativeLoad, pin } from '../native-load.js';
import { atLeast, atMost, type Figure, type Outcome, type Scenario, told } from '../scenario.js';

const EVENTS = 100;
const GAP_MS = 10;
const PROMPT_BYTES = 4000;
const SHARES = { 'wk-gold': 10, 'wk-plain': 45, 'wk-free': 45 } as const;

/** Where the search begins, and how far each step goes. */
const FIRST_RATE = 60;
const STEP = 1.25;
/** From the last rate that was well: the bounds below would be decided by where a larger step happened to fall. */
const FINE_STEP = 1.06;
const RATE_MAX = 20_000;
/** A rate at which more than this is refused is beyond what the gateway can do. */
const REFUSED_SHARE_MAX = 0.01;
/** And one at which clients wait for longer: ten times what a round of a loop may take. */
const FIRST_BYTE_MS_MAX = 300;
const OVERLOAD = 3;
/** A stream takes a second, so until then nobody knows what was taken in. */
const WARM_SECONDS = 4;
const WARM_UP_SECONDS = 2;
const SETTLE_MS = 4000;
const SAMPLE_MS = 500;
/** Shorter runs are for counts, not for speed: what the gateway can do is not looked for, and this is beyond it anyway. */
const JUDGED_SECONDS = 20;
const SHORT_RATE = 1500;

const GOODPUT_MIN = 0.9;
const LATENCY_MAX = 2;
const MB = 1024 * 1024;
/** Of the process: what it takes by itself, and some 20 KB for each of as many exchanges as the loop keeps up with. */
const RSS_BYTES_MAX = 512 * MB;

const CONSUMERS = {
  tiers: { gold: { priority: 'high' }, free: { priority: 'low' } },
  consumers: {
    gold: { keys: ['wk-gold'], tier: 'gold' },
    plain: { keys: ['wk-plain'] },
    free: { keys: ['wk-free'], tier: 'free' },
  },
};

export const overload: Scenario = {
  name: 'overload',
  title: 'Three times the load that it can take',
  about:
    `Streams of ${EVENTS} events, ${GAP_MS} ms apart, arrive at a constant rate whatever becomes of them, from three ` +
    'consumers of different priority (10 % high, 45 % normal, 45 % low). One worker on a core of its own; provider and ' +
    'load share another. First the rate is raised, by a quarter and at the end by 6 % at a time, until more than 1 % are refused ' +
    `or wait ${FIRST_BYTE_MS_MAX} ms for their first byte: the rate before is the capacity. Then ${OVERLOAD} times of it arrives.`,
  longSeconds: 60,
  run: async ({ seconds, say }) => {
    const [gatewayCore, loadCore] = choosePair();
    const load = await NativeLoad.start(loadCore, await findPort());
    try {
      const { mock } = proxyConfig(load.baseUrl)['providers'] as { mock: object };
      // Whoever shares the provider's core must not make a failure of the gateway out of its slowness.
      const providers = { mock: { ...mock, timeouts: { connect: '60s', first_byte: '120s' } } };
      const config = proxyConfig(load.baseUrl, { ...CONSUMERS, providers });
      const gateway = await startGateway({ workers: 1, config });
      try {
        pin(gateway.pid, gatewayCore);
        // Reading the gateway's log must not cost the core that is measured.
        pin(process.pid, loadCore);
        return await measure(load, gateway, seconds, say);
      } finally {
        await gateway.kill();
        pin(process.pid, [...new Set([gatewayCore, loadCore])].join(','));
      }
    } finally {
      await load.stop();
    }
  },
};

interface Capacity {
  readonly rate: number;
  readonly perSecond: number;
  readonly firstByteP99Us: number;
  readonly wholeP99Us: number;
}

async function measure(
  load: NativeLoad,
  gateway: Gateway,
  seconds: number,
  say: (line: string) => void,
): Promise<Outcome> {
  const stepSeconds = Math.max(2, Math.min(6, seconds / 5));
  const arrive = (rate: number, forSeconds: number): Promise<Arrivals> =>
    load.arrive({
      port: gateway.port,
      rate,
      warmSeconds: Math.min(WARM_SECONDS, forSeconds),
      seconds: forSeconds,
      events: EVENTS,
      gapMs: GAP_MS,
      promptBytes: PROMPT_BYTES,
      shares: SHARES,
    });
  // V8 has not compiled anything yet, and a gateway that has just been started is late for that alone.
  const first = await arrive(FIRST_RATE, WARM_UP_SECONDS);
  const isJudged = seconds >= JUDGED_SECONDS;
  const capacity = isJudged
    ? await findCapacity((rate) => arrive(rate, stepSeconds), say)
    : readCapacity(FIRST_RATE, first);
  await pause(SETTLE_MS);
  const rate = isJudged ? capacity.rate * OVERLOAD : SHORT_RATE;
  say(
    `${capacity.perSecond.toFixed(1)} streams/s answered; now ${rate.toFixed(0)}/s for ${seconds} s`,
  );
  const rss: number[] = [];
  const timer = setInterval(() => rss.push(gateway.rssBytes()), SAMPLE_MS);
  try {
    const arrivals = await arrive(rate, seconds);
    const limits = (await gateway.metrics()).filter((sample) =>
      sample.name.startsWith('weir_overload_refused'),
    );
    const refused = sumMetric(limits, 'weir_overload_refused_total', { reason: 'lag' });
    return judge(capacity, arrivals, Math.max(...rss), refused, isJudged);
  } finally {
    clearInterval(timer);
  }
}

async function findCapacity(
  arriveAt: (rate: number) => Promise<Arrivals>,
  say: (line: string) => void,
): Promise<Capacity> {
  let best: Capacity | null = null;
  let step = STEP;
  for (let rate = FIRST_RATE; rate < RATE_MAX; ) {
    const arrivals = await arriveAt(rate);
    const all = mergeClasses(arrivals.classes);
    const perSecond = all.answered / arrivals.seconds;
    say(
      `${rate.toFixed(0)}/s: ${perSecond.toFixed(1)}/s answered, ${all.refused} refused, ` +
        `first byte p99 ${(all.firstByteP99Us / 1000).toFixed(1)} ms`,
    );
    const { refused, failed, sent } = all;
    const isBeyond =
      refused + failed > REFUSED_SHARE_MAX * sent || all.firstByteP99Us > FIRST_BYTE_MS_MAX * 1000;
    if (best === null || !isBeyond) {
      best = readCapacity(rate, arrivals);
    } else if (step === FINE_STEP) {
      return best;
    } else {
      step = FINE_STEP;
      await pause(SETTLE_MS);
    }
    rate = best.rate * step;
  }
  throw new Error(`not overloaded by ${RATE_MAX} requests a second`);
}

function readCapacity(rate: number, arrivals: Arrivals): Capacity {
  const { answered, firstByteP99Us, wholeP99Us } = mergeClasses(arrivals.classes);
  return { rate, perSecond: answered / arrivals.seconds, firstByteP99Us, wholeP99Us };
}

interface Merged {
  readonly sent: number;
  readonly answered: number;
  readonly refused: number;
  readonly failed: number;
  /** The worst of the keys'. */
  readonly firstByteP99Us: number;
  readonly wholeP99Us: number;
}

function mergeClasses(classes: readonly ArrivalClass[]): Merged {
  const sum = (read: (one: ArrivalClass) => number): number =>
    classes.reduce((total, one) => total + read(one), 0);
  // A key of which hardly anybody is answered has no percentiles worth the name.
  const told = classes.filter(({ answered, sent }) => answered >= sent / 10);
  return {
    sent: sum(({ sent }) => sent),
    answered: sum(({ answered }) => answered),
    refused: sum(({ refused }) => refused),
    failed: sum(({ failed }) => failed),
    firstByteP99Us: Math.max(0, ...told.map(({ firstByteUs }) => firstByteUs.p99)),
    wholeP99Us: Math.max(0, ...told.map(({ wholeUs }) => wholeUs.p99)),
  };
}

function judge(
  capacity: Capacity,
  arrivals: Arrivals,
  rssBytes: number,
  refusedByLag: number,
  isJudged: boolean,
): Outcome {
  const all = mergeClasses(arrivals.classes);
  const perSecond = all.answered / arrivals.seconds;
  const percent = (share: number): number => Math.round(share * 1000) / 10;
  const goodput = percent(perSecond / capacity.perSecond);
  const firstByte = all.firstByteP99Us / capacity.firstByteP99Us;
  const whole = all.wholeP99Us / capacity.wholeP99Us;
  const fast = (figure: Figure): Figure =>
    isJudged ? figure : { ...figure, bound: '', holds: null };
  const shareOf = (key: string): number => {
    const one = arrivals.classes.find((entry) => entry.key === key);
    return one === undefined ? 0 : percent(one.answered / one.sent);
  };
  const [high, normal, low] = [shareOf('wk-gold'), shareOf('wk-plain'), shareOf('wk-free')];
  return {
    figures: [
      told('capacity', `${capacity.perSecond.toFixed(1)} streams/s`),
      told('arrived', `${(all.sent / arrivals.seconds).toFixed(1)} streams/s`),
      fast(atLeast('goodput of capacity', goodput, GOODPUT_MIN * 100, '%')),
      told('first byte p99 at capacity', `${(capacity.firstByteP99Us / 1000).toFixed(1)} ms`),
      told('first byte p99 of those taken in', `${(all.firstByteP99Us / 1000).toFixed(1)} ms`),
      fast(atMost('the same, as a multiple', firstByte, LATENCY_MAX)),
      fast(atMost('whole stream p99, as a multiple of that at capacity', whole, LATENCY_MAX)),
      atMost('neither answered nor refused with 503', all.failed, 0),
      fast(atMost('still running some seconds after the last has come', arrivals.unfinished, 0)),
      atMost('not sent for want of connections', arrivals.unsent, 0),
      told('answered, high priority', `${high} %`),
      told('answered, normal priority', `${normal} %`),
      told('answered, low priority', `${low} %`),
      fast(atLeast('high priority answered above normal', high - normal, 0, 'points')),
      fast(atLeast('normal priority answered above low', normal - low, 0, 'points')),
      fast(atLeast('refused because the loop was late', refusedByLag, 1)),
      atMost('resident memory', Math.round(rssBytes / MB), RSS_BYTES_MAX / MB, 'MB'),
    ],
    notes: [
      `Streams are what an AI gateway serves, and one of these costs a worker as much as some fifty refusals. A short JSON answer costs as much as three, so that of three times as many of those hardly any could be answered beside: see docs/overload.md.`,
      `The first ${WARM_SECONDS} seconds of each rate are not counted: a stream that was taken in costs time for a second.`,
      'Percentiles are those of the worst priority of which a tenth or more was answered.',
    ],
  };
}

/** One that is free now; the mock must be told which. */
async function findPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

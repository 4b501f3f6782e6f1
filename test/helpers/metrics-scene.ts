/** /metrics without a gateway: as many routes and consumers as are asked for, on which everything has happened. */
import type { Exchange } from '../../src/exchange.js';
import {
  CounterColumn,
  type CounterLayout,
  createCounterBuffer,
  createCounterLayout,
  readCounters,
} from '../../src/observe/counters.js';
import type { LimitSample } from '../../src/observe/limit-metrics.js';
import { createMetrics, type Metrics } from '../../src/observe/metrics.js';
import { sampleOverload } from '../../src/observe/overload-metrics.js';
import { Tally } from '../../src/observe/tally.js';
import {
  createTallyMemory,
  FIRST_CONSUMER,
  OTHER_CONSUMERS,
  TallyLayout,
  viewTally,
} from '../../src/observe/tally-layout.js';
import { TallyReader } from '../../src/observe/tally-reader.js';
import { createReadingsBuffer, Readings } from '../../src/overload/readings.js';
import { createRoutesConfig } from './observe-config.js';
import { createExchange } from './stage-fakes.js';

const WORKERS = 2;
const USAGE = {
  inputTokens: 100,
  outputTokens: 20,
  cachedInputTokens: 40,
  cacheWriteTokens: 0,
  reasoningTokens: 5,
  audioInputTokens: 0,
  audioOutputTokens: 0,
};
const PATHS = ['/v1/chat/completions', '/v1/completions', '/v1/embeddings'];
const STATUSES = [200, 302, 404, 503, null];

export interface MetricsScene {
  readonly metrics: Metrics;
  readonly layout: CounterLayout;
  readonly tallies: readonly Tally[];
  /** Every counter is above 0, every histogram has a value. */
  fill(): void;
}

export interface MetricsSceneOptions {
  /** Model entries, each at one provider of its own. */
  readonly routes?: number;
  readonly consumers?: number;
  /** Of these, how many have a place; all if left out. */
  readonly consumersMax?: number;
  readonly routesMax?: number;
}

export function createMetricsScene(options: MetricsSceneOptions = {}): MetricsScene {
  const { routes = 1, consumers = 1, consumersMax = consumers } = options;
  const models = Object.fromEntries(range(routes).map((at) => [`model-${at}`, [`provider-${at}`]]));
  const layout = createCounterLayout(createRoutesConfig(models));
  const counters = createCounterBuffer(layout, WORKERS);
  const places = new TallyLayout(
    { consumersMax, providersMax: layout.providers.size },
    options.routesMax,
  );
  const memory = createTallyMemory(places, WORKERS);
  const ofConsumers = Int32Array.from(range(consumers), (_, at) =>
    at < consumersMax ? FIRST_CONSUMER + at : OTHER_CONSUMERS,
  );
  const tallies = range(WORKERS).map(
    (worker) => new Tally(places, viewTally(places, memory, worker), ofConsumers),
  );
  const names = range(consumersMax).map(nameConsumer);
  const limits = names.map((consumer): LimitSample => {
    const figures = { capacity: 10, level: 5, held: 1, settled: 100, refunded: 2, refused: 3 };
    return { consumer, limit: 'tokens/60000/200000/*', ...figures };
  });
  const metrics = createMetrics({
    readLayout: () => layout,
    readCounters: () => readCounters(layout, counters, WORKERS),
    tally: new TallyReader(places, memory, WORKERS),
    readConsumerNames: () => names,
    readLimits: () => limits,
    readLimitTableFull: () => 1,
    readTargets: () =>
      layout.routes.map(({ model, provider }) => ({ model, provider, state: 0, ejections: 1 })),
    readUsage: () => ({
      written: 1,
      lost: 0,
      writeFailures: 0,
      spoolBytes: 1,
      dropped: 0,
      delivered: 1,
      deliveryFailures: 0,
      undeliveredBytes: 0,
    }),
    readReloads: () => ({
      generation: 1,
      generationsLiving: 1,
      lastOkWallMs: 1_790_000_000_500,
      counts: { ok: 1, refused: 0, busy: 0, failed: 0 },
    }),
    readOverload: () => sampleOverload(new Readings(createReadingsBuffer(WORKERS)), WORKERS),
    readTraces: () => ({
      exported: 1,
      lost: { worker_full: 0, queue_full: 0, export_failed: 0, exporter_failed: 0 },
    }),
    readLogLinesLost: () => 0,
    build: { version: '0.1.0', node: 'v20.20.2', uws: '115' },
  });
  const fill = (): void => {
    const column = new CounterColumn(layout, counters, 0);
    for (let slot = 0; slot < layout.slotCount; slot += 1) column.add(slot, 1);
    const [first] = tallies;
    for (const at of range(consumers)) {
      for (const status of STATUSES) first?.count(createOver({ status }, at), -1, 10);
    }
    for (const { index } of layout.routes) {
      for (const path of PATHS) {
        for (const status of STATUSES) {
          first?.count(createOver({ status }, -1, path), index, 1000);
        }
      }
    }
    for (const at of range(layout.providers.size)) {
      first?.countConnection(at, 'queue', 5);
      first?.countConnection(at, 'connect', 5);
    }
  };
  return { metrics, layout, tallies, fill };
}

export function nameConsumer(at: number): string {
  return `consumer-${at}`;
}

/** One that was sent, answered as a stream, and settled. @param consumer -1: of nobody. */
export function createOver(
  set: Partial<Exchange> = {},
  consumer = -1,
  path = '/v1/chat/completions',
): Exchange {
  const identity = { consumerIndex: consumer, consumerName: 'c', keyHeaders: [] };
  return Object.assign(createExchange({ path }), {
    identity: consumer < 0 ? null : identity,
    startedMs: 0,
    readyMs: 1,
    sentMs: 2,
    headMs: 100,
    firstByteMs: 101,
    firstTokenMs: 120,
    status: 200,
    ended: { by: 'upstream', phase: 'done', reason: 'complete' },
    estimate: {
      modelKey: 'm',
      inputTokens: 90,
      outputTokens: 30,
      textBytes: 400,
      attachedBytes: 0,
    },
    settled: { usage: USAGE, costNanoDollars: 500_000, isPriced: true, isEstimated: false },
    ...set,
  });
}

function range(length: number): number[] {
  return Array.from({ length }, (_, at) => at);
}

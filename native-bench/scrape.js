/**
 * What /metrics costs: a scrape with many consumers and targets on all of which everything has happened, how long it holds
 * the primary's loop up at a stretch, and what an exchange costs the worker that counts it.
 * `node native-bench/scrape.js [consumers] [targets]`.
 */
import { fileURLToPath } from 'node:url';
import { buildModules } from './modules.js';

const load = buildModules(fileURLToPath(new URL('..', import.meta.url)));
const counters = await load('observe/counters.js');
const { createMetrics } = await load('observe/metrics.js');
const { Tally } = await load('observe/tally.js');
const layouts = await load('observe/tally-layout.js');
const { TallyReader } = await load('observe/tally-reader.js');

const { sampleOverload } = await load('observe/overload-metrics.js');
const { createReadingsBuffer, Readings } = await load('overload/readings.js');

const CONSUMERS = Number(process.argv[2] ?? 1000);
const TARGETS = Number(process.argv[3] ?? 100);
const WORKERS = 8;
const LIMIT_SERIES_MAX = 1000;
const SCRAPES = 200;
const EXCHANGES = 2_000_000;
const STATUSES = [200, 302, 404, 503];
const PATHS = ['/v1/chat/completions', '/v1/completions', '/v1/embeddings'];

/** @param {number} length */
const range = (length) => Array.from({ length }, (_, at) => at);

/** As much of an exchange as is counted. @param {number} consumer @param {number} status @param {string} path */
function createExchange(consumer, status, path) {
  const usage = {
    inputTokens: 1200,
    outputTokens: 350,
    cachedInputTokens: 800,
    reasoningTokens: 12,
  };
  return {
    ...{ status, dialect: 'openai', head: { path } },
    identity: { consumerIndex: consumer },
    settled: { usage, isEstimated: false, isPriced: true, costNanoDollars: 123_456 },
    estimate: { inputTokens: 1000, outputTokens: 500 },
    ended: { by: 'upstream', phase: 'done', reason: 'complete' },
    ...{ startedMs: 1000, readyMs: 1000.1, sentMs: 1000.2, headMs: 1400, firstByteMs: 1400.1 },
    ...{ firstTokenMs: 1401, addedMs: 0.2 },
  };
}

const models = range(TARGETS).map((at) => ({
  name: `model-${at}`,
  targets: [{ provider: `provider-${at % 10}`, model: null }],
}));
const providers = range(Math.min(10, TARGETS)).map((at) => ({ name: `provider-${at}` }));
const layout = counters.createCounterLayout({ models, providers });
const counted = counters.createCounterBuffer(layout, WORKERS);
const places = new layouts.TallyLayout({ consumersMax: CONSUMERS, providersMax: providers.length });
const memory = layouts.createTallyMemory(places, WORKERS);
const ofConsumers = Int32Array.from(range(CONSUMERS), (at) => at + layouts.FIRST_CONSUMER);
const tallies = range(WORKERS).map(
  (worker) => new Tally(places, layouts.viewTally(places, memory, worker), ofConsumers),
);
const names = range(CONSUMERS).map((at) => `consumer-${at}`);
const limits = names.slice(0, LIMIT_SERIES_MAX).map((consumer) => ({
  ...{ consumer, limit: 'tokens/60000/200000/*', capacity: 200_000, level: 1234.5 },
  ...{ held: 10, settled: 1e9 + 1, refunded: 1e6, refused: 12 },
}));
const metrics = createMetrics({
  readLayout: () => layout,
  readCounters: () => counters.readCounters(layout, counted, WORKERS),
  tally: new TallyReader(places, memory, WORKERS),
  readConsumerNames: () => names,
  readLimits: () => limits,
  readLimitTableFull: () => 0,
  readTargets: () =>
    models.map(({ name }, at) => ({
      model: name,
      provider: `provider-${at % 10}`,
      state: 0,
      ejections: 0,
    })),
  readUsage: () => null,
  readReloads: () => ({
    ...{ generation: 1, generationsLiving: 1, lastOkWallMs: 1.79e12 },
    counts: { ok: 1, refused: 0, busy: 0, failed: 0 },
  }),
  readOverload: () => sampleOverload(new Readings(createReadingsBuffer(WORKERS)), WORKERS),
  readTraces: () => ({
    exported: 0,
    lost: { worker_full: 0, queue_full: 0, export_failed: 0, exporter_failed: 0 },
  }),
  readLogLinesLost: () => 0,
  build: { version: '0', node: process.version, uws: '0' },
});

/** Something new in every series. */
function touchAll() {
  const [tally] = tallies;
  for (const at of range(CONSUMERS)) {
    for (const status of STATUSES) tally.count(createExchange(at, status, '/'), -1, 2000);
  }
  for (const at of range(TARGETS)) {
    for (const status of STATUSES) {
      for (const path of PATHS) tally.count(createExchange(0, status, path), at, 2000);
    }
  }
}

touchAll();

/** @param {number[]} values @param {number} share */
function quantile(values, share) {
  return [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) * share)] ?? 0;
}

/** The longest that the loop was held up while the work ran. @param {() => Promise<unknown>} work */
async function watchLoop(work) {
  let longestMs = 0;
  let isOver = false;
  let lastMs = performance.now();
  const look = () => {
    longestMs = Math.max(longestMs, performance.now() - lastMs);
    lastMs = performance.now();
    if (!isOver) setImmediate(look);
  };
  setImmediate(look);
  await work();
  isOver = true;
  await new Promise((resolve) => setImmediate(resolve));
  return longestMs;
}

const beginMs = performance.now();
let text = await metrics.render();
const firstMs = performance.now() - beginMs;

/** @param {boolean} isNew whether something happens in every series between two scrapes */
async function measure(isNew) {
  const tookMs = [];
  const heldMs = [];
  let cpuMs = 0;
  for (let scrape = 0; scrape < SCRAPES; scrape += 1) {
    if (isNew) touchAll();
    const cpu = process.cpuUsage();
    const beginMs = performance.now();
    heldMs.push(
      await watchLoop(async () => {
        text = await metrics.render();
      }),
    );
    tookMs.push(performance.now() - beginMs);
    const { user, system } = process.cpuUsage(cpu);
    cpuMs += (user + system) / 1000;
  }
  return { tookMs, heldMs, cpuMs: cpuMs / SCRAPES };
}

const busy = await measure(true);
const quiet = await measure(false);
const lines = text.split('\n').filter((/** @type {string} */ line) => /^[a-z]/.test(line)).length;

const exchange = createExchange(1, 200, Buffer.from(PATHS[0] ?? '').toString('latin1'));
const [tally] = tallies;
const countNs = range(7).map(() => {
  const startMs = performance.now();
  for (let at = 0; at < EXCHANGES; at += 1) tally.count(exchange, at % TARGETS, 2000);
  return ((performance.now() - startMs) / EXCHANGES) * 1e6;
});

/** @param {number[]} ms */
const print = (ms) =>
  `p50 ${quantile(ms, 0.5).toFixed(1)}, p95 ${quantile(ms, 0.95).toFixed(1)}, least ${Math.min(...ms).toFixed(1)} ms`;
process.stdout.write(
  `${CONSUMERS} consumers, ${TARGETS} targets, ${WORKERS} workers: ${lines} series, ${(text.length / 1024).toFixed(0)} KB\n` +
    `the first scrape: ${firstMs.toFixed(1)} ms\n` +
    `every series has changed: ${print(busy.tookMs)}; ${busy.cpuMs.toFixed(1)} ms of CPU; loop held up ${print(busy.heldMs)}\n` +
    `none has: ${print(quiet.tookMs)}; ${quiet.cpuMs.toFixed(1)} ms of CPU; loop held up ${print(quiet.heldMs)}\n` +
    `an exchange counted: ${quantile(countNs, 0.5).toFixed(0)} ns (least ${Math.min(...countNs).toFixed(0)})\n`,
);
process.exit(0);

/**
 * CPU of a usage record: for the worker that writes it, for the primary that takes it into a batch, and beside them that
 * of an access-log line. `node native-bench/usage-record.js`.
 */
import { fileURLToPath } from 'node:url';
import { buildModules } from './modules.js';

const load = buildModules(fileURLToPath(new URL('..', import.meta.url)));
const { createAccessLine } = await load('observe/access-line.js');
const { createRedact } = await load('observe/redact.js');
const { BatchGatherer } = await load('usage/batches.js');
const { createUsageRing, UsageRingWriter } = await load('usage/ring.js');
const { UsageRecords } = await load('usage/worker-records.js');

const ROUNDS = 21;
const RECORDS = 60_000;
const KINDS = 64;

const target = { entryName: '*', provider: 'openai', model: 'gpt-4o-mini', position: 0, index: 0 };
const ended = { by: 'upstream', phase: 'done', reason: 'complete' };

/** As much of an exchange as a record tells of. @param {number} number */
function createExchange(number) {
  const startedMs = 1000.25 + number;
  return {
    id: `3f9a8b7c6d00-${(1_000_000 + number).toString(36)}`,
    startedMs,
    identity: { consumerName: 'team-search' },
    user: null,
    // As they come out of a request: no constants.
    head: {
      method: 'POST',
      path: Buffer.from('/v1/chat/completions').toString('latin1'),
      callerAddress: '',
    },
    dialect: 'openai',
    asked: { isStream: false },
    model: Buffer.from('gpt-4o-mini').toString('latin1'),
    target,
    status: 200,
    upstreamStatus: 200,
    ended,
    attemptsMade: 1,
    settled: {
      usage: {
        inputTokens: 1200,
        cachedInputTokens: 800,
        cacheWriteTokens: 0,
        outputTokens: 350,
        reasoningTokens: 12,
        audioInputTokens: 0,
        audioOutputTokens: 0,
      },
      isEstimated: false,
      isPriced: true,
      costNanoDollars: 123_456,
    },
    requestBytes: 5321,
    responseBytes: 1820,
    readyMs: startedMs + 0.05,
    sentMs: startedMs + 0.12,
    headMs: startedMs + 2.85,
    firstByteMs: startedMs + 2.95,
    addedMs: 0.081,
  };
}

/** @param {ReturnType<typeof createExchange>} exchange */
function describe(exchange) {
  return {
    ...{ id: exchange.id, consumer: 'team-search', client: null, method: 'POST' },
    ...{ path: exchange.head.path, dialect: 'openai', model: exchange.model },
    ...{ targetModel: 'gpt-4o-mini', provider: 'openai', status: 200 },
    ...{ requestBytes: 5321, responseBytes: 1820, firstByteMs: 2.95, durationMs: 4.25 },
    ...{ addedMs: 0.081, ended, end: '--', error: null, attempts: null, sample: null },
    usage: { ...exchange.settled.usage, costNanoDollars: 123_456, isEstimated: false },
  };
}

/** @param {() => void} work @returns {number} nanoseconds of CPU for each of RECORDS. */
function measure(work) {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / RECORDS;
}

/** @param {number[]} values */
function summarise(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return `${Math.round(sorted[sorted.length >> 1] ?? 0)} ns (least ${Math.round(sorted[0] ?? 0)})`;
}

const ring = createUsageRing();
const gatherer = new BatchGatherer();
gatherer.add(0, ring);
const redact = createRedact(['sk-upstream-secret']);
const records = new UsageRecords(new UsageRingWriter(ring), redact);
let lineChars = 0;
const writeLine = createAccessLine(
  {
    write: (/** @type {string} */ line) => {
      lineChars += line.length;
    },
  },
  redact,
  false,
);
const exchanges = Array.from({ length: KINDS }, (_, number) => createExchange(number));
const lines = exchanges.map(describe);
/** @type {{ write: number[], take: number[], line: number[] }} */
const taken = { write: [], take: [], line: [] };
let bytes = 0;
for (let round = 0; round < ROUNDS + 5; round += 1) {
  const write = measure(() => {
    for (let i = 0; i < RECORDS; i += 1) {
      records.write(exchanges[i % KINDS], 1100);
    }
  });
  const take = measure(() => {
    for (let next = gatherer.gather(); next !== null; next = gatherer.gather()) {
      bytes = next.bytes.length / next.records;
    }
  });
  const line = measure(() => {
    for (let i = 0; i < RECORDS; i += 1) {
      writeLine(lines[i % KINDS]);
    }
  });
  // The first ones are for the compiler.
  if (round >= 5) {
    taken.write.push(write);
    taken.take.push(take);
    taken.line.push(line);
  }
}
process.stdout.write(
  `a record of ${Math.round(bytes)} bytes: written in ${summarise(taken.write)}, taken in ${summarise(taken.take)}; ` +
    `an access line of ${Math.round(lineChars / RECORDS / (ROUNDS + 5))} characters in ${summarise(taken.line)}; ` +
    `lost: ${gatherer.lostCount}\n`,
);

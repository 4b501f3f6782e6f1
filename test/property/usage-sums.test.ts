/** Sums of usage records are what metrics count, whatever exchanges were like and however many consumers share a series. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  CounterColumn,
  createCounterBuffer,
  createCounterLayout,
  readCounters,
} from '../../src/observe/counters.js';
import { WorkerHistograms } from '../../src/observe/histograms.js';
import { Recorder } from '../../src/observe/recorder.js';
import { STATUS_CLASSES } from '../../src/observe/status-classes.js';
import { Tally } from '../../src/observe/tally.js';
import {
  createTallyMemory,
  FIRST_CONSUMER,
  OTHER_CONSUMERS,
  TallyLayout,
  viewTally,
} from '../../src/observe/tally-layout.js';
import { TallyReader } from '../../src/observe/tally-reader.js';
import { UsageEncoder } from '../../src/usage/encoder.js';
import { nameValues, USAGE_FIELDS } from '../../src/usage/fields.js';
import { decodeRecords } from '../../src/usage/segment-format.js';
import { createRoutesConfig } from '../helpers/observe-config.js';
import { createTarget, createUsual } from '../helpers/usage-exchanges.js';
import { sumOf } from '../helpers/usage-spool.js';

const WORKERS = 3;
const PLACED = 2;
const MODELS = { a: ['p', 'q'], b: ['q'] };
const ROUTES = Object.entries(MODELS).flatMap(([entryName, providers]) =>
  providers.map((provider, position) => ({ entryName, provider, position })),
);

/** Small enough that sums of floats are exact, as those of money are below nine million dollars. */
const count = fc.nat(2 ** 40);
const exchanges = fc.array(
  fc.record({
    worker: fc.nat(WORKERS - 1),
    /** -1: of nobody; from PLACED on: without a place. */
    consumer: fc.integer({ min: -1, max: 4 }),
    route: fc.option(fc.nat(ROUTES.length - 1)),
    status: fc.option(fc.constantFrom(200, 302, 404, 429, 500, 503)),
    settled: fc.option(
      fc.record({
        usage: fc.record({
          inputTokens: count,
          outputTokens: count,
          cachedInputTokens: count,
          cacheWriteTokens: count,
          reasoningTokens: count,
          audioInputTokens: count,
          audioOutputTokens: count,
        }),
        costNanoDollars: count,
        isPriced: fc.constant(true),
        isEstimated: fc.boolean(),
      }),
    ),
  }),
  { maxLength: 40 },
);

test('P-13 sums of records, by consumer and by target, are not what metrics count', () => {
  fc.assert(
    fc.property(exchanges, (overs) => {
      const layout = createCounterLayout(createRoutesConfig(MODELS));
      const buffer = createCounterBuffer(layout, WORKERS);
      const places = new TallyLayout({ consumersMax: PLACED, providersMax: 2 });
      const memory = createTallyMemory(places, WORKERS);
      const ofConsumers = Int32Array.from({ length: 5 }, (_, at) =>
        at < PLACED ? FIRST_CONSUMER + at : OTHER_CONSUMERS,
      );
      const recorders = Array.from({ length: WORKERS }, (_, worker) => {
        const tally = new Tally(places, viewTally(places, memory, worker), ofConsumers);
        const column = new CounterColumn(layout, buffer, worker);
        return new Recorder(layout, column, new WorkerHistograms(), null, null, tally);
      });
      const encoder = new UsageEncoder((text) => text);
      const bytes = Buffer.alloc(1 << 16);
      let end = 0;
      for (const { worker, consumer, route, status, settled } of overs) {
        const { exchange, endedMs } = createUsual();
        const place = route === null ? undefined : ROUTES[route];
        const index = route ?? 0;
        Object.assign(exchange, {
          identity:
            consumer < 0
              ? null
              : { consumerIndex: consumer, consumerName: `c-${consumer}`, keyHeaders: [] },
          target: place === undefined ? null : createTarget({ ...place, index }),
          status,
          settled,
        });
        recorders[worker]?.begin();
        recorders[worker]?.end(exchange, endedMs);
        end = encoder.encode(exchange, endedMs, bytes, end);
      }
      const records = decodeRecords(bytes.subarray(0, end)).map((values) =>
        nameValues(USAGE_FIELDS, values),
      );
      assert.equal(records.length, overs.length);

      const totals = readCounters(layout, buffer, WORKERS);
      for (const route of layout.routes) {
        const own = records.filter(
          ({ entry, provider }) => entry === route.model && provider === route.provider,
        );
        assert.equal(totals[route.inputTokens], sumOf(own, 'input_tokens'));
        assert.equal(totals[route.outputTokens], sumOf(own, 'output_tokens'));
        assert.equal(totals[route.cachedInputTokens], sumOf(own, 'cached_input_tokens'));
        assert.equal(totals[route.reasoningTokens], sumOf(own, 'reasoning_tokens'));
        assert.equal(totals[route.costNanoDollars], sumOf(own, 'cost_nano_dollars'));
      }
      const reader = new TallyReader(places, memory, WORKERS);
      reader.readAll(ROUTES.length, PLACED);
      const groups = [[null], ['c-2', 'c-3', 'c-4'], ['c-0'], ['c-1']];
      groups.forEach((names, place) => {
        const own = records.filter(({ consumer }) => names.some((name) => name === consumer));
        const first = places.consumerSlot(place);
        const read = (offset: number): number =>
          reader.read(first + STATUS_CLASSES.length + offset);
        const requests = STATUS_CLASSES.map((_, at) => reader.read(first + at));
        assert.equal(
          requests.reduce((sum, one) => sum + one, 0),
          own.length,
        );
        assert.equal(read(0), sumOf(own, 'input_tokens'));
        assert.equal(read(1), sumOf(own, 'output_tokens'));
        assert.equal(read(2), sumOf(own, 'cached_input_tokens'));
        assert.equal(read(3), sumOf(own, 'reasoning_tokens'));
        assert.equal(read(4), sumOf(own, 'cost_nano_dollars'));
      });
    }),
    { numRuns: 150 },
  );
});

/** What is counted, measured and logged when an exchange is over, for every way of being over. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nowMs } from '../../../src/core/clock.js';
import { type ErrorCode, GatewayError } from '../../../src/core/errors.js';
import type { Ended, Exchange } from '../../../src/exchange.js';
import type { AccessRecord } from '../../../src/observe/access-line.js';
import {
  CounterColumn,
  createCounterBuffer,
  createCounterLayout,
  statusSlot,
} from '../../../src/observe/counters.js';
import { HistogramStore } from '../../../src/observe/histogram-store.js';
import { MEASURE, WorkerHistograms } from '../../../src/observe/histograms.js';
import { listSecrets, Recorder } from '../../../src/observe/recorder.js';
import { createRedact } from '../../../src/observe/redact.js';
import { FULL, parse } from '../../helpers/config-files.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { createRoutesConfig } from '../../helpers/observe-config.js';
import { createExchange } from '../../helpers/stage-fakes.js';

const config = createRoutesConfig({ 'gpt-4o': ['openai', 'azure'] });
const layout = createCounterLayout(config);

class Scene {
  readonly column = new CounterColumn(layout, createCounterBuffer(layout, 1), 0);
  readonly histograms = new WorkerHistograms();
  readonly records: AccessRecord[] = [];
  readonly recorder = new Recorder(layout, this.column, this.histograms, (record) => {
    this.records.push(record);
  });

  end(set: Partial<Exchange>, ended: Ended | null): AccessRecord {
    const exchange = Object.assign(createExchange({ path: '/v1/x' }), set, { ended });
    this.recorder.begin();
    assert.equal(this.recorder.inFlight, 1);
    assert.equal(this.column.get(layout.fixed.exchangesInFlight), 1);
    const endedMs = nowMs();
    this.recorder.end(exchange, endedMs);
    this.recorder.writeLine(exchange, endedMs);
    assert.equal(this.recorder.inFlight, 0);
    assert.equal(this.column.get(layout.fixed.exchangesInFlight), 0);
    const record = this.records.at(-1);
    assert.ok(record !== undefined);
    return record;
  }

  /** Measure → how many values, and their sum in µs. */
  measured(): Record<string, readonly [count: number, sumUs: number]> {
    const store = new HistogramStore();
    if (this.histograms.hasChanges) store.takeIn(0, this.histograms.takeSnapshot());
    const nameOf = new Map(Object.entries(MEASURE).map(([name, measure]) => [measure, name]));
    return Object.fromEntries(
      store
        .merge()
        .map((series) => [
          nameOf.get(series.measure) ?? '',
          [series.histogram.totalCount, series.sumUs] as const,
        ]),
    );
  }
}

const TARGET = {
  entryName: 'gpt-4o',
  position: 1,
  index: 1,
  provider: 'azure',
  model: 'gpt-4o-eu',
  timeouts: null,
  wholeMs: 0,
  keepAliveMs: 0,
};
const ROUTE = layout.routes.filter(({ model }) => model === 'gpt-4o')[1];
const COMPLETE: Ended = { by: 'upstream', phase: 'done', reason: 'complete' };
const ABORTED: Ended = { by: 'downstream', phase: 'waiting', reason: 'aborted' };
/** Times are those of the fake clock, which stands at 1000; an exchange starts at 1. */
const ANSWERED = {
  readyMs: 2,
  sentMs: 4,
  headMs: 104,
  firstByteMs: 105,
  answerReadMs: 104,
  status: 200,
};

function errorOf(code: ErrorCode): GatewayError {
  return new GatewayError(code, 'detail');
}

test('an answer that is whole', (t) => {
  new FakeClock(t);
  const scene = new Scene();
  const record = scene.end(
    { ...ANSWERED, target: TARGET, model: 'gpt-4o', requestBytes: 10, responseBytes: 20 },
    COMPLETE,
  );
  assert.ok(ROUTE !== undefined);
  const { column } = scene;
  assert.deepEqual(
    [
      column.get(statusSlot(ROUTE, 200)),
      column.get(ROUTE.requestBytes),
      column.get(ROUTE.responseBytes),
    ],
    [1, 10, 20],
  );
  assert.deepEqual(
    [column.get(layout.fixed.bytesReceived), column.get(layout.fixed.bytesSent)],
    [10, 20],
  );
  assert.deepEqual(scene.measured(), {
    firstByte: [1, 104_000],
    duration: [1, 999_000],
    added: [1, 3000],
    addedBefore: [1, 2000],
    addedAfter: [1, 1000],
  });
  assert.deepEqual(
    [
      record.provider,
      record.model,
      record.targetModel,
      record.status,
      record.firstByteMs,
      record.durationMs,
      record.addedMs,
    ],
    ['azure', 'gpt-4o', 'gpt-4o-eu', 200, 104, 999, 3],
  );
  assert.deepEqual([record.ended, record.error], [COMPLETE, null]);
});

test('who ended it is counted once, and never both ways', (t) => {
  new FakeClock(t);
  assert.ok(ROUTE !== undefined);
  const slots = [ROUTE.endedByDownstream, ROUTE.endedByUpstream, ROUTE.endedByGateway];
  const cases: readonly (readonly [
    ended: Ended,
    code: ErrorCode | null,
    counted: readonly number[],
  ])[] = [
    [COMPLETE, null, [0, 0, 0]],
    [ABORTED, null, [1, 0, 0]],
    [{ by: 'upstream', phase: 'streaming', reason: 'upstream_cut' }, 'upstream_cut', [0, 1, 0]],
    [
      { by: 'gateway', phase: 'waiting', reason: 'first_byte_timeout' },
      'first_byte_timeout',
      [0, 0, 1],
    ],
  ];
  for (const [ended, code, counted] of cases) {
    const scene = new Scene();
    const record = scene.end(
      { target: TARGET, error: code === null ? null : errorOf(code) },
      ended,
    );
    assert.deepEqual(
      slots.map((slot) => scene.column.get(slot)),
      counted,
      ended.reason,
    );
    if (code !== null) assert.equal(scene.column.get(layout.refused[code]), 1);
    assert.deepEqual(record.error, code === null ? null : { code, detail: 'detail' });
    assert.equal(scene.column.get(layout.fixed.abortedUnrouted), 0);
  }
});

test('before a route is known, refusals and aborts are counted for the worker alone', (t) => {
  new FakeClock(t);
  const scene = new Scene();
  scene.end(
    { error: errorOf('invalid_key'), status: 401 },
    { by: 'gateway', phase: 'reading', reason: 'invalid_key' },
  );
  assert.equal(scene.column.get(layout.refused.invalid_key), 1);
  assert.equal(scene.column.get(layout.fixed.abortedUnrouted), 0);
  const record = scene.end({}, ABORTED);
  assert.equal(scene.column.get(layout.fixed.abortedUnrouted), 1);
  assert.deepEqual(scene.measured(), {});
  assert.deepEqual(
    [record.provider, record.targetModel, record.status, record.firstByteMs, record.addedMs],
    [null, null, null, null, null],
  );
  assert.equal(scene.column.get(layout.fixed.exchangesTotal), 2);
});

test('a client that leaves between the head and the first byte has no time to its first byte', (t) => {
  new FakeClock(t);
  const scene = new Scene();
  const record = scene.end(
    { ...ANSWERED, firstByteMs: 0, answerReadMs: 0, target: TARGET },
    ABORTED,
  );
  assert.deepEqual(scene.measured(), {
    duration: [1, 999_000],
    added: [1, 2000],
    addedBefore: [1, 2000],
  });
  assert.deepEqual([record.firstByteMs, record.addedMs], [null, 2]);
});

test('an unknown target is no reason to fail, nor is an access log that is off', (t) => {
  new FakeClock(t);
  const scene = new Scene();
  const record = scene.end(
    { ...ANSWERED, target: { ...TARGET, entryName: 'gone', model: null }, model: 'm' },
    null,
  );
  assert.equal(record.targetModel, 'm');
  assert.equal(record.ended.reason, 'unknown');
  const silent = new Recorder(layout, scene.column, scene.histograms, null);
  silent.begin();
  silent.end(createExchange(), nowMs());
  silent.writeLine(createExchange(), nowMs());
  assert.equal(silent.hasLines, false);
  assert.equal(silent.inFlight, 0);
});

test('secrets are the providers’ keys and the tokens of the admin port and of usage records', () => {
  const admin = { host: '127.0.0.1', port: 0, token: null };
  const usage = null;
  const [one, two] = config.providers;
  assert.ok(one !== undefined && two !== undefined);
  assert.deepEqual(listSecrets({ providers: [{ ...one, apiKey: 'sk-1' }, two], admin, usage }), [
    'sk-1',
  ]);
  const token = 'of-the-admin-port';
  assert.deepEqual(listSecrets({ providers: [], admin: { ...admin, token }, usage }), [token]);
  const { usage: delivered } = parse(FULL, { PORT: '1' });
  assert.deepEqual(listSecrets({ providers: [], admin, usage: delivered }), ['bill-secret']);
  const proxied = { ...one, apiKey: null, proxyUrl: 'http://me:p%40ss-word@proxy.test:3128' };
  const secrets = listSecrets({ providers: [proxied], admin, usage });
  const redact = createRedact(secrets);
  for (const text of [
    proxied.proxyUrl,
    `${proxied.proxyUrl}/`,
    'me:p@ss-word',
    'p@ss-word',
    'p%40ss-word',
    `Basic ${Buffer.from('me:p@ss-word').toString('base64')}`,
  ]) {
    assert.doesNotMatch(redact(`said ${text} there`), /ss-word|bWU6/, text);
  }
  assert.equal(redact('me and you'), 'me and you');
});

test('exchanges that take turns at several targets are each counted at their own', () => {
  const scene = new Scene();
  const first = { ...TARGET, position: 0, index: 0, provider: 'openai' };
  const unknown = { ...TARGET, entryName: 'gone', index: 2 };
  for (const target of [TARGET, first, TARGET, TARGET, null, unknown, first, TARGET]) {
    scene.end({ target, requestBytes: target === first ? 100 : 1 }, COMPLETE);
  }
  const counted = layout.routes.map(({ requestBytes }) => scene.column.get(requestBytes));
  assert.deepEqual(counted, [200, 4]);
});

/** Which exchanges have a line where only a share of those that ended well has one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayError } from '../../../src/core/errors.js';
import type { Ended, Exchange } from '../../../src/exchange.js';
import type { AccessRecord } from '../../../src/observe/access-line.js';
import { AccessSampler, isUneventful } from '../../../src/observe/access-sampler.js';
import {
  CounterColumn,
  createCounterBuffer,
  createCounterLayout,
} from '../../../src/observe/counters.js';
import { WorkerHistograms } from '../../../src/observe/histograms.js';
import { Recorder } from '../../../src/observe/recorder.js';
import { createRoutesConfig } from '../../helpers/observe-config.js';
import { createExchange } from '../../helpers/stage-fakes.js';

const COMPLETE: Ended = { by: 'upstream', phase: 'done', reason: 'complete' };
const ATTEMPT = { provider: 'p', model: 'm', className: 'ok', ms: 1 };

/** Everything that is worth a line whatever the share is. */
const EVENTFUL: readonly Partial<Exchange>[] = [
  { error: new GatewayError('upstream_cut', 'cut'), ended: COMPLETE },
  { status: 400 },
  { status: 500 },
  { status: null },
  { attempts: [ATTEMPT] },
  { ended: null },
  { ended: { by: 'downstream', phase: 'streaming', reason: 'aborted' } },
  { ended: { by: 'gateway', phase: 'streaming', reason: 'draining' } },
];

function exchangeOf(set: Partial<Exchange> = {}): Exchange {
  return Object.assign(createExchange(), { status: 200, ended: COMPLETE }, set);
}

test('uneventful is what was given whole, at once, with a good status, and nothing else', () => {
  for (const status of [200, 204, 302, 399]) assert.ok(isUneventful(exchangeOf({ status })));
  for (const set of EVENTFUL) assert.ok(!isUneventful(exchangeOf(set)), JSON.stringify(set));
});

test('all but the uneventful have a line, those that were drawn say so, the others are counted', () => {
  const layout = createCounterLayout(createRoutesConfig({ m: ['p'] }));
  const column = new CounterColumn(layout, createCounterBuffer(layout, 1), 0);
  const records: AccessRecord[] = [];
  const write = (record: AccessRecord): void => {
    records.push(record);
  };
  const sampler = new AccessSampler(0.01);
  const histograms = new WorkerHistograms();
  const recorder = new Recorder(layout, column, histograms, write, null, null, sampler);
  const end = (exchange: Exchange): void => {
    recorder.begin();
    recorder.end(exchange, exchange.startedMs + 1);
    recorder.writeLine(exchange, exchange.startedMs + 1);
  };
  for (let round = 0; round < 100; round += 1) {
    for (let good = 0; good < 10; good += 1) end(exchangeOf());
    for (const set of EVENTFUL) end(exchangeOf(set));
  }
  const drawn = records.filter(({ sample }) => sample !== null);
  assert.equal(drawn.length, 10);
  assert.ok(drawn.every(({ sample, end: code }) => sample === 0.01 && code === '--'));
  assert.equal(records.length - drawn.length, 100 * EVENTFUL.length);
  assert.equal(column.get(layout.fixed.logLinesSampledOut), 990);
  assert.equal(column.get(layout.fixed.logLinesDropped), 0);
});

test('calls that take turns are all met, though every second one has a line', () => {
  const sampler = new AccessSampler(0.5);
  const met = [0, 0];
  for (let call = 0; call < 2000; call += 1) {
    if (sampler.take()) met[call % 2]! += 1;
  }
  assert.equal(met[0]! + met[1]!, 1000);
  // One in four of each stretch of two would be a run of a thousand coins on one side.
  assert.ok(Math.min(...met) > 300, `${met}`);
});

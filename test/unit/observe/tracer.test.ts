/** Which exchanges are traced, and what is told of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeHead } from '../../../src/accept/head.js';
import type { TracesConfig } from '../../../src/config/model.js';
import { Exchange } from '../../../src/exchange.js';
import { createRedact } from '../../../src/observe/redact.js';
import { TraceBatch } from '../../../src/observe/trace-batch.js';
import type { TraceRecord } from '../../../src/observe/trace-record.js';
import { Tracer } from '../../../src/observe/tracer.js';
import { FakeDownstream } from '../../helpers/stage-fakes.js';

const PARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331';
const CONFIG: TracesConfig = {
  endpoint: 'http://c/v1/traces',
  headers: [],
  sample: 0.25,
  followsParent: true,
  content: false,
  service: 'weir',
};

const KEEP = (text: string): string => text;

function createExchange(...headers: readonly string[]): Exchange {
  const client = { caller: '', text: '', isTrusted: false };
  const head = describeHead('POST', '/v1/x', '', ['host', 'h', ...headers], client);
  return new Exchange('id-1', head, new FakeDownstream().asDownstream, 'openai', 1000);
}

function isTraced(config: Partial<TracesConfig>, random: number, ...headers: string[]): boolean {
  const tracer = new Tracer({ ...CONFIG, ...config }, 1, { add: () => {} }, KEEP, () => random);
  const exchange = createExchange(...headers);
  tracer.begin(exchange);
  return exchange.trace !== null;
}

test('without a parent the share decides', () => {
  assert.equal(isTraced({}, 0.249), true);
  assert.equal(isTraced({}, 0.25), false);
  assert.equal(isTraced({ sample: 0 }, 0), false);
  assert.equal(isTraced({ sample: 1 }, 0.999), true);
  assert.equal(isTraced({}, 0.9, 'traceparent', 'nonsense'), false);
});

test('a parent decides, unless it is not to', () => {
  assert.equal(isTraced({ sample: 0 }, 0.9, 'traceparent', `${PARENT}-01`), true);
  assert.equal(isTraced({ sample: 1 }, 0, 'traceparent', `${PARENT}-00`), false);
  const own = { followsParent: false };
  assert.equal(isTraced({ ...own, sample: 0 }, 0, 'traceparent', `${PARENT}-01`), false);
  assert.equal(isTraced({ ...own, sample: 1 }, 0, 'traceparent', `${PARENT}-00`), true);
});

test('a parent’s trace is continued; two parents are none', () => {
  const tracer = new Tracer({ ...CONFIG, sample: 1 }, 1, { add: () => {} }, KEEP);
  const exchange = createExchange('traceparent', `${PARENT}-01`);
  tracer.begin(exchange);
  assert.equal(exchange.trace?.traceId, '0af7651916cd43dd8448eb211c80319c');
  assert.equal(exchange.trace.parentId, 'b7ad6b7169203331');
  assert.equal(exchange.trace.isContinued, true);
  const twice = createExchange('traceparent', `${PARENT}-01`, 'traceparent', `${PARENT}-01`);
  tracer.begin(twice);
  assert.equal(twice.trace?.isContinued, false);
});

test('two attempts that run beside each other are told apart', () => {
  const records: TraceRecord[] = [];
  const tracer = new Tracer({ ...CONFIG, sample: 1 }, 7, { add: (one) => records.push(one) }, KEEP);
  const exchange = createExchange();
  tracer.begin(exchange);
  const { trace } = exchange;
  assert.ok(trace !== null);
  trace.beginAttempt('a', 'm', 1001);
  const first = trace.formatLine();
  trace.beginAttempt('a', 'm', 1005);
  assert.notEqual(trace.formatLine(), first, 'each attempt is a parent of its own');
  const end = { sentMs: 1006, headMs: 1007, status: 200, outcome: 'ok', endedMs: 1010 };
  trace.endAttempt('a', 1005, end);
  tracer.end(exchange, trace, 1012);
  const [record] = records;
  assert.equal(record?.generation, 7);
  assert.deepEqual(
    record?.attempts.map(({ started, sent, head, ended, status, outcome }) => {
      return [started, sent, head, ended, status, outcome];
    }),
    [
      [1, -1, -1, 12, 0, 'aborted'],
      [5, 6, 7, 10, 200, 'ok'],
    ],
  );
  assert.equal(first, `\r\ntraceparent: 00-${trace.traceId}-${record?.attempts[0]?.spanId}-01`);
});

test('what nobody takes is dropped and counted, and nothing waits', () => {
  const sent: [number, number][] = [];
  const batch = new TraceBatch({
    send: (records, lost) => sent.push([records.length, lost]),
    pendingMax: 3,
    flushMs: 60_000,
  });
  const record = { attempts: [{}, {}], request: null, response: null } as unknown as TraceRecord;
  for (let count = 0; count < 5; count += 1) batch.add(record);
  batch.flush();
  assert.deepEqual(sent, [[3, 6]], 'two of them, each an exchange with two attempts');
  batch.add(record);
  batch.flush();
  assert.deepEqual(sent.at(-1), [0, 3]);
  batch.acknowledge();
  batch.add(record);
  batch.flush();
  assert.deepEqual(sent.at(-1), [1, 0]);
  batch.flush();
  assert.equal(sent.length, 3);
});

test('content counts by its size', () => {
  const sent: [number, number][] = [];
  const batch = new TraceBatch({
    send: (records, lost) => sent.push([records.length, lost]),
    pendingMax: 10,
    flushMs: 60_000,
  });
  const request = 'A'.repeat(6 * 1024);
  const record = { attempts: [], request, response: null } as unknown as TraceRecord;
  batch.add(record);
  batch.add(record);
  batch.flush();
  assert.deepEqual(sent, [[1, 1]]);
});

test('a key in a path or in a model’s name does not get into a span', () => {
  const records: TraceRecord[] = [];
  const redact = createRedact(['sk-of-the-provider']);
  const add = (one: TraceRecord) => records.push(one);
  const tracer = new Tracer({ ...CONFIG, sample: 1 }, 1, { add }, redact);
  const exchange = createExchange();
  exchange.model = 'sk-of-the-provider';
  tracer.begin(exchange);
  assert.ok(exchange.trace !== null);
  exchange.trace.beginAttempt('a', 'x sk-of-the-provider', 1001);
  tracer.end(exchange, exchange.trace, 1002);
  assert.ok(!JSON.stringify(records).includes('sk-of-the-provider'));
});

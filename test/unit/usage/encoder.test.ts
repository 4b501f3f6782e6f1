import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unpack } from 'msgpackr';
import { BOUNDS } from '../../../src/core/bounds.js';
import { wallClockMs } from '../../../src/core/clock.js';
import { createRedact } from '../../../src/observe/redact.js';
import { UsageEncoder } from '../../../src/usage/encoder.js';
import { nameValues, USAGE_FIELDS } from '../../../src/usage/fields.js';
import {
  createTarget,
  createUsual,
  expectRecord,
  type Over,
} from '../../helpers/usage-exchanges.js';

const bytes = Buffer.from(new SharedArrayBuffer(BOUNDS.usageRecordBytesMax + 16));

function encode(encoder: UsageEncoder, { exchange, endedMs }: Over) {
  bytes.fill(0xff);
  const end = encoder.encode(exchange, endedMs, bytes, 7);
  assert.ok(
    bytes.subarray(end).every((byte) => byte === 0xff),
    'written beyond the end',
  );
  const values: unknown[] = unpack(Uint8Array.prototype.slice.call(bytes, 7, end));
  assert.equal(values.length, USAGE_FIELDS.length);
  const { started_ms: startedMs, ...rest } = nameValues(
    USAGE_FIELDS,
    values.map((value) => (typeof value === 'bigint' ? Number(value) : value)),
  );
  return { startedMs, rest, bytes: end - 7 };
}

test('a record says what the exchange was, and the next one nothing of it', () => {
  const encoder = new UsageEncoder((text) => text);
  const plain = createUsual(2);
  Object.assign(plain.exchange, {
    settled: null,
    target: null,
    model: null,
    asked: null,
    headMs: 0,
  });
  for (const over of [createUsual(1), plain, createUsual(3), createUsual(3)]) {
    assert.deepEqual(encode(encoder, over).rest, expectRecord(over));
  }
});

test('what is kept packed is another exchange’s', () => {
  const encoder = new UsageEncoder((text) => text);
  const variants: Record<string, unknown>[] = [
    { model: 'gpt-4p' },
    { model: 'hpt-4o' },
    { model: null },
    { asked: { isStream: false, outputTokensMax: -1, answers: 1 } },
    { asked: null },
    { dialect: 'anthropic' },
    { target: createTarget({ provider: 'b' }) },
    { target: createTarget({ model: null }), model: 'one' },
    { target: createTarget({ model: null }), model: 'two' },
    { target: createTarget({ index: 3 + 256, provider: 'c' }) },
    { status: 502 },
    { upstreamStatus: 0 },
    { attemptsMade: 3 },
    { sentMs: 0 },
    { ended: { by: 'downstream', phase: 'streaming', reason: 'aborted' } },
    { ended: null },
    {},
  ];
  for (const variant of [...variants, ...variants.reverse()]) {
    const over = createUsual();
    Object.assign(over.exchange, variant);
    assert.deepEqual(encode(encoder, over).rest, expectRecord(over), JSON.stringify(variant));
  }
});

test('a record is longer than there is room for', () => {
  const over = createUsual();
  const long = '\ud83d\ude00'.repeat(9000);
  Object.assign(over.exchange, {
    id: long,
    user: long,
    model: long,
    identity: { consumerIndex: 0, consumerName: long, keyHeaders: [] },
    head: { ...over.exchange.head, method: long, path: long, callerAddress: long },
    target: createTarget({ entryName: long, provider: long, model: long }),
    ended: { by: long, phase: long, reason: long },
  });
  const { bytes: length } = encode(new UsageEncoder((text) => text), over);
  assert.ok(length < BOUNDS.usageRecordBytesMax, String(length));
  assert.ok(length > 10_000);
});

test('a key that a client wrote into its request stands in a record', () => {
  const secret = 'sk-live-0123456789abcdef';
  const over = createUsual();
  Object.assign(over.exchange, {
    user: secret,
    model: secret,
    head: { ...over.exchange.head, path: `/v1/${secret}` },
    target: createTarget({ model: null }),
  });
  const encoder = new UsageEncoder(createRedact([]));
  const { rest } = encode(encoder, over);
  assert.doesNotMatch(JSON.stringify(rest), /live/);
  assert.deepEqual(
    [rest.user, rest.model, rest.path, rest.target_model],
    ['[redacted]', '[redacted]', '/v1/[redacted]', '[redacted]'],
  );
  assert.deepEqual(encode(encoder, over).rest, rest);
});

test('numbers that can’t be are written as they are', () => {
  const over = createUsual();
  Object.assign(over.exchange, { requestBytes: -1, responseBytes: Number.NaN, sentMs: 5 });
  const { rest } = encode(new UsageEncoder((text) => text), over);
  assert.deepEqual([rest.request_bytes, rest.response_bytes, rest.sent_us], [0, 0, 0]);
});

test('the beginning is not told by the time of day', () => {
  const { exchange, endedMs } = createUsual();
  const beforeMs = wallClockMs();
  const now = performance.now();
  Object.assign(exchange, { startedMs: now - 60_000 });
  const { startedMs } = encode(new UsageEncoder((text) => text), { exchange, endedMs });
  assert.ok(Math.abs(Number(startedMs) - (beforeMs - 60_000)) < 1000, String(startedMs));
});

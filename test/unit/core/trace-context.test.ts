import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createSpanId,
  createTraceId,
  formatTraceParent,
  readTraceParent,
} from '../../../src/core/trace-context.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';

test('a traceparent is read, with its flag', () => {
  const read = { traceId: TRACE, spanId: SPAN };
  assert.deepEqual(readTraceParent(`00-${TRACE}-${SPAN}-01`), { ...read, isSampled: true });
  assert.deepEqual(readTraceParent(`00-${TRACE}-${SPAN}-00`), { ...read, isSampled: false });
  // Flags that nobody knows yet change nothing.
  assert.deepEqual(readTraceParent(`00-${TRACE}-${SPAN}-03`), { ...read, isSampled: true });
  assert.deepEqual(readTraceParent(`00-${TRACE}-${SPAN}-fe`), { ...read, isSampled: false });
});

test('a later version may say more after a hyphen', () => {
  const read = { traceId: TRACE, spanId: SPAN, isSampled: true };
  assert.deepEqual(readTraceParent(`cc-${TRACE}-${SPAN}-01`), read);
  assert.deepEqual(readTraceParent(`cc-${TRACE}-${SPAN}-01-what-the-future-brings`), read);
  assert.equal(readTraceParent(`cc-${TRACE}-${SPAN}-01.x`), null);
});

test('what is no traceparent is none', () => {
  const zeros = '0'.repeat(32);
  for (const text of [
    '',
    '00',
    `00-${TRACE}-${SPAN}`,
    `00-${TRACE}-${SPAN}-`,
    `00-${TRACE}-${SPAN}-1`,
    `00-${TRACE}-${SPAN}-01-more`,
    `ff-${TRACE}-${SPAN}-01`,
    `0g-${TRACE}-${SPAN}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${zeros}-${SPAN}-01`,
    `00-${TRACE}-${zeros.slice(16)}-01`,
    `00_${TRACE}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-0x`,
    `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`,
    ` 00-${TRACE}-${SPAN}-01`,
  ]) {
    assert.equal(readTraceParent(text), null, text);
  }
});

test('ids are of the right length, and no two are the same', () => {
  const traces = new Set(Array.from({ length: 3000 }, createTraceId));
  const spans = new Set(Array.from({ length: 3000 }, createSpanId));
  assert.deepEqual([traces.size, spans.size], [3000, 3000]);
  for (const traceId of traces) {
    const [spanId = ''] = spans;
    const read = readTraceParent(formatTraceParent(traceId, spanId));
    assert.deepEqual(read, { traceId, spanId, isSampled: true });
  }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { UsageEncoder } from '../../src/usage/encoder.js';
import { nameValues, USAGE_FIELDS } from '../../src/usage/fields.js';
import { createUsageRing, UsageRingReader, UsageRingWriter } from '../../src/usage/ring.js';
import { decodeRecords } from '../../src/usage/segment-format.js';
import { arbitraryOver, expectRecord } from '../helpers/usage-exchanges.js';

test('any exchanges come out of their records as they went in, one after the other', () => {
  const encoder = new UsageEncoder((text) => text);
  const bytes = Buffer.from(new SharedArrayBuffer(1 << 20));
  fc.assert(
    fc.property(fc.array(arbitraryOver, { minLength: 1, maxLength: 8 }), (overs) => {
      let end = 0;
      for (const { exchange, endedMs } of overs) {
        end = encoder.encode(exchange, endedMs, bytes, end);
      }
      const records = decodeRecords(Buffer.from(bytes.subarray(0, end)));
      const found = records.map((values) => nameValues(USAGE_FIELDS, values));
      assert.deepEqual(
        found.map(({ started_ms: _moment, ...rest }) => rest),
        overs.map(expectRecord),
      );
    }),
    { numRuns: 500 },
  );
});

test('a ring gives out what was put in, in order, and counts what found no room', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('write' as const), length: fc.integer({ min: 1, max: 200 }) }),
    fc.record({ kind: fc.constant('take' as const), bytes: fc.integer({ min: 200, max: 3000 }) }),
  );
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 300 }),
      fc.integer({ min: 500, max: 2000 }),
      fc.integer({ min: 1, max: 2000 }),
      (steps, ringBytes, usedBytesMin) => {
        const memory = createUsageRing(ringBytes);
        const writer = new UsageRingWriter(memory, 200);
        const reader = new UsageRingReader(memory, Math.max(usedBytesMin, 203));
        const written: string[] = [];
        let taken = '';
        let lost = 0;
        let records = 0;
        const into = Buffer.alloc(4000);
        const take = (bytes: number): number => {
          const result = reader.take(into, 3, 3 + bytes);
          taken += into.toString('latin1', 3, result.end);
          records += result.records;
          return result.records;
        };
        steps.forEach((entry, number) => {
          if (entry.kind === 'take') {
            take(entry.bytes);
            return;
          }
          const at = writer.reserve();
          if (at < 0) {
            lost += 1;
            return;
          }
          const text = `${number};`.padEnd(entry.length, '.');
          writer.bytes.write(text, at, 'latin1');
          writer.commit(at + text.length);
          written.push(text);
        });
        while (take(1000) > 0);
        assert.equal(taken, written.join(''));
        assert.equal(records, written.length);
        assert.equal(reader.lostCount, lost);
        assert.equal(reader.waitingBytes, 0);
        assert.ok(writer.reserve() >= 0, 'an empty ring has no room');
      },
    ),
    { numRuns: 2000 },
  );
});

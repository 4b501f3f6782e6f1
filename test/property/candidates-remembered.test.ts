/** Among whom a choice is made, where all targets were well a moment ago and nobody looks at each of them again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Candidates } from '../../src/route/balance/candidates.js';
import { PriorityGroups } from '../../src/route/balance/groups.js';
import { ModelTable } from '../../src/route/models.js';
import { createHealthConfig, EPOCH_MS, failTimes, openHealth } from '../helpers/health-tables.js';

const MODELS = { m: ['a', 'b', 'c', 'd'] };
/** Who does it, to which target. */
const who = { by: fc.nat({ max: 2 }), index: fc.nat({ max: 3 }) };
const step = fc.oneof(
  fc.record({ kind: fc.constant('fail' as const), ...who }),
  fc.record({ kind: fc.constant('throttle' as const), ...who }),
  fc.record({ kind: fc.constant('attempt' as const), ...who }),
  fc.record({ kind: fc.constant('succeed' as const), ...who }),
  fc.record({ kind: fc.constant('drain' as const), ...who }),
  fc.record({ kind: fc.constant('restore' as const), ...who }),
  fc.record({ kind: fc.constant('wait' as const), ms: fc.nat({ max: 20_000 }) }),
);

test('ejected-by-another-worker-and-still-chosen: never, a choice is made among those that a fresh look finds', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { tables } = openHealth({ models: MODELS });
      const table = new ModelTable(createHealthConfig({ models: MODELS }));
      const entry = table.find('m', 'openai');
      // Of a throttled target both take a part or neither does, whatever is drawn.
      const random = (): number => 0.5;
      const used = tables.slice(0, 2).map((health) => new PriorityGroups(entry, health, random));
      let nowMs = EPOCH_MS;
      for (const one of steps) {
        if (one.kind === 'wait') nowMs += one.ms;
        else {
          const by = tables[one.by]!;
          if (one.kind === 'fail') failTimes(by, one.index, 3, nowMs);
          else if (one.kind === 'throttle') by.noteThrottled(one.index, nowMs, nowMs + 1000);
          else if (one.kind === 'attempt') by.noteAttempt(one.index, nowMs);
          else if (one.kind === 'succeed') by.noteSuccess(one.index, nowMs);
          else by.setDrained(one.index, one.kind === 'drain');
        }
        for (const [at, groups] of used.entries()) {
          const [seen, fresh] = [new Candidates(4), new Candidates(4)];
          const isFound = groups.gather(seen, [], nowMs);
          const looked = new PriorityGroups(entry, tables[at]!, random);
          assert.equal(isFound, looked.gather(fresh, [], nowMs));
          assert.deepEqual(list(seen), list(fresh));
        }
      }
    }),
    { numRuns: 500 },
  );
});

function list({ positions, weights, count }: Candidates): [number, number][] {
  return Array.from({ length: count }, (_, at) => [positions[at]!, weights[at]!]);
}

/**
 * P-18: each row of the table of failure classes (docs/failure-classes.md) holds on real sockets. What is expected is read
 * from the table; what brings a row about stands in helpers/failure-behaviours.ts.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { FAILURE_CLASSES, type FailureRow } from '../../src/upstream/failure-classes.js';
import { describeEngines } from '../helpers/engine-matrix.js';
import { BEHAVIOURS } from '../helpers/failure-behaviours.js';
import { CASES, FailureScene } from '../helpers/failure-scene.js';
import { untilSettled } from '../helpers/limited.js';
import { readTarget, tell } from '../helpers/several-targets.js';

it('P-18 a-row-without-a-behaviour', () => {
  assert.deepEqual(Object.keys(BEHAVIOURS).sort(), Object.keys(FAILURE_CLASSES).sort());
});

describeEngines('the classes of failures', 60_000, (engine) => {
  let scene: FailureScene;

  before(async () => {
    scene = await FailureScene.start(engine);
  });

  after(() => scene?.stop());

  describe('rows', { concurrency: 8 }, () => {
    for (const one of CASES) {
      const { id, className, what } = one;
      const row: FailureRow = FAILURE_CLASSES[className];
      const failed = `${id}:${className}`;

      it(`P-18 ${className}: ${what}`, async () => {
        const from = scene.countRequests(one) ?? 0;
        // A request that waits in no queue, and finds no connection, never comes there.
        const counted = (times: number): number | null =>
          scene.countRequests(one) === null ? null : from + (one.at === 'full queue' ? 0 : times);

        // Another target, and what is told of this one.
        const { answer, attempts } = await scene.ask(id);
        if (row.again === 'never') {
          assert.ok(answer.status >= 400, `${answer.status}`);
          assert.deepEqual(tell(attempts), [failed]);
        } else {
          assert.deepEqual(answer.json(), { served: `good-${id}` });
          assert.deepEqual(tell(attempts), [failed, 'good:ok']);
        }
        assert.equal(scene.countRequests(one), counted(1));
        const record = await readTarget(scene.gateway, id, id);
        assert.equal(record.consecutive_failures, row.harms === 'health' ? 1 : 0);
        assert.equal(record.throttle_factor < 1, row.harms === 'throttle');

        // The same target.
        const alone = await scene.ask(`${id}-alone`);
        assert.deepEqual(tell(alone.attempts), row.again === 'same' ? [failed, failed] : [failed]);
        assert.ok(alone.answer.status >= 400 || alone.answer.text.includes('"error"'));
        const times = row.again === 'same' ? 3 : 2;
        assert.equal(scene.countRequests(one), counted(times));

        // Other models.
        const chained = await scene.ask(`${id}-chained`);
        const isChained = row.fallback !== 'none';
        assert.deepEqual(tell(chained.attempts), isChained ? [failed, 'good:ok'] : [failed]);
        if (isChained) assert.deepEqual(chained.answer.json(), { served: row.fallback });
        assert.equal(scene.countRequests(one), counted(times + 1));

        // What the consumer pays where nobody was asked after it, or could answer.
        if (row.again !== 'never' || className === 'whole_timeout') {
          const unpaid = await scene.ask(`${id}-unpaid`, id);
          const isLast = row.again === 'never';
          assert.deepEqual(tell(unpaid.attempts), isLast ? [failed] : [failed, 'closed:refused']);
          const [requests, tokens] = await untilSettled(scene.gateway, id);
          assert.equal(requests?.settled, row.isBilled ? 1 : 0);
          assert.equal((tokens?.settled ?? 0) > 0, row.isBilled, `${tokens?.settled} tokens`);
        }
      });
    }
  });

  it('P-18 an-attempt-that-failed-is-not-counted-by-its-class', async () => {
    const samples = (await scene.gateway.metrics()).filter(
      ({ name, labels, value }) =>
        name === 'weir_attempts_total' && value > 0 && labels['model'] === labels['provider'],
    );
    const counted = samples.map(({ labels, value }) => [labels['model'], labels['class'], value]);
    assert.deepEqual(counted.sort(), CASES.map(({ id, className }) => [id, className, 1]).sort());
  });
});

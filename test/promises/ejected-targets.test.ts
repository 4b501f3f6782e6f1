/** An ejected target may be well again before anybody knows: it is the last one to be asked, and the first to be asked then. */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { describeEngines, readMetric } from '../helpers/engine-matrix.js';
import { renderJson } from '../helpers/http-text.js';
import { type Script, send } from '../helpers/mock-upstream.js';
import { SeveralTargets, tell } from '../helpers/several-targets.js';

const DOWN: Script = [send(renderJson({ error: { message: 'not now' } }, { status: 503 }))];
const FAILURES = 2;
const TWO = {
  targets: [{ provider: 'a' }, { provider: 'b' }],
  balance: 'round-robin',
  retry: { attempts: 3, backoff: '1ms' },
};

describeEngines('ejected targets', 60_000, (engine) => {
  let scene: SeveralTargets;

  before(async () => {
    scene = await SeveralTargets.start(
      engine,
      { two: TWO, hopeless: TWO },
      { retry: { budget: 100 } },
      { breaker: { failures: FAILURES, eject: '10m', eject_max: '10m' } },
    );
  });

  after(() => scene.stop());

  async function eject(model: string): Promise<void> {
    scene.play({ a: DOWN });
    for (let asked = 0; asked < 2 * FAILURES; asked += 1) await scene.ask(model);
    assert.equal(await readMetric(scene.gateway, 'weir_target_state', { provider: 'a', model }), 2);
  }

  it('P-19 a-target-that-came-back-while-ejected-is-not-asked-though-all-others-fail', async () => {
    await eject('two');
    scene.play({ b: DOWN });
    const { answer, attempts } = await scene.ask('two');
    assert.deepEqual([answer.status, answer.json()], [200, { good: true }]);
    assert.deepEqual(tell(attempts), ['b:overloaded', 'b:overloaded', 'a:ok']);
    assert.equal(
      await readMetric(scene.gateway, 'weir_target_state', { provider: 'a', model: 'two' }),
      0,
    );
  });

  it('P-19 a-last-resort-that-fails-is-ejected-for-longer', async () => {
    await eject('hopeless');
    scene.play({ a: DOWN, b: DOWN });
    const { answer, attempts } = await scene.ask('hopeless');
    assert.equal(answer.status, 503);
    assert.deepEqual(tell(attempts), ['b:overloaded', 'b:overloaded', 'a:overloaded']);
    const labels = { provider: 'a', model: 'hopeless' };
    assert.equal(await readMetric(scene.gateway, 'weir_target_ejections_total', labels), 1);
  });
});

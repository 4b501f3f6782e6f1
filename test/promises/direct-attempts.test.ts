/**
 * An exchange that can make one call alone goes past all that could make another; its target's record, its load and the
 * counters know of it all the same.
 */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { describeEngines, readMetric, waitForMetric } from '../helpers/engine-matrix.js';
import { renderJson, renderRequest } from '../helpers/http-text.js';
import { rst, type Script, send, stall } from '../helpers/mock-upstream.js';
import { RawClient } from '../helpers/raw-client.js';
import { readTarget, SeveralTargets } from '../helpers/several-targets.js';

const ONE = { provider: 'a', retry: { attempts: 1 } };

function refuse(status: number, ...headers: [string, string][]): Script {
  return [send(renderJson({ error: { message: 'not now' } }, { status, headers }))];
}

describeEngines('a model of one target and one attempt', 60_000, (engine) => {
  let scene: SeveralTargets;

  before(async () => {
    scene = await SeveralTargets.start(engine, {
      failing: ONE,
      throttled: ONE,
      left: ONE,
      late: { ...ONE, timeouts: { whole: '100ms' } },
      gone: { ...ONE, provider: 'closed' },
    });
  });

  after(() => scene.stop());

  function counted(model: string, outcome: string): Promise<number> {
    return readMetric(scene.gateway, 'weir_attempts_total', { model, class: outcome });
  }

  it('P-18 what-one-target-does-is-not-kept-account-of', async () => {
    scene.play({ a: refuse(503) });
    await scene.ask('failing');
    scene.play({ a: [rst()] });
    const { answer } = await scene.ask('failing');
    assert.equal(answer.status, 502);
    assert.equal(answer.header('x-weir-attempts'), undefined);
    assert.equal((await readTarget(scene.gateway, 'failing', 'a')).consecutive_failures, 2);
    scene.play({});
    await scene.ask('failing');
    const { consecutive_failures, state } = await readTarget(scene.gateway, 'failing', 'a');
    assert.deepEqual([consecutive_failures, state], [0, 'closed']);
    for (const outcome of ['overloaded', 'reset_before_head', 'ok']) {
      assert.equal(await counted('failing', outcome), 1, outcome);
    }
    assert.equal((await scene.ask('gone')).answer.status, 502);
    assert.equal(await counted('gone', 'refused'), 1);
  });

  it('P-18 a-limit-of-one-target-is-not-heard', async () => {
    scene.play({ a: refuse(429, ['retry-after', '20']) });
    await scene.ask('throttled');
    const { throttled_ms, throttle_factor } = await readTarget(scene.gateway, 'throttled', 'a');
    assert.ok(throttled_ms > 10_000 && throttled_ms <= 20_000, `${throttled_ms} ms`);
    assert.equal(throttle_factor, 0.01);
    assert.equal(await counted('throttled', 'throttled'), 1);
  });

  it('P-18 a-caller-who-leaves-or-has-no-time-counts-against-one-target', async () => {
    scene.play({ a: [stall()] });
    const { answer } = await scene.ask('late');
    assert.equal(answer.status, 504);
    assert.equal(await counted('late', 'whole_timeout'), 1);
    const client = await RawClient.connect({ port: scene.gateway.port });
    const from = scene.counts().a;
    client.send(renderRequest({ target: '/v1/chat/completions', body: '{"model":"left"}' }));
    await scene.upstreams.a.waitForRequest(from);
    client.reset();
    await scene.waitForAttempt('left', 'a', 'aborted');
    for (const model of ['late', 'left']) {
      assert.equal((await readTarget(scene.gateway, model, 'a')).consecutive_failures, 0);
    }
    await waitForMetric(scene.gateway, 'weir_exchanges_in_flight', 0);
  });
});

/** Targets on the admin port, over real sockets. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAdminServer } from '../../../src/primary/admin.js';
import { TargetKeeper } from '../../../src/primary/target-keeper.js';
import type { TargetView } from '../../../src/primary/target-view.js';
import { createTargetsApi } from '../../../src/primary/targets-api.js';
import { createHealthConfig, EPOCH_MS, failTimes } from '../../helpers/health-tables.js';
import { keepLog } from '../../helpers/kept-log.js';

class Scene {
  nowMs = EPOCH_MS;
  readonly log = keepLog();
  readonly keeper: TargetKeeper;
  base = '';

  constructor() {
    const models = {
      big: ['azure', 'openai'],
      small: ['azure'],
      'odd "name"': ['openai', 'azure'],
    };
    const config = createHealthConfig({ models });
    this.keeper = new TargetKeeper(config, this.log.logger, () => this.nowMs);
  }

  async get(query = ''): Promise<{ status: number; body: Answer }> {
    return this.#read(await fetch(`${this.base}/api/targets${query}`));
  }

  async post(what: 'drain' | 'restore', body: string, type = 'application/json') {
    const url = `${this.base}/api/targets/${what}`;
    const headers = { 'content-type': type };
    return this.#read(await fetch(url, { method: 'POST', headers, body }));
  }

  async #read(response: Response) {
    return { status: response.status, body: (await response.json()) as Answer };
  }
}

interface Answer {
  readonly targets?: readonly TargetView[];
  readonly total?: number;
  readonly next?: number | null;
  readonly [name: string]: unknown;
}

async function withScene(run: (scene: Scene) => Promise<void>): Promise<void> {
  const scene = new Scene();
  const server = createAdminServer({
    address: { host: '127.0.0.1', port: 0 },
    isReady: () => ({ ready: true, reason: '' }),
    renderMetrics: async () => '',
    api: createTargetsApi(scene.keeper),
  });
  const { port } = await server.listen();
  scene.base = `http://127.0.0.1:${port}`;
  try {
    await run(scene);
  } finally {
    await server.close();
  }
}

test('a healthy target in figures and words', () =>
  withScene(async (scene) => {
    const { status, body } = await scene.get();
    assert.equal(status, 200);
    assert.equal(body.total, 5);
    assert.equal(body.next, null);
    assert.deepEqual(body.targets?.[0], {
      model: 'big',
      provider: 'azure',
      provider_model: null,
      state: 'closed',
      drained: false,
      ejected_ms: 0,
      ejections: 0,
      ejections_total: 0,
      consecutive_failures: 0,
      throttle_factor: 1,
      throttled_ms: 0,
      words: 'takes requests',
    });
  }));

test('each state has its words', () =>
  withScene(async (scene) => {
    const { table } = scene.keeper;
    const words = async () => (await scene.get()).body.targets?.[0]?.words;
    failTimes(table, 0, 2, scene.nowMs);
    assert.equal((await scene.get()).body.targets?.[0]?.consecutive_failures, 2);
    failTimes(table, 0, 1, scene.nowMs);
    assert.match(
      (await words()) ?? '',
      /^ejected for another (1|0\.9|0\.[5-9]\d?) s: failures in a row$/,
    );
    scene.nowMs += 1000;
    assert.equal(await words(), 'was ejected; the next request is its trial');
    table.noteAttempt(0, scene.nowMs);
    assert.equal(await words(), 'was ejected; a request is trying it');
    table.noteThrottled(0, scene.nowMs, scene.nowMs + 4000);
    assert.equal(
      await words(),
      'takes requests; its provider throttles for another 4 s: 1 % of its usual share',
    );
    scene.nowMs += 6000;
    assert.equal(
      await words(),
      'takes requests; its provider throttled: 51 % of its usual share, and rising',
    );
  }));

test('one target, a provider’s, a model’s', () =>
  withScene(async (scene) => {
    const names = async (query: string) =>
      (await scene.get(query)).body.targets?.map(({ model, provider }) => `${model}/${provider}`);
    assert.deepEqual(await names('?model=big'), ['big/azure', 'big/openai']);
    assert.deepEqual(await names('?provider=openai'), ['big/openai', 'odd "name"/openai']);
    assert.deepEqual(await names('?model=odd%20%22name%22&provider=azure'), ['odd "name"/azure']);
    assert.deepEqual(await names('?skip=4'), ['odd "name"/azure']);
    assert.deepEqual(await names('?skip=99'), []);
  }));

test('drain takes targets out of service in all workers, restore puts them back, both are logged', () =>
  withScene(async (scene) => {
    const { table } = scene.keeper;
    const drained = await scene.post('drain', '{"provider":"azure"}');
    assert.equal(drained.status, 200);
    assert.deepEqual(drained.body, { drained: 3, unchanged: 0, unserved_models: ['small'] });
    assert.deepEqual(
      [0, 1, 2, 3, 4].map((index) => table.isUsable(index, scene.nowMs)),
      [false, true, false, true, false],
    );
    assert.equal(scene.log.lines.length, 3);
    assert.deepEqual(scene.log.lines[0], {
      level: 'info',
      model: 'big',
      provider: 'azure',
      provider_model: null,
      from: 'closed',
      to: 'drained',
      why: 'an operator drained it',
      msg: 'target changed',
    });
    const shown = (await scene.get('?model=small')).body.targets?.[0];
    assert.equal(shown?.drained, true);
    assert.equal(shown?.words, 'drained by an operator: takes no requests until it is restored');
    const restored = await scene.post('restore', '{"model":"big","provider":"azure"}');
    assert.deepEqual(restored.body, { restored: 1, unchanged: 0, unserved_models: ['small'] });
    assert.equal(table.isUsable(0, scene.nowMs), true);
    const again = await scene.post('restore', '{"provider":"azure"}');
    assert.deepEqual(again.body, { restored: 2, unchanged: 1, unserved_models: [] });
  }));

const BAD: readonly (readonly [body: string, status: number, field: string | undefined])[] = [
  ['', 400, 'body'],
  ['null', 400, 'body'],
  ['[]', 400, 'body'],
  ['"azure"', 400, 'body'],
  ['{', 400, undefined],
  ['{}', 400, 'provider'],
  ['{"model":"big"}', 400, 'provider'],
  ['{"provider":7}', 400, 'provider'],
  ['{"provider":null}', 400, 'provider'],
  ['{"provider":"azure","model":null}', 400, 'model'],
  ['{"provider":"azure","model":["big"]}', 400, 'model'],
  ['{"provider":"azure","modle":"big"}', 400, 'body'],
  ['{"provider":"azure","__proto__":{}}', 400, 'body'],
  ['{"provider":"azur"}', 404, 'provider'],
  ['{"provider":"constructor"}', 404, 'provider'],
  ['{"provider":"azure","model":"bigg"}', 404, 'model'],
  ['{"provider":"azure","model":"toString"}', 404, 'model'],
  ['{"provider":"openai","model":"small"}', 404, 'model'],
];

test('bad input changes nothing and says what was expected', () =>
  withScene(async (scene) => {
    for (const what of ['drain', 'restore'] as const) {
      for (const [body, status, field] of BAD) {
        const answer = await scene.post(what, body);
        assert.deepEqual([answer.status, answer.body['field']], [status, field], `${what} ${body}`);
      }
      assert.equal((await scene.post(what, '{"provider":"azure"}', 'text/plain')).status, 415);
      assert.equal((await fetch(`${scene.base}/api/targets/${what}`)).status, 405);
    }
    assert.deepEqual((await scene.post('drain', '{"provider":"azur"}')).body['nearest'], ['azure']);
    assert.equal((await scene.get('?skip=-1')).status, 400);
    assert.equal((await scene.get('?skip=x')).status, 400);
    assert.equal((await scene.get('?model=bigg')).status, 404);
    assert.equal((await scene.get('?provider=none')).status, 404);
    assert.equal((await scene.get('?provider=openai&model=small')).status, 404);
    assert.ok((await scene.get()).body.targets?.every(({ drained }) => !drained));
    assert.deepEqual(scene.log.lines, []);
  }));

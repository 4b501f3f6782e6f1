import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../../../src/config/load.js';
import type { WeirConfig } from '../../../src/config/model.js';
import { BOUNDS } from '../../../src/core/bounds.js';
import { OperatorError } from '../../../src/core/errors.js';
import { Generations } from '../../../src/primary/generations.js';
import { Reloader, type ReloadResult } from '../../../src/primary/reload.js';
import type { GenerationStart } from '../../../src/worker/messages.js';

const WORKERS = [0, 1];

function parse(weight: number): WeirConfig {
  const target = `{ provider: p, weight: ${weight} }`;
  return parseConfig(
    `workers: 2
providers: { p: { dialect: openai, base_url: 'https://p.example/v1' } }
models: { m: { targets: [${target}] } }`,
    'w.yaml',
    {},
  );
}

function startOf(number: number, config: WeirConfig): GenerationStart {
  const memory = new SharedArrayBuffer(0);
  const none = new Int32Array(0);
  return {
    number,
    config,
    prices: {},
    tls: [null],
    counters: memory,
    places: { targets: none, providers: none, targetsMax: 0, providersMax: 0 },
    limits: memory,
    limitPlaces: { capacity: 0, rowCount: 0, firstRow: none, scattered: none, fingerprint: 0 },
    callerLimits: null,
    health: memory,
    targetLoad: memory,
  };
}

/** A server whose workers say what a test lets them say. */
function createScene() {
  const retired: number[] = [];
  const generations = new Generations(startOf(1, parse(1)), WORKERS, (oldest) => {
    retired.push(oldest);
  });
  const events: string[] = [];
  const scene = {
    config: parse(1) as WeirConfig | OperatorError,
    refusal: null as string | null,
    living: WORKERS as readonly number[],
    reads: 0,
  };
  const reloader = new Reloader({
    generations,
    load: () => {
      scene.reads += 1;
      if (scene.config instanceof OperatorError) throw scene.config;
      return scene.config;
    },
    refuse: () => scene.refusal,
    plan: async (config, number) => ({
      start: startOf(number, config),
      discard: () => events.push(`plan ${number} discarded`),
      adopt: (changed) => events.push(`plan ${number} adopted ${[...changed].join()}`),
    }),
    livingWorkers: () => scene.living,
    prepare: ({ number }) => events.push(`prepare ${number}`),
    discard: (number) => events.push(`discard ${number}`),
    turn: () => events.push(`turn to ${new Int32Array(generations.inForce)[0]}`),
    onOutcome: (_cause, { outcome }) => events.push(outcome),
  });
  const say = (kind: 'prepared' | 'retired', number: number, workers = WORKERS): void => {
    for (const worker of workers) reloader.onReport(worker, { kind, number });
  };
  return { scene, generations, reloader, events, retired, say };
}

/** Until what was started has come to its next wait. */
async function rest(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

test('all workers turn when the last has built it, and not before', async () => {
  const { scene, generations, reloader, events, retired, say } = createScene();
  scene.config = parse(2);
  const reload = reloader.request('test');
  await rest();
  assert.deepEqual(events, ['prepare 2']);
  say('prepared', 2, [0]);
  await rest();
  assert.equal(generations.current.number, 1);
  say('prepared', 2, [1]);
  const result = await reload;
  assert.deepEqual(result, {
    outcome: 'ok',
    generation: 2,
    changes: ['models.m.targets[0].weight: 1 → 2'],
  });
  assert.deepEqual(events.slice(1), ['plan 2 adopted ', 'turn to 2', 'ok']);
  assert.equal(generations.livingCount, 2);
  say('retired', 1, [0]);
  assert.deepEqual(retired, []);
  reloader.onWorkerEnded(1);
  assert.deepEqual(retired, [2], 'a worker that ended keeps nothing alive');
  assert.equal(generations.livingCount, 1);
});

test('one worker that can’t build it, or ends meanwhile, is enough to change nothing', async () => {
  const { scene, generations, reloader, events, say } = createScene();
  scene.config = parse(2);
  const failing = reloader.request('test');
  await rest();
  say('prepared', 2, [0]);
  reloader.onReport(1, { kind: 'unprepared', number: 2, reason: 'no memory' });
  const failed = await failing;
  assert.deepEqual(failed, {
    outcome: 'failed',
    generation: 1,
    problems: ['worker 1: no memory'],
  });
  assert.deepEqual(events, ['prepare 2', 'plan 2 discarded', 'discard 2', 'failed']);
  const ending = reloader.request('test');
  await rest();
  // Late words about the one before must not count.
  say('prepared', 2);
  reloader.onWorkerEnded(0);
  assert.equal((await ending).outcome, 'failed');
  assert.equal(generations.current.number, 1);
  scene.living = [0];
  assert.match(problemsOf(await reloader.request('test')), /being replaced/);
});

test('a drain that begins meanwhile wins', async () => {
  const { scene, generations, reloader, say } = createScene();
  scene.config = parse(2);
  const reload = reloader.request('test');
  await rest();
  scene.refusal = 'the server is draining';
  say('prepared', 2);
  const result = await reload;
  assert.deepEqual([result.outcome, problemsOf(result)], ['busy', 'the server is draining']);
  assert.equal(generations.current.number, 1);
});

test('who asks during a reload gets the next one, and all of them the same', async () => {
  const { scene, reloader, say } = createScene();
  scene.config = parse(2);
  const first = reloader.request('test');
  await rest();
  scene.config = parse(3);
  const others = [1, 2, 3].map(() => reloader.request('test'));
  say('prepared', 2);
  assert.equal((await first).generation, 2);
  await rest();
  say('prepared', 3);
  const results = await Promise.all(others);
  assert.deepEqual(
    results.map(({ generation }) => generation),
    [3, 3, 3],
  );
  assert.equal(scene.reads, 2);
});

test('a file that says the same is well, and makes nothing new', async () => {
  const { reloader, events, generations } = createScene();
  const result = await reloader.request('test');
  assert.deepEqual(result, { outcome: 'ok', generation: 1, changes: [] });
  assert.deepEqual(events, ['ok']);
  assert.equal(generations.livingCount, 1);
});

test('a bad file is refused with all its lines', async () => {
  const { scene, reloader } = createScene();
  scene.config = new OperatorError('w.yaml:1:1: this\nw.yaml:2:1: that');
  const result = await reloader.request('test');
  assert.equal(result.outcome, 'refused');
  assert.equal(problemsOf(result), 'w.yaml:1:1: this\nw.yaml:2:1: that');
  assert.deepEqual(reloader.readSample().counts, { ok: 0, refused: 1, busy: 0, failed: 0 });
});

test('no more configurations live at a time than may', async () => {
  const { scene, reloader, generations, say } = createScene();
  for (let number = 2; number <= BOUNDS.generationsMax; number += 1) {
    scene.config = parse(number);
    const reload = reloader.request('test');
    await rest();
    say('prepared', number);
    assert.equal((await reload).outcome, 'ok');
  }
  assert.equal(generations.livingCount, BOUNDS.generationsMax);
  scene.config = parse(100);
  const refused = await reloader.request('test');
  assert.equal(refused.outcome, 'busy');
  say('retired', 3);
  const number = refused.generation + 1;
  const reload = reloader.request('test');
  await rest();
  say('prepared', number);
  assert.equal((await reload).outcome, 'ok');
});

function problemsOf(result: ReloadResult): string {
  return result.outcome === 'ok' ? '' : result.problems.join('\n');
}

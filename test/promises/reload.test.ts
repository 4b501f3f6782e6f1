/** The configuration is changed while Weir runs: at once, whole or not at all (P-29). */
import assert from 'node:assert/strict';
import { renameSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { type ConfigText, type Gateway, renderConfig, startGateway } from '../helpers/gateway.js';
import { renderJson } from '../helpers/http-text.js';
import { askChat, chatBody, readLimit, readLimits, untilSettled } from '../helpers/limited.js';
import { openStream, startLoadUpstream } from '../helpers/load.js';
import { MockUpstream, send } from '../helpers/mock-upstream.js';
import { postReload, turnTo, waitForReload, writeConfig } from '../helpers/reload.js';

const LIMITS = [
  { requests: 5, per: '1h' },
  { tokens: 1000, per: '1h' },
];

describe('P-29 reload', { timeout: 60_000, concurrency: 3 }, () => {
  let upstream: MockUpstream;
  let other: MockUpstream;
  let streams: MockUpstream;
  const gateways: Gateway[] = [];

  before(async () => {
    const script = (name: string) => () => [
      send(renderJson(chatBody(9, 1), { headers: [['x-served-by', name]] })),
    ];
    upstream = await MockUpstream.start({ script: script('first') });
    other = await MockUpstream.start({ script: script('second') });
  });

  after(async () => {
    await Promise.all(gateways.map((gateway) => gateway.kill()));
    await upstream?.stop();
    await other?.stop();
    await streams?.stop();
  });

  function configFor(consumers: ConfigText, more: ConfigText = {}): ConfigText {
    return {
      providers: {
        mock: { dialect: 'openai', base_url: upstream.baseUrl, api_key: 'sk-upstream-secret' },
      },
      models: { 'gpt-4o': { provider: 'mock' } },
      consumers,
      ...more,
    };
  }

  /** So that its estimate leaves room for others. */
  const askBriefly = (gateway: Gateway) => askChat(gateway, 'a', { max_tokens: 5 });

  async function start(config: ConfigText, workers = 2): Promise<Gateway> {
    const gateway = await startGateway({ config, workers });
    gateways.push(gateway);
    return gateway;
  }

  it('P-29 a-bad-file-changes-something, or does not say why', async () => {
    const config = configFor({ a: { keys: ['wk-a'] } });
    const gateway = await start(config);
    const cases: readonly [config: ConfigText | string, expected: RegExp][] = [
      ['providers: [', /YAML/],
      [configFor({ b: { keys: ['wk-b'], tier: 'gone' } }), /gone/],
      [{ ...configFor({ b: { keys: ['wk-b'] } }), workers: 3 }, /^workers: 2 → 3: a reload can/],
      [{ ...configFor({ b: { keys: ['wk-b'] } }), admin: '127.0.0.1:1' }, /^admin: .*SIGUSR2/],
    ];
    for (const [bad, expected] of cases) {
      writeConfig(gateway, bad);
      const { status, problems, generation } = await postReload(gateway);
      assert.deepEqual([status, generation], [422, 1], JSON.stringify(problems));
      assert.match(problems.join('\n'), expected);
      assert.equal((await askChat(gateway, 'a')).status, 200);
      assert.equal((await askChat(gateway, 'b')).status, 401);
    }
    const said = gateway.logs.filter((line) => String(line['msg']).startsWith('not reloaded'));
    assert.equal(said.length, cases.length);
    const metrics = await gateway.metrics();
    const refused = metrics.find(
      ({ name, labels }) => name === 'weir_config_reloads_total' && labels['result'] === 'refused',
    );
    assert.equal(refused?.value, cases.length);
    await gateway.stop();
  });

  it('P-29 a-new-key-is-known-to-some-workers-only, or its secret is told', async () => {
    const gateway = await start(configFor({ a: { keys: ['wk-a'] } }), 4);
    const answer = await turnTo(gateway, configFor({ b: { keys: ['wk-b'] } }), 4);
    assert.equal(answer.generation, 2);
    assert.deepEqual(answer.changes, ['consumers.a: removed', 'consumers.b: added']);
    for (let count = 0; count < 40; count += 1) {
      const [known, gone] = await Promise.all([askChat(gateway, 'b'), askChat(gateway, 'a')]);
      assert.deepEqual([known.status, gone.status], [200, 401]);
    }
    const config = configFor({ b: { keys: ['wk-b', 'wk-secret-of-b'] } });
    const { text } = await turnTo(gateway, config, 4);
    assert.match(text, /consumers\.b\.keys: changed \(not shown\)/);
    assert.doesNotMatch(text, /wk-|sha256:/);
    await gateway.stop();
  });

  it('P-29 buckets-of-unchanged-limits-lose-their-level, those of changed ones what was spent', async () => {
    const gateway = await start(configFor({ a: { keys: ['wk-a'], limits: LIMITS } }));
    for (let count = 0; count < 3; count += 1) {
      assert.equal((await askBriefly(gateway)).status, 200);
    }
    await untilSettled(gateway, 'a');
    await turnTo(
      gateway,
      configFor({
        z: { keys: ['wk-z'], limits: LIMITS },
        a: { keys: ['wk-a'], limits: [{ tokens: 500, per: '1h' }, LIMITS[0], { concurrency: 2 }] },
      }),
    );
    const rows = await readLimits(gateway, 'a');
    assert.deepEqual(
      rows.map(({ limit }) => limit.split('/')[0]),
      ['tokens', 'requests', 'concurrency'],
    );
    assert.equal(rows[1]?.level, 2, 'unchanged, though at another place');
    assert.equal(rows[1]?.settled, 3);
    assert.ok(Math.abs((rows[0]?.level ?? 0) - 475) <= 5, `of 500 30 are spent: ${rows[0]?.level}`);
    assert.equal((await readLimit(gateway, 'z', 'requests')).level, 5);
    const statuses: number[] = [];
    for (let count = 0; count < 3; count += 1) {
      statuses.push((await askBriefly(gateway)).status);
    }
    assert.deepEqual(statuses, [200, 200, 429]);
    await gateway.stop();
  });

  it('P-29 a-running-stream-turns-to-the-new-configuration, or is cut', async () => {
    const shape = { events: 40, paceMs: 20 };
    streams = await startLoadUpstream(shape);
    const provider = { dialect: 'openai', base_url: streams.baseUrl };
    const config = (url: string, idle: string): ConfigText => ({
      providers: { mock: { ...provider, base_url: url, timeouts: { idle } } },
      models: { '*': { provider: 'mock' } },
    });
    const gateway = await start(config(streams.baseUrl, '60s'));
    const stream = await openStream(gateway.port, 's0');
    await turnTo(gateway, config(other.baseUrl, '1ms'));
    const living = async () => {
      const metrics = await gateway.metrics();
      return metrics.find(({ name }) => name === 'weir_config_generations_living')?.value;
    };
    assert.equal(await living(), 2);
    const fresh = await fetch(`${gateway.baseUrl}/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ model: 'm' }),
    });
    assert.equal(fresh.headers.get('x-served-by'), 'second');
    const response = await stream.readResponse();
    assert.equal(response.complete, true);
    assert.match(response.text, new RegExp(`"at":${shape.events - 1}`));
    const endMs = performance.now() + 5000;
    while ((await living()) !== 1) {
      assert.ok(performance.now() < endMs, 'the old configuration lives on');
    }
    assert.equal(streams.openConnections.length, 0, 'its connections are closed');
    await gateway.stop();
  });

  it('P-29 SIGHUP is not heard, or many of them are as many reloads', async () => {
    const gateway = await start(configFor({ a: { keys: ['wk-a'] } }));
    writeConfig(gateway, configFor({ b: { keys: ['wk-b'] } }));
    for (let count = 0; count < 20; count += 1) gateway.child.kill('SIGHUP');
    await waitForReload(gateway, 2);
    assert.equal((await askChat(gateway, 'b')).status, 200);
    const metrics = await gateway.metrics();
    const ok = metrics.find(
      ({ name, labels }) => name === 'weir_config_reloads_total' && labels['result'] === 'ok',
    );
    assert.ok(Number(ok?.value) >= 1 && Number(ok?.value) <= 20);
    const generation = metrics.find(({ name }) => name === 'weir_config_generation');
    assert.equal(generation?.value, 2);
    await gateway.stop();
  });

  it('P-29 a watched file is changed, in place or replaced, and nobody notices', async () => {
    const gateway = await start(configFor({ a: { keys: ['wk-a'] } }, { watch: true }));
    writeConfig(gateway, configFor({ b: { keys: ['wk-b'] } }, { watch: true }));
    await waitForReload(gateway, 2);
    assert.equal((await askChat(gateway, 'b')).status, 200);
    const config = configFor({ c: { keys: ['wk-c'] } }, { watch: true });
    writeFileSync(`${gateway.file}.new`, renderConfig({ config, workers: 2 }));
    renameSync(`${gateway.file}.new`, gateway.file);
    await waitForReload(gateway, 3);
    assert.equal((await askChat(gateway, 'c')).status, 200);
    await gateway.stop();
  });
});

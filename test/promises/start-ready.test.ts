/** Ready means that every worker listens; one that can't start ends the start, and it is said why. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type CommandResult, runWeir, ScratchFolder } from '../helpers/command.js';
import { proxyConfig, spawnGateway, startGateway } from '../helpers/gateway.js';
import { renderRequest } from '../helpers/http-text.js';
import { injectAtStart } from '../helpers/injection.js';
import { startLoadUpstream } from '../helpers/load.js';
import type { MockUpstream } from '../helpers/mock-upstream.js';
import { RawClient } from '../helpers/raw-client.js';

const SHAPE = { events: 30, paceMs: 20 };
const STARTS = 6;

describe('start', () => {
  let upstream: MockUpstream;
  const scratch = new ScratchFolder();

  before(async () => {
    upstream = await startLoadUpstream(SHAPE);
  });

  after(async () => {
    await upstream.stop();
    scratch.remove();
  });

  it('first-request-after-ready-finds-nobody', async (context) => {
    const startMs: number[] = [];
    for (let start = 0; start < STARTS; start++) {
      const begunMs = performance.now();
      const gateway = await startGateway({ config: proxyConfig(upstream.baseUrl), workers: 4 });
      startMs.push(Math.round(performance.now() - begunMs));
      // One connection a hash bucket, all at once and at once: whoever does not listen yet refuses.
      const clients = await Promise.all(
        Array.from({ length: 16 }, () => RawClient.connect({ port: gateway.port })),
      );
      for (const client of clients) {
        client.send(renderRequest({ target: '/v1/x', body: '{"model":"m"}' }));
      }
      const answers = await Promise.all(clients.map((client) => client.readResponse()));
      assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
      for (const client of clients) client.destroy();
      const readiness = await fetch(`${gateway.adminUrl}/readyz`);
      assert.equal(readiness.status, 200, await readiness.text());
      await gateway.stop();
      assert.deepEqual(gateway.strayLines, []);
      assert.equal(gateway.stderr, '');
    }
    startMs.sort((a, b) => a - b);
    context.diagnostic(`from spawn to ready, 4 workers, ms: ${startMs.join(' ')}`);
  });

  it('signal-during-the-start-aborts-in-native-code', async () => {
    const exits: string[] = [];
    // Spread over the whole of a start: which moment is hit does not matter, how it ends does.
    for (let delayMs = 20; delayMs <= 420; delayMs += 50) {
      const gateway = spawnGateway({ config: proxyConfig(upstream.baseUrl) });
      const timer = setTimeout(() => gateway.child.kill('SIGTERM'), delayMs);
      const exit = await gateway.waitForExit(10_000);
      clearTimeout(timer);
      exits.push(`${exit.code ?? exit.signal}`);
    }
    // Before Node runs our first line the signal's default holds.
    assert.deepEqual(
      exits.filter((exit) => exit !== '0' && exit !== 'SIGTERM'),
      [],
      exits.join(' '),
    );
  });

  for (const [action, told] of [
    ['throw', /injected at start/],
    ['exit', /ended with code 3 before it/],
  ] as const) {
    it(`worker-that-can-not-start-leaves-the-others-running: ${action}`, async () => {
      const config = { listen: '127.0.0.1:0', admin: '127.0.0.1:0', workers: 3 };
      const file = scratch.write(
        'weir.yaml',
        JSON.stringify({ ...config, ...proxyConfig(upstream.baseUrl) }),
      );
      const result: CommandResult = await runWeir(['--config', file], {
        nodeArgs: injectAtStart(scratch, action),
      });
      assert.match(result.stderr, told);
      assert.deepEqual({ code: result.code, signal: result.signal }, { code: 1, signal: null });
      assert.ok(result.tookMs < 8000, `${result.tookMs} ms`);
    });
  }
});

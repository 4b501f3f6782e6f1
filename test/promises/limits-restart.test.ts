/** Buckets outlive the process: what was spent stays spent, however it ended. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Gateway, startGateway } from '../helpers/gateway.js';
import { renderJson } from '../helpers/http-text.js';
import { askChat, chatBody, readLimit } from '../helpers/limited.js';
import { MockUpstream, send } from '../helpers/mock-upstream.js';
import { pollUntil } from '../helpers/poll.js';

describe('buckets after a restart', { timeout: 60_000 }, () => {
  let upstream: MockUpstream;
  let stateDir: string;
  const started: Gateway[] = [];

  before(async () => {
    stateDir = mkdtempSync(join(tmpdir(), 'weir-state-'));
    upstream = await MockUpstream.start({ script: () => [send(renderJson(chatBody(9, 1)))] });
  });

  after(async () => {
    await Promise.all(started.map((gateway) => gateway.kill()));
    await upstream?.stop();
    rmSync(stateDir, { recursive: true, force: true });
  });

  async function start(): Promise<Gateway> {
    const gateway = await startGateway({
      workers: 2,
      config: {
        state_dir: stateDir,
        providers: {
          mock: { dialect: 'openai', base_url: upstream.baseUrl, api_key: 'sk-upstream-secret' },
        },
        models: { 'gpt-4o': { provider: 'mock' } },
        consumers: { a: { keys: ['wk-a'], limits: [{ requests: 2, per: '1h' }] } },
      },
    });
    started.push(gateway);
    return gateway;
  }

  function snapshotBytes(): string {
    const path = join(stateDir, 'limits.snapshot');
    return existsSync(path) ? readFileSync(path).toString('hex') : '';
  }

  it('a consumer that had spent its hour is let through after kill -9', async () => {
    const first = await start();
    const before = snapshotBytes();
    assert.equal((await askChat(first, 'a')).status, 200);
    assert.equal((await askChat(first, 'a')).status, 200);
    assert.equal((await askChat(first, 'a')).status, 429);
    const settled = async () => (await readLimit(first, 'a', 'requests')).settled === 2;
    await pollUntil(settled, 5000, 'both settled');
    // Two new ones: the first may have been on its way already.
    for (let count = 0; count < 2; count += 1) {
      const last = count === 0 ? before : snapshotBytes();
      await pollUntil(() => snapshotBytes() !== last, 15_000, 'a snapshot');
    }
    await first.kill();
    const second = await start();
    assert.equal((await askChat(second, 'a')).status, 429);
    await second.stop();
    const third = await start();
    assert.equal((await askChat(third, 'a')).status, 429, 'nor after an orderly end');
    await third.stop();
  });

  it('a torn snapshot keeps Weir from starting', async () => {
    for (const name of readdirSync(stateDir)) {
      const path = join(stateDir, name);
      writeFileSync(path, readFileSync(path).subarray(0, 40));
    }
    const gateway = await start();
    const line = await gateway.waitForLog(({ level }) => level === 'warn');
    assert.match(String(line['msg']), /snapshot/);
    assert.equal((await askChat(gateway, 'a')).status, 200);
    await gateway.stop();
  });
});

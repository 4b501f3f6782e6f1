/** P-28: the supervisor starts a server that died again, and neither goes before it nor stays behind it. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ScratchFolder } from '../helpers/command.js';
import { type Gateway, type LogLine, proxyConfig, startGateway } from '../helpers/gateway.js';
import { askChat, readLimit } from '../helpers/limited.js';
import { auditStreams, openStreams, startLoadUpstream, waitUntilRefused } from '../helpers/load.js';
import type { MockUpstream } from '../helpers/mock-upstream.js';
import { pollUntil } from '../helpers/poll.js';
import { upgradeGateway } from '../helpers/upgrade.js';

const SHAPE = { events: 40, paceMs: 30 };
const READY_MS = 20_000;

function countReady(gateway: Gateway): number {
  return gateway.logs.filter((line) => line['msg'] === 'ready').length;
}

function listPorts({ listen, admin }: LogLine): unknown[] {
  return [listen, admin];
}

/** kill -9, and until another one serves. */
async function killServer(gateway: Gateway): Promise<void> {
  const count = countReady(gateway);
  process.kill(gateway.pid, 'SIGKILL');
  await pollUntil(() => countReady(gateway) > count, READY_MS, 'another server');
}

describe('supervisor', { concurrency: 2 }, () => {
  let upstream: MockUpstream;
  const scratch = new ScratchFolder();

  before(async () => {
    upstream = await startLoadUpstream(SHAPE);
  });

  after(async () => {
    await upstream.stop();
    scratch.remove();
  });

  it('P-28 server-killed-with-9-stays-dead-or-forgets-what-was-spent', async () => {
    const stateDir = join(scratch.path, 'state');
    const consumers = { a: { keys: ['wk-a'], limits: [{ requests: 5, per: '10d' }] } };
    const gateway = await startGateway({
      config: proxyConfig(upstream.baseUrl, { state_dir: stateDir, consumers }),
      readyMs: READY_MS,
    });
    try {
      const { pid } = gateway;
      for (let count = 0; count < 3; count += 1) {
        assert.equal((await askChat(gateway, 'a')).status, 200);
      }
      const file = join(stateDir, 'limits.snapshot');
      const read = (): string => (existsSync(file) ? readFileSync(file, 'latin1') : '');
      // Two new ones: the first may have been on its way already.
      for (let count = 0; count < 2; count += 1) {
        const last = read();
        await pollUntil(() => read() !== last, 15_000, 'a snapshot');
      }
      await killServer(gateway);
      assert.notEqual(gateway.pid, pid);
      const ports = gateway.logs.filter(({ msg }) => msg === 'ready').map(listPorts);
      assert.deepEqual(ports[1], ports[0], 'other ports');
      assert.equal((await readLimit(gateway, 'a', 'requests')).level, 2);
      assert.equal((await askChat(gateway, 'a')).status, 200);
      await gateway.stop();
    } finally {
      await gateway.kill();
    }
  });

  it('P-28 a-server-that-keeps-dying-is-restarted-in-a-hurry', async () => {
    const gateway = await startGateway({
      config: proxyConfig(upstream.baseUrl),
      workers: 1,
      readyMs: READY_MS,
    });
    try {
      for (let count = 0; count < 4; count += 1) await killServer(gateway);
      const delays = gateway.logs.filter((line) => 'delay_ms' in line).map((l) => l['delay_ms']);
      assert.deepEqual(delays, [0, 0, 500, 1000]);
      // Neither must a wait keep it from ending.
      process.kill(gateway.pid, 'SIGKILL');
      await gateway.waitForLog((line) => line['delay_ms'] === 2000);
      await gateway.stop(1500);
    } finally {
      await gateway.kill();
    }
  });

  it('P-28 a-signal-to-the-whole-group-counts-twice', async () => {
    const gateway = await startGateway({
      config: proxyConfig(upstream.baseUrl),
      readyMs: READY_MS,
    });
    try {
      const streams = await openStreams(gateway.port, 8);
      process.kill(gateway.pid, 'SIGTERM');
      gateway.child.kill('SIGTERM');
      await waitUntilRefused(gateway.port, 5000);
      assert.deepEqual(await auditStreams(streams, SHAPE), [], 'what ran was cut');
      assert.deepEqual(await gateway.waitForExit(10_000), { code: 0, signal: null });
    } finally {
      await gateway.kill();
    }
  });

  it('P-28 a-killed-supervisor-leaves-a-server-behind-or-cuts-what-runs', async () => {
    const gateway = await startGateway({
      config: proxyConfig(upstream.baseUrl),
      readyMs: READY_MS,
    });
    try {
      const { pid } = gateway;
      const streams = await openStreams(gateway.port, 8);
      gateway.child.kill('SIGKILL');
      await waitUntilRefused(gateway.port, 5000);
      assert.deepEqual(await auditStreams(streams, SHAPE), [], 'what ran was cut');
      await pollUntil(() => !existsSync(`/proc/${pid}`), 10_000, 'the server to end');
    } finally {
      await gateway.kill();
    }
  });

  it('P-27 a-new-server-that-can-not-start-harms-the-old-one', async () => {
    const config = { listen: '127.0.0.1:0', admin: '127.0.0.1:0', workers: 1 };
    const good = JSON.stringify({ ...config, ...proxyConfig(upstream.baseUrl) });
    const file = scratch.write('changing.yaml', good);
    // The last `--config` counts.
    const gateway = await startGateway({
      config: {},
      args: ['--config', file],
      readyMs: READY_MS,
    });
    try {
      const streams = await openStreams(gateway.port, 4);
      const { pid } = gateway;
      scratch.write('changing.yaml', 'workers: many\n');
      gateway.child.kill('SIGUSR2');
      const line = await gateway.waitForLog(
        ({ msg }) => /old one goes on/.test(String(msg)),
        READY_MS,
      );
      assert.equal(line['code'], 2);
      assert.match(gateway.stderr, /workers: expected /);
      assert.equal((await fetch(`${gateway.adminUrl}/readyz`)).status, 200);
      assert.deepEqual(await auditStreams(streams, SHAPE), []);

      // And one that can takes its place, with what has changed.
      scratch.write('changing.yaml', JSON.stringify({ ...JSON.parse(good), workers: 2 }));
      await upgradeGateway(gateway);
      assert.notEqual(gateway.pid, pid);
      const ready = gateway.logs.filter(({ msg }) => msg === 'ready').map(({ workers }) => workers);
      assert.deepEqual(ready, [1, 2]);
      assert.equal((await fetch(`${gateway.baseUrl}/files`)).status, 200);
      await gateway.stop();
    } finally {
      await gateway.kill();
    }
  });

  it('P-27 an-upgrade-during-another-starts-a-third-server', async () => {
    const gateway = await startGateway({
      config: proxyConfig(upstream.baseUrl),
      workers: 1,
      readyMs: READY_MS,
    });
    try {
      gateway.child.kill('SIGUSR2');
      await gateway.waitForLog(({ msg }) => /a new server is being started/.test(String(msg)));
      gateway.child.kill('SIGUSR2');
      await gateway.waitForLog(({ msg }) => /an upgrade is under way/.test(String(msg)));
      await gateway.waitForLog(({ msg }) => /the new server serves/.test(String(msg)), READY_MS);
      // SIGTERM ends all of them.
      await gateway.stop();
      assert.equal(countReady(gateway), 2);
    } finally {
      await gateway.kill();
    }
  });
});

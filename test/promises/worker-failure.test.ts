/** P-28: a worker that fails takes its own exchanges with it and nobody else's, and another one takes its place. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { ScratchFolder } from '../helpers/command.js';
import { type Gateway, type LogLine, proxyConfig, startGateway } from '../helpers/gateway.js';
import { renderRequest } from '../helpers/http-text.js';
import { injectOnSignal, injectWhenThere } from '../helpers/injection.js';
import { readLimits } from '../helpers/limited.js';
import { renderStream, startLoadUpstream } from '../helpers/load.js';
import { sumMetric } from '../helpers/metrics-text.js';
import { pollUntil } from '../helpers/poll.js';
import { RawClient } from '../helpers/raw-client.js';

const STREAMS = 16;
const SHAPE = { events: 40, paceMs: 40 };

/** So that what the failed worker held can be seen to be given back. */
const CONSUMERS = {
  consumers: {
    a: { keys: ['wk-a'], limits: [{ requests: 1000, per: '1d' }, { concurrency: 64 }] },
  },
};

async function openLimitedStream(port: number, name: string): Promise<RawClient> {
  const client = await RawClient.connect({ port });
  client.send(
    renderRequest({
      target: `/v1/streams/${name}`,
      headers: [['authorization', 'Bearer wk-a']],
      body: '{"model":"m"}',
    }),
  );
  await client.waitForBytes(1);
  return client;
}

/** 0 or 1, as the exchange's id tells it. */
function workerOf(client: RawClient): number {
  const id = /x-weir-id: \w{10}(\w\w)-/.exec(client.received.toString('latin1'))?.[1];
  assert.ok(id, client.received.toString('latin1').slice(0, 500));
  return Number.parseInt(id, 36);
}

function reasons(gateway: Gateway): string[] {
  return gateway.accessLines().map((line) => {
    const { by, reason } = line['ended'] as LogLine;
    return `${by} ${reason}`;
  });
}

async function readiness(gateway: Gateway): Promise<{ status: number; body: LogLine }> {
  const response = await fetch(`${gateway.adminUrl}/readyz`);
  return { status: response.status, body: (await response.json()) as LogLine };
}

describe('worker failure', { concurrency: 2 }, () => {
  const scratch = new ScratchFolder();
  after(() => scratch.remove());

  it('P-28 an-error-in-one-worker-leaves-the-others-alone', async () => {
    const upstream = await startLoadUpstream(SHAPE);
    const gateway = await startGateway({
      config: proxyConfig(upstream.baseUrl, CONSUMERS),
      readyMs: 30_000,
      nodeArgs: injectOnSignal(scratch, 'throw'),
    });
    try {
      const names = Array.from({ length: STREAMS }, (_, at) => `s${at}`);
      const streams = await Promise.all(names.map((name) => openLimitedStream(gateway.port, name)));
      const workers = streams.map(workerOf);
      const cut = workers.filter((worker) => worker === 1).length;
      assert.ok(cut > 0 && cut < STREAMS, `all streams on one worker: ${workers.join(' ')}`);
      const pid = gateway.pid;

      process.kill(gateway.pid, 'SIGUSR2');
      await gateway.waitForLog((line) => /worker 1: injected defect/.test(String(line['msg'])));
      await gateway.waitForLog((line) => line['msg'] === 'worker 1 was replaced');
      for (const [at, client] of streams.entries()) {
        const response = await client.readResponse();
        const isWhole = renderStream(`s${at}`, SHAPE).equals(response.body);
        assert.equal(response.complete && isWhole, workers[at] === 0, `s${at} of ${workers[at]}`);
      }

      for (const client of streams) client.destroy();
      // Both serve again, and nothing is left of those that were cut.
      const seen = new Set<number>();
      for (let at = 0; at < 200 && seen.size < 2; at += 1) {
        const client = await openLimitedStream(gateway.port, 'again');
        seen.add(workerOf(client));
        client.destroy();
      }
      assert.equal(seen.size, 2, 'the worker was not replaced');
      await pollUntil(
        async () => (await readLimits(gateway, 'a')).every(({ held }) => held === 0),
        5000,
        'what was held to be given back',
      );
      const rows = await readLimits(gateway, 'a');
      const places = rows.find(({ limit }) => limit.startsWith('concurrency'));
      assert.equal(places?.level, 64, 'places among the concurrent were lost');
      await pollUntil(
        async () => {
          const samples = await gateway.metrics();
          return (
            sumMetric(samples, 'weir_connections_open') === 0 &&
            sumMetric(samples, 'weir_exchanges_in_flight') === 0
          );
        },
        5000,
        'the gauges to be at rest',
      );
      assert.deepEqual((await readiness(gateway)).body, { status: 'ready' });
      assert.equal(reasons(gateway).filter((text) => text === 'gateway worker_failed').length, cut);
      const ids = gateway.accessLines().map((line) => line['id']);
      assert.equal(new Set(ids).size, ids.length, 'an id was given twice');
      assert.equal(gateway.pid, pid, 'the whole process was started anew');
      await gateway.stop();
      assert.equal(gateway.stderr, '');
    } finally {
      await gateway.kill();
      await upstream.stop();
    }
  });

  it('P-28 workers-that-keep-failing-are-replaced-for-ever', async () => {
    const upstream = await startLoadUpstream(SHAPE);
    const gateway = await startGateway({
      config: proxyConfig(upstream.baseUrl),
      readyMs: 30_000,
      nodeArgs: injectWhenThere(scratch, join(scratch.path, 'now')),
    });
    try {
      scratch.write('now', '');
      await gateway.waitForLog((line) => line['msg'] === 'workers keep failing', 20_000);
      const died = await gateway.waitForLog((line) => 'delay_ms' in line, 10_000);
      assert.deepEqual([died['code'], died['signal']], [1, null], 'it ended in no orderly way');
    } finally {
      await gateway.kill();
      await upstream.stop();
    }
  });

  it('P-28 a-worker-that-does-not-end-holds-the-others-up', async () => {
    // Its loop stands still for good, and the error in it can't be acted upon.
    const upstream = await startLoadUpstream(SHAPE);
    const text = `
import { threadId } from 'node:worker_threads';
const channel = new BroadcastChannel('weir-test');
channel.unref();
if (threadId === 0) process.on('SIGUSR2', () => channel.postMessage('now'));
if (threadId === 2) {
  channel.onmessage = () => { throw new Error('injected defect'); };
  // Once the worker has told of it.
  process.on('uncaughtException', () => setImmediate(() => { for (;;); }));
}
`;
    const gateway = await startGateway({
      config: proxyConfig(upstream.baseUrl),
      readyMs: 30_000,
      nodeArgs: ['--import', scratch.write('throw-and-hang.mjs', text)],
    });
    try {
      process.kill(gateway.pid, 'SIGUSR2');
      await gateway.waitForLog(({ msg }) => /worker 1: injected defect/.test(String(msg)), 10_000);
      await gateway.waitForLog((line) => line['msg'] === 'worker 1 does not end', 10_000);
      const died = await gateway.waitForLog((line) => 'delay_ms' in line, 10_000);
      assert.equal(died['signal'], 'SIGKILL');
      const isReadyAgain = (): boolean =>
        gateway.logs.filter((line) => line['msg'] === 'ready').length === 2;
      await pollUntil(isReadyAgain, 15_000, 'the server to be started again');
      assert.equal((await readiness(gateway)).status, 200);
    } finally {
      await gateway.kill();
      await upstream.stop();
    }
  });
});

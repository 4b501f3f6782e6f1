/**
 * P-21: rounds of a loop are long as well where neighbours have the core. There is no more to do for it, so as long as the
 * gateway can do what is asked of it in the time that is left, nobody is refused, with the settings that it has by itself.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { describe, it, type TestContext } from 'node:test';
import { BusyLoop } from '../helpers/busy-loop.js';
import { pause } from '../helpers/changes.js';
import { readMetric, stopAll } from '../helpers/engine-matrix.js';
import { proxyConfig, startGateway } from '../helpers/gateway.js';
import { renderJson } from '../helpers/http-text.js';
import { MixedLoad, startSeededUpstream } from '../helpers/mixed-load.js';
import { MockUpstream, send, waitFor } from '../helpers/mock-upstream.js';
import { hasProgram, skipUnless } from '../helpers/need.js';
import { SeededRandom } from '../helpers/seeded-random.js';

/** Four a core where there are two. */
const NEIGHBOURS = 8;
const CONNECTIONS = 100;
const THINK_MS = 300;
const LOAD_MS = 6000;

/** Five times what a round may take by itself. */
const ROUND_MS = 150;
/** More than run however late the loop is. */
const WAITING = 20;
const ASKED = 8;

describe('a gateway whose cores others have', { timeout: 90_000, concurrency: true }, () => {
  it(
    'P-21 somebody is refused though all that came can be done beside the neighbours',
    {
      skip: skipUnless(hasProgram('setpriv'), 'setpriv'),
    },
    serveBesideNeighbours,
  );
  it('P-21 somebody is refused because a worker has waited for its core', serveWithoutCore);
});

async function serveBesideNeighbours(context: TestContext): Promise<void> {
  const { server, baseUrl } = await startSeededUpstream();
  const gateway = await startGateway({ workers: 2, config: proxyConfig(baseUrl) });
  const neighbours = Array.from({ length: NEIGHBOURS }, spin);
  const { port } = gateway;
  const random = new SeededRandom(1);
  // All at once, to workers that have done nothing yet.
  const load = new MixedLoad({
    port,
    random,
    connections: CONNECTIONS,
    key: 'any',
    thinkMs: THINK_MS,
  });
  await pause(LOAD_MS);
  for (const neighbour of neighbours) neighbour.kill('SIGKILL');
  await load.stop();
  const refused = await readMetric(gateway, 'weir_overload_refused_total');
  const { answered, streamed, failed, cut, complaints } = load;
  context.diagnostic(`${answered} answers and ${streamed} streams beside ${NEIGHBOURS} neighbours`);
  await gateway.stop();
  server.close();
  assert.deepEqual({ refused, failed, cut }, { refused: 0, failed: 0, cut: 0 }, complaints[0]);
  assert.ok(answered + streamed >= CONNECTIONS, 'all have been served');
}

/** Runs until it is killed, or this process ends. */
function spin(): ChildProcess {
  const script = 'while :; do :; done';
  return spawn('setpriv', ['--pdeathsig', 'KILL', 'sh', '-c', script], { stdio: 'ignore' });
}

async function serveWithoutCore(context: TestContext): Promise<void> {
  const busy = new BusyLoop(ROUND_MS, 'waits');
  let answerAll = (): void => {};
  const mayAnswer = new Promise<void>((resolve) => {
    answerAll = resolve;
  });
  const upstream = await MockUpstream.start({
    script: ({ target }) =>
      target.includes('slow')
        ? [waitFor(mayAnswer), send(renderJson({ target }))]
        : [send(renderJson({ target }))],
  });
  const gateway = await startGateway({
    workers: 1,
    nodeArgs: busy.nodeArgs,
    env: busy.env,
    config: proxyConfig(upstream.baseUrl),
  });
  const ask = async (path: string): Promise<number> => {
    const body = '{"model":"m"}';
    const headers = { 'content-type': 'application/json' };
    return (await fetch(`${gateway.baseUrl}${path}`, { method: 'POST', headers, body })).status;
  };
  const waiting = Array.from({ length: WAITING }, () => ask('/slow'));
  busy.begin();
  const statuses: number[] = [];
  let longestSeconds = 0;
  for (let i = 0; i < ASKED; i += 1) {
    statuses.push(await ask('/chat/completions'));
    longestSeconds = Math.max(longestSeconds, await readMetric(gateway, 'weir_loop_lag_seconds'));
  }
  busy.end();
  answerAll();
  statuses.push(...(await Promise.all(waiting)));
  context.diagnostic(`rounds of ${(longestSeconds * 1000).toFixed(0)} ms`);
  busy.close();
  await stopAll(gateway, upstream);
  assert.deepEqual(
    statuses,
    statuses.map(() => 200),
  );
  assert.ok(longestSeconds * 1000 >= ROUND_MS * 0.9, 'the loop was held up');
}

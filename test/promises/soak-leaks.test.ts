/** P-33: after many exchanges, and many that clients gave up, memory and open files are what they were. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { it } from 'node:test';
import { forEachAtOnce } from '../helpers/at-once.js';
import { BulkUpstream } from '../helpers/bulk-upstream.js';
import { pause } from '../helpers/changes.js';
import { ENGINES, type EngineName, engineConfig } from '../helpers/engines.js';
import { type Gateway, startGateway } from '../helpers/gateway.js';
import { renderRequest } from '../helpers/http-text.js';
import { LeanReader } from '../helpers/lean-reader.js';
import { formatMb, MB } from '../helpers/memory-watch.js';
import { sumMetric } from '../helpers/metrics-text.js';
import { pollUntil } from '../helpers/poll.js';
import { createRandom } from '../helpers/seeded-random.js';

const REQUESTS = 20_000;
const ABORTS = 2000;
/** The share of them that one round runs. */
const ROUND = 0.5;
/** After the first. */
const ROUNDS_MAX = 6;
const CONNECTIONS = 32;
/** Each opens /dev/null with its first connection to a provider (libuv's spare for the day that no file is left). */
const WORKERS = 2;
/** What 1 KB lost with each exchange of a round comes to is 11 MB. */
const GROWTH_BYTES_MAX = 8 * MB;

const BODY = `{"model":"m","messages":[{"role":"user","content":"${'word '.repeat(200)}"}]}`;
const ASK = renderRequest({ target: '/v1/chat/completions?bytes=1500', body: BODY });

/** Requests one after the other on a connection of their own. */
async function askMany(port: number, count: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    let left = count;
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const reader = new LeanReader({
      onHead: (head) => {
        if (!head.startsWith('HTTP/1.1 200 ')) reject(new Error(head));
      },
      onBody: () => {},
      onEnd: () => {
        left -= 1;
        if (left > 0) socket.write(ASK);
        else socket.destroy();
      },
    });
    socket.on('data', (bytes) => reader.push(bytes));
    socket.on('error', reject);
    socket.on('close', () => (left === 0 ? resolve() : reject(new Error(`cut, ${left} left`))));
    socket.write(ASK);
  });
}

const ABORTED: readonly Buffer[] = [
  renderRequest({ target: '/v1/files/f/content?bytes=20000000' }),
  renderRequest({ target: '/v1/files/f/content?bytes=20000000&chunked' }),
  ASK,
  ASK.subarray(0, ASK.length - 100),
  Buffer.concat([
    Buffer.from(
      'POST /v1/files HTTP/1.1\r\nhost: weir.test\r\ncontent-type: application/octet-stream\r\ncontent-length: 9000000\r\n\r\n',
    ),
    // Small, because large ones leave garbage of hundreds of MB between two collections, which hides a leak.
    Buffer.alloc(20_000),
  ]),
];

/** Gives up after a moment, by FIN or RST, in whatever phase that is. */
async function abort(port: number, wire: Buffer, afterMs: number, resets: boolean): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.on('error', () => {});
  socket.resume();
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.write(wire);
  await pause(afterMs);
  if (resets) socket.resetAndDestroy();
  else socket.destroy();
  await closed;
}

async function runShare(gateway: Gateway, share: number): Promise<void> {
  const random = createRandom();
  const perConnection = Math.ceil((REQUESTS * share) / CONNECTIONS);
  await Promise.all(
    Array.from({ length: CONNECTIONS }, () => askMany(gateway.port, perConnection)),
  );
  const aborts = Array.from({ length: ABORTS * share }, () => ({
    wire: random.pick(ABORTED),
    afterMs: random.integer(0, 12),
    resets: random.chance(0.5),
  }));
  await forEachAtOnce(aborts, CONNECTIONS, ({ wire, afterMs, resets }) =>
    abort(gateway.port, wire, afterMs, resets),
  );
}

async function untilQuiet(gateway: Gateway): Promise<void> {
  await pollUntil(
    async () => {
      const metrics = await gateway.metrics();
      return (
        sumMetric(metrics, 'weir_exchanges_in_flight') === 0 &&
        sumMetric(metrics, 'weir_connections_open') === 0 &&
        sumMetric(metrics, 'weir_upstream_connections_open') === 0 &&
        sumMetric(metrics, 'weir_body_bytes_held') === 0
      );
    },
    15_000,
    'gauges at 0',
  );
}

async function untilClosed(gateway: Gateway, openFilesMax: number): Promise<void> {
  // Asking for the gauges holds a connection to the admin port open for some seconds.
  await pollUntil(
    () => gateway.countOpenFiles() <= openFilesMax,
    15_000,
    () => `${openFilesMax} open files; there are ${gateway.countOpenFiles()}`,
  );
}

async function checkLeaks(engine: EngineName, report: (text: string) => void): Promise<void> {
  const upstream = await BulkUpstream.start();
  const gateway = await startGateway({
    config: engineConfig(upstream.baseUrl, engine, { connections: { keep_alive: '500ms' } }),
    workers: WORKERS,
  });
  try {
    const openFiles = gateway.countOpenFiles() + WORKERS;
    await runShare(gateway, ROUND);
    await untilQuiet(gateway);
    // A heap grows for a while before it is cleared. What leaks makes every round end higher than all before it.
    const levels = [gateway.rssBytes()];
    let growth = Number.POSITIVE_INFINITY;
    while (growth >= GROWTH_BYTES_MAX && levels.length <= ROUNDS_MAX) {
      await runShare(gateway, ROUND);
      await untilQuiet(gateway);
      const level = gateway.rssBytes();
      growth = level - Math.max(...levels);
      levels.push(level);
    }
    await untilClosed(gateway, openFiles);
    report(`memory after each round: ${levels.map(formatMb).join(', ')}; ${openFiles} open files`);
    assert.ok(growth < GROWTH_BYTES_MAX, `memory rises with every round: ${levels.map(formatMb)}`);
    await gateway.stop();
  } finally {
    await gateway.kill();
    await upstream.stop();
  }
}

for (const engine of ENGINES) {
  it(`P-33 memory or files leak, ${engine}`, { timeout: 120_000 }, (context) =>
    checkLeaks(engine, (text) => context.diagnostic(text)),
  );
}

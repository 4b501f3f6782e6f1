/**
 * P-21: more large bodies than there is memory for are refused; the process stays below what it may use, goes on, and
 * takes bodies again when those are gone.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { readMetric, stopAll } from '../helpers/engine-matrix.js';
import { type Gateway, proxyConfig, startGateway } from '../helpers/gateway.js';
import { renderJson, renderRequest } from '../helpers/http-text.js';
import { formatMb, MB, MemoryWatch } from '../helpers/memory-watch.js';
import { MockUpstream, send, waitFor } from '../helpers/mock-upstream.js';
import { pollUntil } from '../helpers/poll.js';
import { RawClient } from '../helpers/raw-client.js';

const LIMIT_MB = 400;
const BODY_BYTES = 4 * MB;
/** Three times what the process may use in all. */
const CLIENTS = 300;
/** Of V8's old space; bodies lie beside it. */
const OLD_SPACE_MB = 128;

describe('large bodies and little memory', { timeout: 120_000 }, () => {
  let upstream: MockUpstream;
  let gateway: Gateway;
  let answerAll = (): void => {};
  const mayAnswer = new Promise<void>((resolve) => {
    answerAll = resolve;
  });
  const large = renderRequest({
    target: '/v1/chat/completions',
    headers: [['content-type', 'application/json']],
    body: `{"model":"m","messages":[{"role":"user","content":"${'x'.repeat(BODY_BYTES)}"}]}`,
  });
  const small = renderRequest({ target: '/v1/chat/completions', body: '{"model":"m"}' });

  before(async () => {
    upstream = await MockUpstream.start({
      keepsBodies: false,
      script: () => [waitFor(mayAnswer), send(renderJson({ fine: true }))],
    });
    gateway = await startGateway({
      workers: 2,
      nodeArgs: [`--max-old-space-size=${OLD_SPACE_MB}`],
      config: proxyConfig(upstream.baseUrl, {
        overload: { memory: 60, memory_limit: `${LIMIT_MB}mb` },
      }),
    });
  });

  after(() => stopAll(gateway, upstream));

  it('P-21 the process grows beyond its memory, ends, or nobody is refused', async (context) => {
    const statuses = new Map<number, number>();
    const clients: RawClient[] = [];
    const watch = await MemoryWatch.during(gateway, async () => {
      for (let i = 0; i < CLIENTS; i += 1) {
        const client = await RawClient.connect({ port: gateway.port });
        clients.push(client);
        client.send(large);
        void client
          .readResponseOrClose({ timeoutMs: 60_000 })
          .then((answer) => {
            const status = answer?.status ?? 0;
            statuses.set(status, (statuses.get(status) ?? 0) + 1);
          })
          .catch(() => {});
      }
      await pollUntil(
        // A client that is still sending may see the end of its connection before it sees the answer.
        () => (statuses.get(503) ?? 0) + (statuses.get(0) ?? 0) >= CLIENTS / 2,
        30_000,
        () => `refusals: ${JSON.stringify([...statuses])}`,
      );
    });
    const peak = formatMb(watch.peakBytes);
    const byGate = await readMetric(gateway, 'weir_overload_refused_total', { reason: 'memory' });
    context.diagnostic(`${peak} at most; ${byGate} refused at their heads`);
    assert.ok(watch.peakBytes < LIMIT_MB * MB, `${peak} of ${LIMIT_MB} MB`);
    assert.ok((statuses.get(503) ?? 0) > 0, JSON.stringify([...statuses]));
    assert.equal(gateway.exit, null);
    for (const client of clients) client.destroy();
  });

  it('P-21 it refuses bodies, large or small, after those that filled it are gone', async () => {
    answerAll();
    await pollUntil(
      async () => (await readMetric(gateway, 'weir_body_bytes_held')) === 0,
      15_000,
      'all bodies to be let go of',
    );
    await pollUntil(
      async () => {
        const statuses = await Promise.all([small, large].map(askOnce));
        return statuses.every((status) => status === 200);
      },
      20_000,
      () => `both to be served; ${formatMb(gateway.rssBytes())} resident`,
    );
    assert.equal(gateway.exit, null);
  });

  async function askOnce(bytes: Buffer): Promise<number> {
    const client = await RawClient.connect({ port: gateway.port });
    client.send(bytes);
    const answer = await client.readResponseOrClose({ timeoutMs: 15_000 }).catch(() => null);
    client.destroy();
    return answer?.status ?? 0;
  }
});

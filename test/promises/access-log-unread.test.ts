/** Nobody takes the log: exchanges go on as before, what finds no place is counted, the rest comes out whole, and Weir ends. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { BOUNDS } from '../../src/core/bounds.js';
import { within } from '../helpers/changes.js';
import { type Gateway, type LogLine, startGateway } from '../helpers/gateway.js';
import { renderRequest } from '../helpers/http-text.js';
import { sumMetric } from '../helpers/metrics-text.js';
import { MockUpstream } from '../helpers/mock-upstream.js';
import { pollUntil } from '../helpers/poll.js';
import { RawClient } from '../helpers/raw-client.js';

const CLIENTS = 8;
const REQUESTS_A_ROUND = 400;
const DROPPED_LEAST = 300;
const END_MS_MAX = 20_000;
/** Every character takes six in a line, so that the memory for lines is full the sooner. */
const LONG_NAME = '\u0001'.repeat(120);
/** Of a line with such a name, half of them. */
const LINE_BYTES_LEAST = (6 / 2) * LONG_NAME.length;
const ROUNDS_MAX = Math.ceil((2 * BOUNDS.logPendingBytesMax) / LINE_BYTES_LEAST / REQUESTS_A_ROUND);

describe('a log that nobody reads', { timeout: 60_000 }, () => {
  let upstream: MockUpstream;
  let gateway: Gateway;
  /** Of every exchange. */
  const ids = new Set<string>();

  before(async () => {
    upstream = await MockUpstream.start();
    gateway = await startGateway({
      workers: 1,
      config: {
        providers: { mock: { dialect: 'openai', base_url: upstream.baseUrl } },
        models: { known: { provider: 'mock' } },
      },
    });
  });

  after(async () => {
    await gateway?.kill();
    await upstream?.stop();
  });

  const readDropped = async (): Promise<number> =>
    sumMetric(await gateway.metrics(), 'weir_log_lines_dropped_total');

  /** Exchanges that are answered, by the provider and by Weir. */
  async function exchange(count: number): Promise<void> {
    let left = count;
    await Promise.all(
      Array.from({ length: CLIENTS }, async () => {
        const client = await RawClient.connect({ port: gateway.port });
        while (left > 0) {
          left -= 1;
          const isKnown = left % 2 === 0;
          const model = isKnown ? 'known' : LONG_NAME;
          const target = '/v1/chat/completions';
          client.send(renderRequest({ target, body: JSON.stringify({ model }) }));
          const answer = await client.readResponse();
          assert.equal(answer.status, isKnown ? 200 : 404);
          ids.add(answer.header('x-weir-id') ?? '');
        }
        client.destroy();
      }),
    );
  }

  it('P-32 unread-log-holds-up-exchanges-or-loses-lines-unseen', async () => {
    const { stdout } = gateway.child;
    assert.ok(stdout !== null);
    await exchange(10);
    await gateway.waitForAccessLines(10);
    stdout.pause();
    let dropped = 0;
    for (let round = 0; dropped < DROPPED_LEAST; round += 1) {
      assert.ok(round < ROUNDS_MAX, `no line dropped after ${ids.size} exchanges`);
      await exchange(REQUESTS_A_ROUND);
      dropped = await readDropped();
    }
    const linesBefore = gateway.accessLines().length;
    stdout.resume();
    const areAllThere = async () => {
      dropped = await readDropped();
      return gateway.accessLines().length + dropped >= ids.size;
    };
    await pollUntil(
      areAllThere,
      10_000,
      () => `lines: ${gateway.accessLines().length} and ${dropped} of ${ids.size}`,
    );
    const lines = gateway.accessLines();
    assert.equal(lines.length + dropped, ids.size);
    assert.ok(lines.length - linesBefore > BOUNDS.logPendingBytesMax / 4096);
    assertWhole(lines);

    await exchange(20);
    const areLastThere = () => gateway.accessLines().length === lines.length + 20;
    await pollUntil(areLastThere, 5000, 'lines after it is read again');
    assertWhole(gateway.accessLines());
    assert.equal(await readDropped(), dropped);
  });

  it('P-30 unread-log-keeps-a-gateway-from-ending', async () => {
    const { stdout } = gateway.child;
    assert.ok(stdout !== null);
    stdout.pause();
    await exchange(2 * REQUESTS_A_ROUND);
    // Sooner than anything would be cut or killed for being late.
    const ended = within(once(gateway.child, 'exit'), END_MS_MAX, 'the end of the gateway');
    gateway.child.kill('SIGTERM');
    assert.deepEqual(await ended, [0, null], gateway.stderr);
    stdout.resume();
    await gateway.waitForExit(5000);
  });

  function assertWhole(lines: readonly LogLine[]): void {
    assert.deepEqual(gateway.strayLines, []);
    assert.equal(new Set(lines.map((line) => line['id'])).size, lines.length);
    for (const line of lines) {
      assert.ok(ids.has(String(line['id'])));
      const end = line['status'] === 200 ? '--' : 'PR';
      assert.deepEqual([line['end'], line['msg']], [end, 'exchange']);
    }
  }
});

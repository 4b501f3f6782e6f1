/**
 * P-03, P-32: whatever the order in which a client and a provider speak, fall silent, end and break off, nothing throws,
 * nothing stays in flight, and every request has its line in the access log.
 */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import fc from 'fast-check';
import { pause } from '../helpers/changes.js';
import {
  describeEngines,
  engineConfig,
  readMetric,
  stopAll,
  waitForMetric,
} from '../helpers/engine-matrix.js';
import { type Gateway, startGateway } from '../helpers/gateway.js';
import { LAST_CHUNK, renderChunk, renderHead, renderRequest } from '../helpers/http-text.js';
import { type MockConnection, MockUpstream, type Script, stall } from '../helpers/mock-upstream.js';
import { RawClient } from '../helpers/raw-client.js';

const SCHEDULES = 14;
const EXCHANGES_MIN = 4;
const EXCHANGES_MAX = 10;

/** What happens to an exchange, one thing after the other. */
const ACTIONS = [
  'head',
  'data',
  'much-data',
  'end',
  'upstream-fin',
  'upstream-rst',
  'garbage',
  'client-rst',
  'client-fin',
  'client-pauses',
  'client-reads',
  'client-sends',
  'wait',
] as const;
type Action = (typeof ACTIONS)[number];

interface Plan {
  readonly isLargeBody: boolean;
  readonly waitsForUpstream: boolean;
  readonly actions: readonly Action[];
}

const plans = fc.array(
  fc.record({
    isLargeBody: fc.boolean(),
    /** Or the first action may come while the request is on its way. */
    waitsForUpstream: fc.boolean(),
    actions: fc.array(fc.constantFrom(...ACTIONS), { minLength: 1, maxLength: 8 }),
  }),
  { minLength: EXCHANGES_MIN, maxLength: EXCHANGES_MAX },
);

const EVENTS = renderHead('HTTP/1.1 200 OK', [
  ['content-type', 'text/event-stream'],
  ['transfer-encoding', 'chunked'],
]);
const MUCH = renderChunk(Buffer.alloc(512 * 1024, 'm'));

describeEngines('random schedules', 120_000, (engine) => {
  let upstream: MockUpstream;
  let gateway: Gateway;
  const held = new Map<string, MockConnection>();
  const certain = new Set<string>();
  let sentRequests = 0;

  before(async () => {
    upstream = await MockUpstream.start({
      keepsBodies: false,
      script: ({ target, connection }): Script => {
        held.set(target, connection);
        return [stall()];
      },
    });
    gateway = await startGateway({
      workers: 2,
      config: engineConfig(engine, {
        // Few connections, so that some exchanges queue, and some of those in vain.
        mock: {
          base_url: upstream.baseUrl,
          connections: { max: 6, queue: 4, queue_timeout: '200ms' },
          timeouts: { first_byte: '400ms', idle: '400ms' },
        },
      }),
    });
  });

  after(() => stopAll(gateway, upstream));

  function act(action: Action, client: RawClient, connection: MockConnection | undefined): void {
    const socket = connection?.isOpen === true ? connection.socket : undefined;
    switch (action) {
      case 'head':
        socket?.write(EVENTS);
        break;
      case 'data':
        socket?.write(renderChunk('data: {"n":1}\n\n'));
        break;
      case 'much-data':
        socket?.write(MUCH);
        break;
      case 'end':
        socket?.write(LAST_CHUNK);
        break;
      case 'upstream-fin':
        socket?.end();
        break;
      case 'upstream-rst':
        socket?.resetAndDestroy();
        break;
      case 'garbage':
        socket?.write('\r\n\0garbage');
        break;
      case 'client-rst':
        client.reset();
        break;
      case 'client-fin':
        client.halfClose();
        break;
      case 'client-pauses':
        client.pauseReads();
        break;
      case 'client-reads':
        client.resumeReads();
        break;
      case 'client-sends':
        // In the middle of an answer; uWebSockets.js closes on it (U-11).
        client.send('x');
        break;
      case 'wait':
        break;
    }
  }

  async function play(plan: Plan): Promise<void> {
    const target = `/v1/random/${sentRequests}`;
    sentRequests += 1;
    const body = JSON.stringify({
      model: 'mock',
      text: plan.isLargeBody ? 'x'.repeat(400_000) : '',
    });
    const client = await RawClient.connect({ port: gateway.port, recordsBytes: false });
    await client.sendAll(renderRequest({ target, body }));
    if (plan.waitsForUpstream) {
      // Or it waits in the queue, or was refused there.
      await upstream.waitFor(() => held.get(target), 150, target).catch(() => undefined);
    }
    let isCertain = true;
    for (const action of plan.actions) {
      // A reset throws away what the gateway has not read, perhaps the whole request.
      if (action === 'client-rst' && !held.has(target) && client.bytesReceived === 0) {
        isCertain = false;
      }
      act(action, client, held.get(target));
      await pause(action === 'wait' ? 20 : 0);
    }
    client.resumeReads();
    if (isCertain) {
      certain.add(target);
      await gateway.waitForLog((entry) => entry['path'] === target);
    }
    client.destroy();
  }

  it('P-03 any-interleaving-throws-or-leaks', async () => {
    await fc.assert(
      fc.asyncProperty(plans, async (exchanges) => {
        await Promise.all(exchanges.map(play));
        await waitForMetric(gateway, 'weir_exchanges_in_flight', 0);
        assert.equal(gateway.exit, null, gateway.stderr);
      }),
      // Each run takes real time: a failure is shown as it was found, and its seed finds it again.
      { numRuns: SCHEDULES, endOnFailure: true },
    );
    const begun = await readMetric(gateway, 'weir_exchanges_total');
    const lines = await gateway.waitForAccessLines(begun);
    assert.equal(lines.length, begun, 'a line for each exchange, and one only');
    const paths = lines.map((line) => String(line['path']));
    assert.equal(new Set(paths).size, begun);
    assert.deepEqual(
      [...certain].filter((path) => !paths.includes(path)),
      [],
    );
    assert.ok(certain.size > sentRequests / 2 && sentRequests >= SCHEDULES * EXCHANGES_MIN);
    const faults = gateway.logs.filter(({ level }) => level === 'fatal' || level === 'error');
    assert.deepEqual(faults, []);
    assert.deepEqual(gateway.strayLines, []);
    assert.equal(gateway.stderr, '');
    assert.deepEqual(upstream.violations, []);
    const reasons = new Set(lines.map((line) => (line['ended'] as { reason: string }).reason));
    process.stdout.write(`${engine}: ${sentRequests} exchanges, ${[...reasons].join(' ')}\n`);
    await waitForMetric(gateway, 'weir_queue_length', 0, { provider: 'mock' });
  });
});

/**
 * The timeouts of a provider, precise to 50 ms on a machine of one's own: on this shared one a timeout may come 25 ms
 * early (a tick) and 100 ms late. Several exchanges wait at a time, begun at different moments between two ticks.
 */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { pause } from '../helpers/changes.js';
import { describeEngines, engineConfig, stopAll, waitForMetric } from '../helpers/engine-matrix.js';
import { type Gateway, startGateway } from '../helpers/gateway.js';
import { LAST_CHUNK, renderChunk, renderHead, renderRequest } from '../helpers/http-text.js';
import { assertPunctual, describeTimes } from '../helpers/measured-times.js';
import { MockUpstream, type Script, send, stall, waitMs } from '../helpers/mock-upstream.js';
import { RawClient } from '../helpers/raw-client.js';

const WAITING = 7;
const APART_MS = 13;
const TIMEOUT_MS = 300;

const EVENTS = renderHead('HTTP/1.1 200 OK', [
  ['content-type', 'text/event-stream'],
  ['transfer-encoding', 'chunked'],
]);
const EVENT = 'data: {"n":1}\n\n';

describeEngines('timeouts', 60_000, (engine) => {
  let upstream: MockUpstream;
  let unanswered: MockUpstream;
  let gateway: Gateway;

  before(async () => {
    upstream = await MockUpstream.start({
      script: ({ target }): Script => {
        if (target.includes('silent')) return [stall()];
        if (target.includes('idle')) return [send(EVENTS), send(renderChunk(EVENT)), stall()];
        // Longer silences than a timeout of 300 ms would allow; its idle time is 700 ms.
        return [
          send(EVENTS),
          ...Array.from({ length: 3 }, () => [waitMs(450), send(renderChunk(EVENT))]).flat(),
          send(LAST_CHUNK),
        ];
      },
    });
    unanswered = await MockUpstream.start({ reads: 'never' });
    const short = `${TIMEOUT_MS}ms`;
    gateway = await startGateway({
      workers: 2,
      config: engineConfig(
        engine,
        {
          connect: { base_url: unanswered.tlsBaseUrl, timeouts: { connect: short } },
          first: { base_url: upstream.baseUrl, timeouts: { first_byte: short } },
          idle: { base_url: upstream.baseUrl, timeouts: { idle: short } },
          patient: { base_url: upstream.baseUrl, timeouts: { first_byte: '700ms', idle: '700ms' } },
        },
        { retry: { attempts: 1 } },
      ),
    });
  });

  after(() => stopAll(gateway, upstream, unanswered));

  async function begin(target: string, model: string): Promise<RawClient> {
    const client = await RawClient.connect({ port: gateway.port });
    client.send(renderRequest({ target, body: JSON.stringify({ model }) }));
    return client;
  }

  /** Runs a measurement several times, a little apart. */
  async function measure(what: string, once: (number: number) => Promise<number>): Promise<void> {
    const running: Promise<number>[] = [];
    for (let number = 0; number < WAITING; number++) {
      running.push(once(number));
      await pause(APART_MS);
    }
    const times = await Promise.all(running);
    process.stdout.write(`${engine} ${what} of ${TIMEOUT_MS} ms: ${describeTimes(times)}\n`);
    assertPunctual(times, TIMEOUT_MS, what);
    await waitForMetric(gateway, 'weir_exchanges_in_flight', 0);
  }

  async function expectTimeout(client: RawClient, code: string, phase: string): Promise<void> {
    const answer = await client.readResponse();
    assert.equal(answer.status, 504);
    const { error } = answer.json() as { error: { code: string } };
    assert.equal(error.code, code);
    const id = answer.header('x-weir-id');
    const line = await gateway.waitForLog((entry) => entry['id'] === id);
    assert.deepEqual(line['ended'], { by: 'gateway', phase, reason: code });
  }

  it('P-24 connecting-never-ends', () =>
    measure('connect', async (number) => {
      const client = await begin(`/v1/connect/${number}`, 'connect');
      const connection = await unanswered.waitForConnection(number);
      await expectTimeout(client, 'connect_timeout', 'connecting');
      const tookMs = (client.arrivals[0]?.atMs ?? 0) - connection.openedAtMs;
      connection.resumeReads();
      await connection.waitForClose();
      client.destroy();
      return tookMs;
    }));

  it('P-24 first-byte-never-comes', () =>
    measure('first_byte', async (number) => {
      const target = `/v1/silent/${number}`;
      const client = await begin(target, 'first');
      await expectTimeout(client, 'first_byte_timeout', 'waiting');
      const request = upstream.requests.find((seen) => seen.target === target) ?? assert.fail();
      await request.connection.waitForClose();
      client.destroy();
      return (client.arrivals[0]?.atMs ?? 0) - request.headAtMs;
    }));

  it('P-24 first-byte-timeout-in-the-dialect-of-anthropic', async () => {
    const client = await begin('/v1/messages?silent', 'first');
    const answer = await client.readResponse();
    assert.equal(answer.status, 504);
    const { type, error } = answer.json() as { type: string; error: { type: string } };
    assert.deepEqual([type, error.type], ['error', 'timeout_error']);
    client.destroy();
  });

  it('P-17 stream-falls-silent', () =>
    measure('idle', async (number) => {
      const target = `/v1/idle/${number}`;
      const client = await begin(target, 'idle');
      const answer = await client.readResponse();
      assert.equal(answer.complete, false, 'a stream that was cut looks whole');
      assert.ok(answer.text.startsWith(EVENT));
      const error = answer.text.slice(EVENT.length);
      assert.match(error, /^data: \{"error":\{.*"code":"idle_timeout"\}\}\n\n$/);
      const request = upstream.requests.find((seen) => seen.target === target) ?? assert.fail();
      await request.connection.waitForClose();
      const id = answer.header('x-weir-id');
      const line = await gateway.waitForLog((entry) => entry['id'] === id);
      const ended = { by: 'gateway', phase: 'streaming', reason: 'idle_timeout' };
      assert.deepEqual(line['ended'], ended);
      client.destroy();
      return (client.closedAtMs ?? 0) - (request.connection.sent.at(-1)?.atMs ?? 0);
    }));

  it('P-17 stream-that-is-silent-for-a-while-is-cut', async () => {
    const client = await begin('/v1/patient', 'patient');
    const answer = await client.readResponse();
    assert.ok(answer.complete);
    assert.equal(answer.text, EVENT.repeat(3));
    client.destroy();
  });
});

/**
 * P-12: the client goes, and within 50 ms the provider's connection is closed, or no request ever gets there, in
 * whatever phase the exchange is. The time from the client's close to what the mock sees is taken in one process;
 * where the provider never hears of the request, to the wall-clock time of the access-log line. Uploads that stream are
 * in client-abort-upload.test.ts.
 */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import {
  connectToWorker,
  describeEngines,
  engineConfig,
  stopAll,
  waitForMetric,
  waitForStandstill,
} from '../helpers/engine-matrix.js';
import { type Gateway, startGateway } from '../helpers/gateway.js';
import { renderChunk, renderHead, renderJson, renderRequest } from '../helpers/http-text.js';
import { assertPrompt, describeTimes } from '../helpers/measured-times.js';
import {
  type MockConnection,
  MockUpstream,
  type Script,
  send,
  sendMany,
  stall,
} from '../helpers/mock-upstream.js';
import { RawClient } from '../helpers/raw-client.js';

const REPETITIONS = 5;
const KINDS = ['fin', 'rst'] as const;
type AbortKind = (typeof KINDS)[number];

/** An exchange in its phase. */
interface Waiting {
  readonly client: RawClient;
  readonly path: string;
  /** The provider's side of it; null where the request must never get there. */
  readonly connection: MockConnection | null;
}

const EVENT_STREAM = renderHead('HTTP/1.1 200 OK', [
  ['content-type', 'text/event-stream'],
  ['transfer-encoding', 'chunked'],
]);

describeEngines('client aborts', 60_000, (engine) => {
  let upstream: MockUpstream;
  let unanswered: MockUpstream;
  let gateway: Gateway;
  let lastNumber = 0;

  before(async () => {
    upstream = await MockUpstream.start({ script: ({ target }) => chooseScript(target) });
    unanswered = await MockUpstream.start({ reads: 'never' });
    gateway = await startGateway({
      workers: 2,
      config: engineConfig(engine, {
        mock: { base_url: upstream.baseUrl },
        // One connection for each of the two workers.
        busy: { base_url: upstream.baseUrl, connections: { max: 2, queue: 10 } },
        tls: { base_url: unanswered.tlsBaseUrl },
      }),
    });
  });

  after(() => stopAll(gateway, upstream, unanswered));

  function chooseScript(target: string): Script {
    if (target.includes('streaming')) {
      return [send(EVENT_STREAM), send(renderChunk('data: 1\n\n')), stall()];
    }
    if (target.includes('paused')) {
      const piece = renderChunk(Buffer.alloc(64 * 1024, 'x'));
      return [send(EVENT_STREAM), sendMany(Array.from({ length: 1000 }, () => piece))];
    }
    return target.includes('answered') ? [send(renderJson({ ok: true }))] : [stall()];
  }

  function nextPath(phase: string): string {
    lastNumber += 1;
    return `/v1/${phase}/${lastNumber}`;
  }

  function render(path: string, model: string): Buffer {
    return renderRequest({
      target: path,
      headers: [['content-type', 'application/json']],
      body: JSON.stringify({ model }),
    });
  }

  async function waitForRequest(path: string): Promise<MockConnection> {
    const request = await upstream.waitFor(
      ({ requests }) => requests.find(({ target }) => target === path),
      5000,
      `the request ${path}`,
    );
    return request.connection;
  }

  /** Closes, and waits until the gateway has drawn the conclusion; returns how long that took. */
  async function abort(waiting: Waiting, kind: AbortKind, loggedPhase: string): Promise<number> {
    const { client, path, connection } = waiting;
    const abortedAt = performance.now();
    const abortedWallMs = Date.now();
    if (kind === 'rst') client.reset();
    else client.halfClose();
    connection?.resumeReads();
    const closedAt = await connection?.waitForClose();
    const line = await gateway.waitForLog((entry) => entry['path'] === path);
    assert.deepEqual(line['ended'], { by: 'downstream', phase: loggedPhase, reason: 'aborted' });
    client.destroy();
    if (closedAt === undefined) return Number(line['time']) - abortedWallMs;
    assert.equal(connection?.closedBy, 'gateway');
    return closedAt - abortedAt;
  }

  async function repeat(
    kind: AbortKind,
    loggedPhase: string,
    begin: () => Promise<Waiting>,
  ): Promise<void> {
    const times: number[] = [];
    for (let count = 0; count < REPETITIONS; count++) {
      times.push(await abort(await begin(), kind, loggedPhase));
    }
    process.stdout.write(`${engine} ${loggedPhase} ${kind}: ${describeTimes(times)}\n`);
    assertPrompt(times, `from the client's ${kind} in phase ${loggedPhase}`);
    await waitForMetric(gateway, 'weir_exchanges_in_flight', 0);
  }

  /** A request of which the provider must know nothing. */
  function assertNeverForwarded(phase: string): void {
    const seen = upstream.requests.filter(({ target }) => target.includes(`/${phase}/`));
    assert.deepEqual(seen, []);
  }

  for (const kind of KINDS) {
    it(`P-12 client-gone-while-body-is-read (${kind})`, async () => {
      await repeat(kind, 'reading', async () => {
        const path = nextPath('reading');
        const client = await RawClient.connect({ port: gateway.port });
        client.send(render(path, 'mock').subarray(0, -4));
        // In flight is what the gateway has read the head of.
        await waitForMetric(gateway, 'weir_exchanges_in_flight', 1);
        return { client, path, connection: null };
      });
      assertNeverForwarded('reading');
    });

    it(`P-12 client-gone-while-large-body-is-read (${kind})`, async () => {
      await repeat(kind, 'reading', async () => {
        const path = nextPath('reading');
        const client = await RawClient.connect({ port: gateway.port });
        const body = JSON.stringify({ model: 'mock', text: 'x'.repeat(3_000_000) });
        client.send(renderRequest({ target: path, body }).subarray(0, -1));
        await waitForMetric(gateway, 'weir_body_bytes_held', body.length - 1);
        return { client, path, connection: null };
      });
      assertNeverForwarded('reading');
      await waitForMetric(gateway, 'weir_body_bytes_held', 0);
    });

    it(`P-12 client-gone-while-queued (${kind})`, async () => {
      const holder = await connectToWorker(gateway, 0);
      const holderPath = nextPath('holder');
      holder.send(render(holderPath, 'busy'));
      await waitForRequest(holderPath);
      await repeatBesideHolder(kind);
      const next = await connectToWorker(gateway, 0);
      next.send(render(nextPath('answered'), 'busy'));
      await waitForMetric(gateway, 'weir_queue_length', 1, { provider: 'busy' });
      holder.destroy();
      assert.equal((await next.readResponse()).status, 200);
      next.destroy();
      assertNeverForwarded('queued');
      await waitForMetric(gateway, 'weir_exchanges_in_flight', 0);
    });

    it(`P-12 client-gone-while-connecting (${kind})`, async () => {
      await repeat(kind, 'connecting', async () => {
        const path = nextPath('connecting');
        const client = await RawClient.connect({ port: gateway.port });
        const number = unanswered.connections.length;
        client.send(render(path, 'tls'));
        return { client, path, connection: await unanswered.waitForConnection(number) };
      });
      await waitForMetric(gateway, 'weir_upstream_connections_open', 0, { provider: 'tls' });
    });

    it(`P-12 client-gone-while-first-byte-is-awaited (${kind})`, async () => {
      await repeat(kind, 'waiting', async () => {
        const path = nextPath('waiting');
        const client = await RawClient.connect({ port: gateway.port });
        client.send(render(path, 'mock'));
        return { client, path, connection: await waitForRequest(path) };
      });
    });

    it(`P-12 client-gone-while-streaming (${kind})`, async () => {
      await repeat(kind, 'streaming', async () => {
        const path = nextPath('streaming');
        const client = await RawClient.connect({ port: gateway.port });
        client.send(render(path, 'mock'));
        await client.waitFor(
          ({ received }) => (received.includes('data: 1\n\n') ? true : undefined),
          5000,
          'the first event',
        );
        return { client, path, connection: await waitForRequest(path) };
      });
    });

    it(`P-12 client-gone-while-upstream-paused (${kind})`, async () => {
      await repeat(kind, 'streaming', async () => {
        const path = nextPath('paused');
        const client = await RawClient.connect({ port: gateway.port, isPaused: true });
        client.send(render(path, 'mock'));
        const connection = await waitForRequest(path);
        await waitForStandstill(() => connection.sentBytes, 120);
        assert.ok(connection.unsentBytes > 0, 'the upstream should be held up');
        return { client, path, connection };
      });
      await waitForOpenConnections();
    });
  }

  async function repeatBesideHolder(kind: AbortKind): Promise<void> {
    const times: number[] = [];
    for (let count = 0; count < REPETITIONS; count++) {
      const path = nextPath('queued');
      const client = await connectToWorker(gateway, 0);
      client.send(render(path, 'busy'));
      await waitForMetric(gateway, 'weir_queue_length', 1, { provider: 'busy' });
      times.push(await abort({ client, path, connection: null }, kind, 'queued'));
      await waitForMetric(gateway, 'weir_queue_length', 0, { provider: 'busy' });
    }
    process.stdout.write(`${engine} queued ${kind}: ${describeTimes(times)}\n`);
    assertPrompt(times, `from the client's ${kind} in phase queued`);
  }

  /** What the gateway counts as open is what the provider sees. */
  async function waitForOpenConnections(): Promise<void> {
    for (const connection of upstream.connections) {
      const isIdle = connection.requests.at(-1)?.target.includes('answered') === true;
      if (!isIdle) await connection.waitForClose();
    }
    const open = upstream.openConnections.length;
    await waitForMetric(gateway, 'weir_upstream_connections_open', open);
  }
});

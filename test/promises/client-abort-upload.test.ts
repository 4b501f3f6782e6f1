/**
 * P-12 for uploads that stream: while the provider reads along, and while it does not and the client is paused. A
 * paused client's FIN stands behind its bytes and is not seen before them, so there only its RST counts.
 *
 * On Node 24 uWebSockets.js reads a client that is fast enough on in spite of a pause (src/inspect/upload.ts), so there
 * the client may be rid of all; but it is held then, and counted.
 *
 * Beyond BOUNDS.uploadProbedBytesMax the 50 ms can't be kept: uWebSockets.js shows a reset only when it reads, and it
 * reads half a MB at a time. There it takes as long as the provider needs to take that much; STANDING_MS_MAX for these.
 */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { BOUNDS } from '../../src/core/bounds.js';
import {
  describeEngines,
  engineConfig,
  stopAll,
  waitForMetric,
  waitForStandstill,
} from '../helpers/engine-matrix.js';
import { type Gateway, startGateway } from '../helpers/gateway.js';
import { assertPrompt, describeTimes } from '../helpers/measured-times.js';
import { formatMb } from '../helpers/memory-watch.js';
import { sumMetric } from '../helpers/metrics-text.js';
import { type MockConnection, MockUpstream, stall } from '../helpers/mock-upstream.js';
import { RawClient } from '../helpers/raw-client.js';

const REPETITIONS = 3;
const MB = 1024 * 1024;
/** How long half a MB takes depends on what lies in the kernel's buffers before it, and on who else is on the machine. */
const STANDING_MS_MAX = 10_000;
const READS_ON_WHILE_PAUSED = Number(process.versions.modules) > 115;
const PIECE = Buffer.alloc(64 * 1024, 'u');

interface Uploading {
  readonly client: RawClient;
  readonly path: string;
  readonly connection: MockConnection;
}

describeEngines('client aborts an upload', 60_000, (engine) => {
  let reading: MockUpstream;
  let deaf: MockUpstream;
  let gateway: Gateway;
  let lastNumber = 0;

  before(async () => {
    reading = await MockUpstream.start({ keepsBodies: false, script: () => [stall()] });
    deaf = await MockUpstream.start({ reads: 'head', keepsBodies: false, script: () => [stall()] });
    gateway = await startGateway({
      workers: 2,
      config: engineConfig(engine, {
        reading: { base_url: reading.baseUrl },
        deaf: { base_url: deaf.baseUrl },
      }),
    });
  });

  after(() => stopAll(gateway, reading, deaf));

  /** A form names its model first, so it can be sent to either provider; it streams once it is beyond 32 MB. */
  function renderForm(path: string, model: string): string {
    return (
      `POST ${path} HTTP/1.1\r\nhost: weir.test\r\ncontent-length: ${500 * MB}\r\n` +
      'content-type: multipart/form-data; boundary=b\r\n\r\n' +
      `--b\r\ncontent-disposition: form-data; name="model"\r\n\r\n${model}\r\n` +
      '--b\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\n'
    );
  }

  /** Sends up to so many bytes, as fast as they are taken. */
  async function upload(model: string, upstream: MockUpstream, bytes: number): Promise<Uploading> {
    lastNumber += 1;
    const path = `/v1/audio/${lastNumber}`;
    const client = await RawClient.connect({ port: gateway.port });
    client.send(renderForm(path, model));
    for (let sent = 0; sent < bytes; sent += PIECE.length) client.send(PIECE);
    const request = await upstream.waitFor(
      ({ requests }) => requests.find(({ target }) => target === path),
      10_000,
      `the upload ${path}`,
    );
    return { client, path, connection: request.connection };
  }

  async function abort(uploading: Uploading, kind: 'fin' | 'rst'): Promise<number> {
    const { client, path, connection } = uploading;
    const abortedAt = performance.now();
    const abortedWallMs = Date.now();
    if (kind === 'rst') client.reset();
    else client.halfClose();
    const line = await gateway.waitForLog((entry) => entry['path'] === path);
    assert.deepEqual(line['ended'], { by: 'downstream', phase: 'waiting', reason: 'aborted' });
    // One that reads nothing sees the end behind all that was sent to it, and that takes its time.
    const isDeaf = connection.socket.isPaused();
    connection.resumeReads();
    const closedAt = await connection.waitForClose();
    assert.equal(connection.closedBy, 'gateway');
    client.destroy();
    return isDeaf ? Number(line['time']) - abortedWallMs : closedAt - abortedAt;
  }

  /** The client is held up, or what it has been rid of is all accounted for. */
  async function assertHeld({ client }: Uploading): Promise<void> {
    if (client.socket.writableLength > 0) return;
    const heldBytes = sumMetric(await gateway.metrics(), 'weir_body_bytes_held');
    const state = `${client.closeKind}, ${formatMb(heldBytes)} held`;
    assert.ok(READS_ON_WHILE_PAUSED, `the client should be held up: ${state}`);
    assert.ok(client.closeKind === 'open' && heldBytes > BOUNDS.uploadProbedBytesMax, state);
  }

  function assertStanding(times: readonly number[]): void {
    assert.ok(Math.max(...times) <= STANDING_MS_MAX, describeTimes(times));
  }

  async function repeat(what: string, kind: 'fin' | 'rst', begin: () => Promise<Uploading>) {
    const times: number[] = [];
    for (let count = 0; count < REPETITIONS; count++) times.push(await abort(await begin(), kind));
    process.stdout.write(`${engine} ${what} ${kind}: ${describeTimes(times)}\n`);
    if (what.startsWith('an upload waits')) assertStanding(times);
    else assertPrompt(times, `from the client's ${kind} while ${what}`);
    await waitForMetric(gateway, 'weir_exchanges_in_flight', 0);
    await waitForMetric(gateway, 'weir_body_bytes_held', 0);
  }

  for (const kind of ['fin', 'rst'] as const) {
    it(`P-12 client-gone-while-upload-streams (${kind})`, () =>
      repeat('an upload streams', kind, async () => {
        const uploading = await upload('reading', reading, 34 * MB);
        await uploading.connection.waitForBytes(34 * MB);
        return uploading;
      }));
  }

  it('P-12 client-gone-while-upload-is-paused (rst)', () =>
    repeat('a paused upload is read on trial', 'rst', async () => {
      const uploading = await upload('deaf', deaf, 35 * MB);
      await waitForStandstill(() => -uploading.client.socket.writableLength - 1, 200);
      assert.ok(uploading.connection.bytesReceived < 35 * MB, 'the provider should be behind');
      return uploading;
    }));

  it('P-12 client-gone-while-upstream-reads-slowly (rst)', () =>
    repeat('an upload waits for a slow provider', 'rst', async () => {
      const uploading = await upload('deaf', deaf, 240 * MB);
      const { connection } = uploading;
      await waitForStandstill(() => connection.bytesReceived);
      // 1 MB every few ms; what the client sends at once is always more than that.
      const slowly = setInterval(() => {
        connection.resumeReads();
        setImmediate(() => connection.pauseReads());
      }, 5);
      await connection.waitForBytes(connection.bytesReceived + 8 * MB).finally(() => {
        void connection.closed.then(() => clearInterval(slowly));
      });
      await assertHeld(uploading);
      return uploading;
    }));

  it('P-12 client-gone-while-upload-stands-still (rst)', async () => {
    const times: number[] = [];
    for (let count = 0; count < REPETITIONS; count++) {
      // Far more than what Weir may hold and the kernel's buffers of both connections take, up to 36 MB each.
      const uploading = await upload('deaf', deaf, 200 * MB);
      const { client, path, connection } = uploading;
      const { socket } = client;
      await waitForStandstill(() => socket.bytesWritten - socket.writableLength, 250);
      await assertHeld(uploading);
      client.reset();
      // Whoever reads nothing of what the client sends does not learn of its end, until the provider reads on.
      const resumedWallMs = Date.now();
      connection.resumeReads();
      await connection.waitForClose();
      const line = await gateway.waitForLog((entry) => entry['path'] === path);
      assert.deepEqual(line['ended'], { by: 'downstream', phase: 'waiting', reason: 'aborted' });
      times.push(Number(line['time']) - resumedWallMs);
    }
    process.stdout.write(`${engine} after a standstill rst: ${describeTimes(times)}\n`);
    assertStanding(times);
    await waitForMetric(gateway, 'weir_exchanges_in_flight', 0);
    await waitForMetric(gateway, 'weir_body_bytes_held', 0);
  });

  it('P-12 client-gone-behind-a-short-paused-upload (fin)', () =>
    repeat('what a paused upload brought has been read', 'fin', async () => {
      const uploading = await upload('deaf', deaf, 35 * MB);
      await waitForStandstill(() => -uploading.client.socket.writableLength - 1, 200);
      return uploading;
    }));
});

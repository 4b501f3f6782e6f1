/**
 * P-10 and P-11: who reads or takes slowly costs no memory and loses no byte, and who has stopped reading is
 * dropped. The parts that wait more than they work run at once, each with a gateway of its own.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { BulkClient } from '../helpers/bulk-client.js';
import { type BulkOptions, BulkUpstream } from '../helpers/bulk-upstream.js';
import { pause } from '../helpers/changes.js';
import { ENGINES, type EngineName, engineConfig } from '../helpers/engines.js';
import { type Gateway, startGateway } from '../helpers/gateway.js';
import { formatMb, MB, MemoryWatch } from '../helpers/memory-watch.js';
import { pollUntil } from '../helpers/poll.js';

const KB = 1024;
const READERS = 200;
/** More than the kernel's buffers on its way, which have grown to 21 MB and may grow to 72. */
const STREAM_BYTES = 80 * MB;
const READER_BYTES_MAX = 256 * KB;
/** Of these the whole stream is read in the end; the others leave while they are paused. */
const READERS_TO_THE_END = 20;
/** Beside what is held: pieces that were passed on, which V8 lets lie until enough of them are there. */
const GARBAGE_BYTES_MAX = 32 * MB;
/** Together shorter than uWebSockets.js lets a client stall. */
const STALLED_MS_MAX = 5500;
const PAUSED_MS = 2000;

const SLOW_BYTES = 4 * MB;
const BITE_BYTES = 64 * KB;
const BITE_EVERY_MS = 100;

/** uWebSockets.js gives a client 10 s, counted in steps of 4 s. */
const DROPPED_MS_MIN = 6000;
const DROPPED_MS_MAX = 16_000;

const UPLOAD_BYTES = 100 * MB;
/** Longer than uWebSockets.js lets a client that owes a body be silent. */
const HELD_MS = 15_000;
/** While it is held, and once it flows: the gateway is fresh, so what Node itself takes first is in it. */
const HELD_GROWTH_BYTES_MAX = 64 * MB;
const UPLOAD_GROWTH_BYTES_MAX = 128 * MB;

async function withGateway(
  engine: EngineName,
  options: BulkOptions,
  work: (gateway: Gateway, upstream: BulkUpstream) => Promise<void>,
): Promise<void> {
  const upstream = await BulkUpstream.start(options);
  try {
    const gateway = await startGateway({ config: engineConfig(upstream.baseUrl, engine) });
    try {
      await work(gateway, upstream);
      await gateway.stop();
    } finally {
      await gateway.kill();
    }
  } finally {
    await upstream.stop();
  }
}

/** Every other one in chunks. */
function targetOf(number: number, bytes: number): string {
  return `/v1/files/${number}/content?bytes=${bytes}${number % 2 === 0 ? '&chunked' : ''}`;
}

function openReaders(gateway: Gateway, count: number, bytes: number, isPaused: boolean) {
  return Array.from({ length: count }, (_, number) => {
    const client = new BulkClient(gateway.port);
    if (isPaused) client.socket.pause();
    client.get(targetOf(number, bytes));
    return client;
  });
}

async function readAll(clients: readonly BulkClient[], bytes: number): Promise<void> {
  for (const client of clients) client.socket.resume();
  await Promise.all(clients.map((client) => client.untilComplete(60_000)));
  for (const { check, socket } of clients) {
    assert.deepEqual([check.bytes, check.wrongAt], [bytes, -1]);
    socket.destroy();
  }
}

async function pauseReaders(gateway: Gateway, upstream: BulkUpstream, context: TestContext) {
  await readAll(openReaders(gateway, READERS, MB, false), MB);
  const clients: BulkClient[] = [];
  const find = (number: number) => upstream.find(targetOf(number, STREAM_BYTES));
  const stalled = () => clients.filter((_client, number) => find(number)?.isStalled).length;
  const describeOthers = () => {
    const others = clients.map((_client, number) => find(number)).filter((it) => !it?.isStalled);
    const sent = others.map((it) => (it === undefined ? 'no request' : `${it.sentBytes} bytes`));
    return `${others.length} do not stall: ${sent.slice(0, 5).join(', ')}`;
  };
  const watch = await MemoryWatch.during(gateway, async () => {
    const openedAtMs = performance.now();
    clients.push(...openReaders(gateway, READERS, STREAM_BYTES, true));
    await pollUntil(
      () => stalled() === READERS,
      STALLED_MS_MAX,
      () => `stalled writes; ${describeOthers()}`,
    );
    context.diagnostic(`all stalled after ${Math.round(performance.now() - openedAtMs)} ms`);
    await pause(PAUSED_MS);
  });
  assert.equal(stalled(), READERS, describeOthers());
  const sent = clients.reduce((sum, _client, number) => sum + (find(number)?.sentBytes ?? 0), 0);
  context.diagnostic(
    `${READERS} paused readers: memory rose by ${formatMb(watch.growthBytes)}; ` +
      `the provider could send ${formatMb(sent / READERS)} of each stream`,
  );
  const most = READERS * READER_BYTES_MAX + GARBAGE_BYTES_MAX;
  assert.ok(watch.growthBytes < most, formatMb(watch.growthBytes));
  for (const { socket } of clients.splice(READERS_TO_THE_END)) socket.destroy();
  await readAll(clients, STREAM_BYTES);
}

async function readSlowly(gateway: Gateway, number: number): Promise<void> {
  const client = new BulkClient(gateway.port);
  client.socket.pause();
  client.get(targetOf(number, SLOW_BYTES));
  while (client.isOpen && client.check.bytes + BITE_BYTES < SLOW_BYTES) {
    const target = client.check.bytes + BITE_BYTES;
    client.socket.resume();
    await client.until(() => client.check.bytes >= target || !client.isOpen, 10_000, 'a bite');
    client.socket.pause();
    await pause(BITE_EVERY_MS);
  }
  await readAll([client], SLOW_BYTES);
}

async function stopReading(gateway: Gateway, upstream: BulkUpstream, number: number) {
  const client = new BulkClient(gateway.port);
  const target = targetOf(number, STREAM_BYTES);
  client.get(target);
  await client.until(() => client.check.bytes > MB, 5000, 'the first MB');
  client.socket.pause();
  const stoppedAtMs = performance.now();
  await pollUntil(() => upstream.find(target)?.isOpen === false, 25_000, 'the end upstream');
  const droppedMs = (upstream.find(target)?.closedAtMs ?? 0) - stoppedAtMs;
  client.socket.destroy();
  assert.ok(droppedMs > DROPPED_MS_MIN && droppedMs < DROPPED_MS_MAX, `after ${droppedMs} ms`);
  const line = await gateway.waitForLog(({ ended }) => ended !== undefined);
  assert.match(JSON.stringify(line), /downstream/);
}

async function holdUpload(gateway: Gateway, upstream: BulkUpstream, context: TestContext) {
  let heldGrowthBytes = 0;
  const clients: BulkClient[] = [];
  const { growthBytes } = await MemoryWatch.during(gateway, async (watch) => {
    for (const framing of ['length', 'chunked'] as const) {
      const client = new BulkClient(gateway.port);
      client.upload(`/v1/files?${framing}`, UPLOAD_BYTES, framing);
      clients.push(client);
    }
    await pause(HELD_MS);
    for (const { isOpen, sentBytes } of clients) {
      assert.ok(isOpen, 'the upload was cut while the provider did not read');
      assert.ok(
        sentBytes < UPLOAD_BYTES / 2,
        `nobody reads, yet ${formatMb(sentBytes)} were taken`,
      );
    }
    heldGrowthBytes = watch.growthBytes;
    upstream.release();
    await Promise.all(clients.map((client) => client.untilComplete(30_000)));
  });
  context.diagnostic(
    `memory rose by ${formatMb(heldGrowthBytes)} while held, ${formatMb(growthBytes)} in all`,
  );
  assert.ok(heldGrowthBytes < HELD_GROWTH_BYTES_MAX, formatMb(heldGrowthBytes));
  assert.ok(growthBytes < UPLOAD_GROWTH_BYTES_MAX, formatMb(growthBytes));
  for (const { text } of clients) {
    assert.deepEqual(JSON.parse(text), { bytes: UPLOAD_BYTES, wrongAt: -1 });
  }
}

/** One at a time and alone: a hundred kernel buffers must be full before the first of them is given up. */
describe('paused readers', { timeout: 90_000 }, () => {
  for (const engine of ENGINES) {
    it(`P-10 paused readers cost memory, or lose bytes, ${engine}`, (context) =>
      withGateway(engine, {}, (gateway, upstream) => pauseReaders(gateway, upstream, context)));
  }
});

describe('slow sides', { concurrency: true, timeout: 90_000 }, () => {
  for (const engine of ENGINES) {
    it(`P-10 slow readers lose bytes or are dropped, ${engine}`, () =>
      withGateway(engine, {}, async (gateway) => {
        await Promise.all([0, 1].map((number) => readSlowly(gateway, number)));
      }));

    it(`P-11 stalled readers are kept, ${engine}`, () =>
      withGateway(engine, {}, async (gateway, upstream) => {
        await Promise.all([0, 1].map((number) => stopReading(gateway, upstream, number)));
      }));

    it(`a provider that does not read costs memory, or the upload, ${engine}`, (context) =>
      withGateway(engine, { holdsUploads: true }, (gateway, upstream) =>
        holdUpload(gateway, upstream, context),
      ));
  }
});

/** Which connections carry another request and which do not, on real sockets, with either engine. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { pause } from '../../helpers/changes.js';
import { ByteServer, ENGINES, ProviderHarness } from '../../helpers/engine-harness.js';

const OK = 'HTTP/1.1 200 OK\r\n';
const HELLO = `${OK}content-length: 5\r\n\r\nhello`;

/** Answers → whether the connection carries another request after the first of them. */
const ANSWERS: readonly (readonly [text: string, isReused: boolean])[] = [
  [HELLO, true],
  [`${OK}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`, true],
  ['HTTP/1.1 204 No Content\r\n\r\n', true],
  [`${OK}keep-alive: timeout=30\r\ncontent-length: 0\r\n\r\n`, true],
  [`${OK}connection: keep-alive\r\ncontent-length: 0\r\n\r\n`, true],
  [`${OK}connection: close\r\ncontent-length: 5\r\n\r\nhello`, false],
  [`${OK}Connection: x, Close\r\ncontent-length: 5\r\n\r\nhello`, false],
  ['HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello', false],
  [`${HELLO}leftover`, false],
  [`${HELLO}${HELLO}`, false],
  [`${OK}keep-alive: timeout=1\r\ncontent-length: 5\r\n\r\nhello`, false],
  [`${OK}keep-alive: timeout=0\r\ncontent-length: 5\r\n\r\nhello`, false],
];

for (const engine of ENGINES) {
  test(`${engine}: a connection is used again exactly where the answer allows it`, async () => {
    for (const [text, isReused] of ANSWERS) {
      const server = await ByteServer.start((socket) => socket.write(text, 'latin1'));
      const harness = new ProviderHarness(engine, server.port);
      try {
        for (let i = 0; i < 3; i += 1) {
          const call = await harness.call().over();
          assert.equal(call.failure, null, text);
          await harness.waitForOpen(isReused ? 1 : 0);
        }
        assert.equal(server.sockets.length, isReused ? 1 : 3, JSON.stringify(text));
      } finally {
        harness.provider.close();
        await server.stop();
      }
    }
  });

  test(`${engine}: an answer that nobody asked for closes an idle connection`, async () => {
    const server = await ByteServer.start((socket) => socket.write(HELLO));
    const harness = new ProviderHarness(engine, server.port);
    await harness.call().over();
    server.sockets[0]?.write(HELLO);
    await harness.waitForOpen(0);
    const second = await harness.call().over();
    assert.equal(second.body.toString(), 'hello');
    assert.equal(server.sockets.length, 2);
    harness.provider.close();
    await server.stop();
  });

  test(`${engine}: a connection whose upload was not finished when the answer was is closed`, async () => {
    const server = await ByteServer.start((socket) => socket.write(HELLO));
    const harness = new ProviderHarness(engine, server.port);
    const upload = new Readable({ read: () => {} });
    upload.push('begun');
    const call = harness.call({ method: 'POST', upload, bodyBytes: 10 });
    await call.over();
    assert.equal(call.isWhole, true);
    await harness.waitForOpen(0);
    assert.equal(upload.destroyed, true, 'what the client still sends is thrown away');
    await harness.call().over();
    assert.equal(server.sockets.length, 2);
    harness.provider.close();
    await server.stop();
  });

  test(`${engine}: an idle connection is closed after keep_alive, one in use is not`, async () => {
    const server = await ByteServer.start((socket, number) => {
      if (number === 0) socket.write(HELLO);
      else setTimeout(() => socket.write(HELLO), 600);
    });
    // undici checks its timeouts about once a second; what matters is that both close, and neither too soon.
    const keepAliveMs = 300;
    const harness = new ProviderHarness(engine, server.port, { keepAliveMs });
    await harness.call().over();
    const slow = await harness.call().over();
    assert.equal(slow.isWhole, true);
    assert.equal(server.sockets.length, 1, 'used again, and kept while the answer was awaited');
    const idleSinceMs = performance.now();
    await harness.waitForOpen(0, 3000);
    const idleMs = performance.now() - idleSinceMs;
    assert.ok(idleMs >= keepAliveMs - 40, `${idleMs} ms`);
    if (engine === 'lean') assert.ok(idleMs < keepAliveMs + 150, `${idleMs} ms`);
    harness.provider.close();
    await server.stop();
  });

  test(`${engine}: calls beyond the connections wait and are served in order on one connection`, async () => {
    const server = await ByteServer.start((socket, number) => {
      setImmediate(() => socket.write(`${OK}content-length: 1\r\n\r\n${number}`));
    });
    const harness = new ProviderHarness(engine, server.port, { connectionsMax: 1 });
    const calls = Array.from({ length: 5 }, () => harness.call());
    assert.equal(harness.queued, 4);
    const bodies = await Promise.all(
      calls.map(async (call) => (await call.over()).body.toString()),
    );
    assert.deepEqual(bodies, ['0', '1', '2', '3', '4']);
    assert.equal(server.sockets.length, 1);
    assert.equal(harness.queued, 0);
    harness.provider.close();
    await server.stop();
    // What the one call waited for its connection, and the others in the queue, is what they tell when they are sent.
    const waited = calls.map(({ waitedMs }) => waitedMs);
    assert.deepEqual(waited, [...harness.connectMs, ...harness.queueMs]);
  });

  test(`${engine}: a connection that has died does not strand those who wait for it`, async () => {
    const server = await ByteServer.start((socket, number) => {
      if (number % 2 === 0) socket.resetAndDestroy();
      else socket.write(`${HELLO}leftover`);
    });
    const harness = new ProviderHarness(engine, server.port, { connectionsMax: 1 });
    const calls = Array.from({ length: 6 }, () => harness.call());
    const codes = await Promise.all(calls.map(async (call) => (await call.over()).failureCode));
    assert.deepEqual(codes, [
      'upstream_reset',
      null,
      'upstream_reset',
      null,
      'upstream_reset',
      null,
    ]);
    await harness.waitForOpen(0);
    harness.provider.close();
    await server.stop();
  });

  test(`${engine}: a head in many reads, and 1xx before it, leave the timeouts of others alone`, async () => {
    let slow: Socket | null = null;
    const server = await ByteServer.start((socket, number) => {
      if (number === 0) {
        slow = socket;
        socket.write(`${OK}content-length: 5\r\n\r\nh`);
      } else {
        void writeInReads(socket, [
          'HTTP/1.1 103 Early Hints\r\n\r\n',
          'HTTP/1.1 2',
          '00 OK\r\nconte',
          'nt-length: 1\r\n\r\nx',
        ]);
      }
    });
    const harness = new ProviderHarness(engine, server.port, { idleMs: 400, firstByteMs: 3000 });
    const silent = harness.call();
    await silent.until(({ body }) => body.length === 1, 'the first byte');
    const others = await Promise.all([harness.call().over(), harness.call().over()]);
    assert.deepEqual(
      others.map(({ isWhole }) => isWhole),
      [true, true],
    );
    assert.equal((await silent.over(2000)).failureCode, 'idle_timeout');
    assert.notEqual(slow, null);
    harness.provider.close();
    await server.stop();
  });

  test(`${engine}: what an observer throws is its own, and not the provider's fault`, async () => {
    const server = await ByteServer.start((socket) => socket.write(HELLO));
    const harness = new ProviderHarness(engine, server.port);
    for (const where of ['onUpstreamHead', 'onUpstreamData', 'onUpstreamEnd'] as const) {
      const call = harness.call();
      const thrown = new Error('a defect');
      call[where] = () => {
        throw thrown;
      };
      await call.over();
      assert.equal(call.failure, thrown, where);
      assert.equal(call.events.filter((event) => event === 'failure').length, 1);
    }
    assert.equal((await harness.call().over()).isWhole, true);
    harness.provider.close();
    await server.stop();
  });
}

test('lean: a connection past its hint does not keep a slot from those who come later', async () => {
  const server = await ByteServer.start((socket) => {
    socket.write(`${OK}keep-alive: timeout=2\r\ncontent-length: 5\r\n\r\nhello`);
  });
  const harness = new ProviderHarness('lean', server.port, { connectionsMax: 1 });
  await harness.call().over();
  await pause(1100);
  assert.equal((await harness.call().over(1000)).isWhole, true);
  assert.equal(server.sockets.length, 2);
  harness.provider.close();
  await server.stop();
});

async function writeInReads(socket: Socket, texts: readonly string[]): Promise<void> {
  for (const text of texts) {
    socket.write(text);
    await pause(15);
  }
}

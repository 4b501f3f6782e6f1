/** P-23: a kept connection that its provider has closed in the meantime is never the caller's error. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { BOUNDS } from '../../../src/core/bounds.js';
import { pause } from '../../helpers/changes.js';
import { ByteServer, ENGINES, ProviderHarness } from '../../helpers/engine-harness.js';
import { renderJson } from '../../helpers/http-text.js';
import { fin, MockUpstream, rst, type Script, send, waitFor } from '../../helpers/mock-upstream.js';
import { SeededRandom } from '../../helpers/seeded-random.js';

const HELLO = 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello';

for (const engine of ENGINES) {
  test(`${engine}: P-23 stale-connection-ends-or-resets: the request is sent once more, on another`, async () => {
    for (const ending of [fin(), rst()]) {
      const upstream = await MockUpstream.start({
        script: (_request, number) => (number === 1 ? [ending] : [send(renderJson({ ok: true }))]),
      });
      const harness = new ProviderHarness(engine, upstream.port);
      await harness.call().over();
      const call = await harness.call({ headerLines: '\r\nx-a: b' }).over();
      assert.equal(call.failure, null);
      assert.equal(call.head?.status, 200);
      assert.deepEqual(
        call.events.filter((event) => event !== 'turn' && event !== 'data'),
        ['sent', 'sent', 'head', 'end'],
      );
      assert.deepEqual(
        upstream.requests.map(({ connection }) => connection.number),
        [0, 0, 1],
      );
      harness.provider.close();
      await upstream.stop();
    }
  });

  test(`${engine}: P-23 what is sent again is what was sent, though its memory was lent`, async () => {
    for (const bytes of [0, 1, 4300, 70_000, 900_000]) {
      const upstream = await MockUpstream.start({
        script: (_request, number) => (number === 1 ? [rst()] : [send(renderJson({ ok: true }))]),
      });
      const harness = new ProviderHarness(engine, upstream.port);
      await harness.call().over();
      const body = Buffer.alloc(bytes, 'abcdefghi');
      const sent = Buffer.from(body);
      const half = bytes >> 1;
      const pieces = bytes === 0 ? [] : [body.subarray(0, half), body.subarray(half)];
      const call = harness.call({ method: 'POST', pieces, bodyBytes: bytes });
      body.fill('x');
      await call.over();
      assert.equal(call.failure, null, `${bytes} bytes`);
      assert.equal(upstream.requests.length, 3);
      assert.deepEqual(upstream.requests[2]?.body, sent);
      assert.deepEqual(upstream.violations, []);
      harness.provider.close();
      await upstream.stop();
    }
  });

  test(`${engine}: P-23 requests that wait at the same time are each sent again with their own bytes`, async () => {
    const bodies = Array.from({ length: 6 }, (_, at) => String(at).repeat(3000 + at));
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const upstream = await MockUpstream.start({
      script: ({ target, connection }) => {
        if (target === '/v1/first') return [waitFor(gate), send(renderJson({ ok: true }))];
        return connection.number < bodies.length ? [rst()] : [send(renderJson({ ok: true }))];
      },
    });
    const harness = new ProviderHarness(engine, upstream.port);
    const first = bodies.map(() => harness.call({ target: '/v1/first' }));
    await upstream.waitForRequest(bodies.length - 1);
    open();
    await Promise.all(first.map((call) => call.over()));
    const calls = bodies.map((text) =>
      harness.call({ method: 'POST', pieces: [Buffer.from(text)], bodyBytes: text.length }),
    );
    for (const call of calls) assert.equal((await call.over()).failure, null);
    const again = upstream.requests.filter(({ connection }) => connection.number >= bodies.length);
    assert.deepEqual(again.map(({ body }) => body.toString()).sort(), bodies);
    harness.provider.close();
    await upstream.stop();
  });

  test(`${engine}: P-23 a connection that only ever fails fails the call, after two tries`, async () => {
    const upstream = await MockUpstream.start({
      script: (_request, number) => (number === 0 ? [send(renderJson({ ok: true }))] : [rst()]),
    });
    const harness = new ProviderHarness(engine, upstream.port);
    await harness.call().over();
    assert.equal((await harness.call().over()).failureCode, 'upstream_reset');
    assert.equal(upstream.requests.length, 3);
    harness.provider.close();
    await upstream.stop();
  });

  test(`${engine}: P-23 after one byte of an answer, on a new connection, or with an upload nothing is sent again`, async () => {
    const cases: readonly (readonly [Script, boolean, Readable | null])[] = [
      [[send('H'), fin()], true, null],
      [[send('HTTP/1.1 103 Early Hints\r\n\r\n'), rst()], true, null],
      [[rst()], false, null],
      [[rst()], true, Readable.from([Buffer.from('abc')])],
    ];
    for (const [script, isReused, upload] of cases) {
      const upstream = await MockUpstream.start({
        script: (request) =>
          request.target === '/v1/x' ? script : [send(renderJson({ ok: true }))],
      });
      const harness = new ProviderHarness(engine, upstream.port);
      if (isReused) await harness.call({ target: '/v1/first' }).over();
      const call = harness.call(upload === null ? {} : { method: 'POST', upload, bodyBytes: 3 });
      assert.equal((await call.over()).failureCode, 'upstream_reset');
      assert.equal(upstream.requests.length, isReused ? 2 : 1);
      harness.provider.close();
      await upstream.stop();
    }
  });

  test(`${engine}: P-23 a connection that is lost long after the request was at work, not stale`, async () => {
    const upstream = await MockUpstream.start({
      script: (_request, number) =>
        number === 0
          ? [send(renderJson({ ok: true }))]
          : [() => pause(BOUNDS.staleConnectionMs + 200), rst()],
    });
    const harness = new ProviderHarness(engine, upstream.port);
    await harness.call().over();
    assert.equal((await harness.call().over()).failureCode, 'upstream_reset');
    assert.equal(upstream.requests.length, 2);
    harness.provider.close();
    await upstream.stop();
  });

  test(`${engine}: P-23 with all connections taken the dead one's place is used`, async () => {
    const upstream = await MockUpstream.start({
      script: (_request, number) => (number === 1 ? [rst()] : [send(renderJson({ ok: true }))]),
    });
    const harness = new ProviderHarness(engine, upstream.port, { connectionsMax: 1 });
    await harness.call().over();
    const calls = [harness.call(), harness.call(), harness.call()];
    for (const call of calls) assert.equal((await call.over()).failure, null);
    assert.equal(harness.queued, 0);
    assert.equal(upstream.requests.length, 5);
    harness.provider.close();
    await harness.waitForOpen(0);
    await upstream.stop();
  });

  test(`${engine}: P-23 a caller who leaves while it is sent again leaves nothing behind`, async () => {
    const upstream = await MockUpstream.start({
      script: (_request, number) => (number === 0 ? [send(renderJson({ ok: true }))] : [rst()]),
    });
    let lookups = 0;
    let seeSecond = (): void => {};
    const second = new Promise<void>((resolve) => {
      seeSecond = resolve;
    });
    const harness = new ProviderHarness(engine, upstream.port, {
      baseUrl: `http://provider.test:${upstream.port}/v1`,
      dialing: {
        dnsTtlMs: 0,
        lookup: (_host, callback) => {
          lookups += 1;
          if (lookups === 1) callback(null, [{ address: '127.0.0.1', family: 4 }]);
          else seeSecond();
        },
      },
    });
    await harness.call().over();
    const call = harness.call();
    await second;
    await upstream.waitForRequest(1);
    await upstream.connections[0]?.waitForClose();
    await pause(10);
    assert.equal(call.call?.phase, 'connecting');
    call.call?.cancel();
    await harness.waitForOpen(0);
    assert.equal(call.failure, null);
    assert.equal(upstream.connections.length, 1);
    harness.provider.close();
    await upstream.stop();
  });

  test(`${engine}: P-23 1000 requests around the moment of closing: all answered, none answered twice`, async () => {
    const timers = new WeakMap<Socket, NodeJS.Timeout>();
    const closeAfterMs = 4;
    let answered = 0;
    const server = await ByteServer.start((socket) => {
      clearTimeout(timers.get(socket));
      socket.write(HELLO);
      answered += 1;
      timers.set(
        socket,
        setTimeout(() => socket.destroy(), closeAfterMs),
      );
    });
    const harness = new ProviderHarness(engine, server.port);
    const random = new SeededRandom(23);
    let resent = 0;
    const lanes = Array.from({ length: 4 }, async () => {
      for (let tries = 0; tries < 250; tries += 1) {
        const call = await harness.call().over();
        assert.equal(call.failure, null);
        assert.equal(call.body.toString(), 'hello');
        resent += call.events.filter((event) => event === 'sent').length - 1;
        await pause(closeAfterMs - 1 + 2 * random.next());
      }
    });
    await Promise.all(lanes);
    assert.equal(answered, 1000);
    assert.ok(resent > 0, 'not one request crossed with a closing');
    harness.provider.close();
    await server.stop();
  });
}

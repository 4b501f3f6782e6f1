/** The raw client and the scripted upstream, tried on each other. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EchoUpstream, isEchoAnswer } from '../../helpers/echo-upstream.js';
import { renderChunk, renderRequest, renderResponse } from '../../helpers/http-text.js';
import {
  fin,
  findClosedPort,
  MockUpstream,
  type MockUpstreamOptions,
  rst,
  type Script,
  send,
  sendMany,
  sendSplit,
  stall,
  waitFor,
  waitMs,
} from '../../helpers/mock-upstream.js';
import { RawClient } from '../../helpers/raw-client.js';
import { readSlowly } from '../../helpers/slow-reader.js';

async function withMock(
  script: Script | null,
  use: (client: RawClient, upstream: MockUpstream) => Promise<void>,
  options: MockUpstreamOptions = {},
): Promise<void> {
  const upstream = await MockUpstream.start(
    script === null ? options : { ...options, script: () => script },
  );
  const client = await RawClient.connect({ port: upstream.port });
  try {
    await use(client, upstream);
  } finally {
    client.destroy();
    await upstream.stop();
  }
}

const CHUNKED = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n';

describe('raw client and scripted upstream', () => {
  it('keep a connection alive over several requests', () =>
    withMock(null, async (client, upstream) => {
      for (let round = 0; round < 3; round++) {
        client.send(renderRequest({ body: `{"round":${round}}` }));
        assert.deepEqual((await client.readResponse()).json(), { ok: true });
      }
      assert.equal(upstream.connections.length, 1);
      assert.deepEqual(
        upstream.requests.map(({ text }) => text),
        ['{"round":0}', '{"round":1}', '{"round":2}'],
      );
    }));

  it('read pipelined requests in order', () =>
    withMock(null, async (client, upstream) => {
      client.send(
        Buffer.concat([
          renderRequest({ target: '/1' }),
          renderRequest({ target: '/2', body: 'b' }),
        ]),
      );
      await client.readResponse();
      await client.readResponse();
      assert.deepEqual(
        upstream.requests.map(({ target }) => target),
        ['/1', '/2'],
      );
    }));

  it('see a request sent byte by byte as it was sent', () =>
    withMock(null, async (client, upstream) => {
      const bytes = renderRequest({ body: 'abc', framing: 'chunked' });
      await client.sendEachByte(bytes);
      await client.readResponse();
      const [request] = upstream.requests;
      assert.equal(request?.text, 'abc');
      assert.ok(bytes.toString('latin1').startsWith(request?.rawHead.toString('latin1') ?? '?'));
      assert.equal(upstream.connections[0]?.bytesReceived, bytes.length);
    }));

  it('tell a FIN in mid-body', () =>
    withMock([send(CHUNKED), send(renderChunk('hi')), fin()], async (client) => {
      client.send(renderRequest());
      const response = await client.readResponse();
      assert.equal(response.complete, false);
      assert.equal(response.text, 'hi');
      assert.equal(client.closeKind, 'fin');
    }));

  it('tell an RST in mid-body', () =>
    withMock([send(CHUNKED), waitMs(30), rst()], async (client, upstream) => {
      client.send(renderRequest());
      const response = await client.readResponse();
      assert.equal(response.complete, false);
      assert.equal(client.closeKind, 'rst');
      assert.equal(upstream.connections[0]?.closedBy, 'mock');
    }));

  it('tell a close without an answer', () =>
    withMock([fin()], async (client) => {
      client.send(renderRequest());
      assert.equal(await client.readResponseOrClose(), null);
    }));

  it("notice the client's FIN and RST, and when", () =>
    withMock([stall()], async (client, upstream) => {
      client.send(renderRequest());
      const connection = await upstream.waitForConnection();
      await upstream.waitForRequest(0);
      const resetAtMs = performance.now();
      client.reset();
      const closedAtMs = await connection.waitForClose();
      assert.ok(closedAtMs >= resetAtMs && closedAtMs - resetAtMs < 500);
      assert.deepEqual([connection.closeKind, connection.closedBy], ['rst', 'gateway']);
      const other = await RawClient.connect({ port: upstream.port });
      other.halfClose();
      const second = await upstream.waitForConnection(1);
      await second.waitForClose();
      assert.equal(second.closeKind, 'fin');
    }));

  it('collect informational answers apart', () =>
    withMock(
      [send('HTTP/1.1 103 Early\r\na: b\r\n\r\n'), send(renderResponse({ body: 'x' }))],
      async (client) => {
        client.send(renderRequest());
        assert.equal((await client.readResponse()).text, 'x');
        assert.equal(client.informational[0]?.status, 103);
      },
    ));

  it('start a script at the head, and hold it for the test', async () => {
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    await withMock(
      [waitFor(gate), sendSplit(renderResponse({ body: 'early' }), [5, 9], 1)],
      async (client, upstream) => {
        client.send('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n');
        const request = await upstream.waitForRequest();
        assert.equal(request.complete, false);
        assert.equal(client.bytesReceived, 0);
        open();
        assert.equal((await client.readResponse()).text, 'early');
      },
      { startsAt: 'head' },
    );
  });

  it('stand still when nobody reads', async () => {
    const piece = Buffer.alloc(256 * 1024, 'a');
    const pieces = 200;
    const head = `HTTP/1.1 200 OK\r\ncontent-length: ${pieces * piece.length}\r\n\r\n`;
    await withMock(
      [send(head), sendMany(Array.from({ length: pieces }, () => piece))],
      async (client, upstream) => {
        client.pauseReads();
        client.send(renderRequest());
        const connection = await upstream.waitForConnection();
        await upstream.waitFor(() => connection.unsentBytes || undefined, 5000, 'a stall');
        assert.ok(connection.sentBytes < (pieces * piece.length) / 2);
        const slow = readSlowly(client, { biteBytes: 4 << 20, everyMs: 1, untilBytes: 20 << 20 });
        const response = await client.readResponse({ keepBody: false });
        await slow;
        assert.equal(response.bodyBytes, pieces * piece.length);
      },
    );
  });

  it('meet an upstream that never reads', () =>
    withMock(
      null,
      async (client, upstream) => {
        const connection = await upstream.waitForConnection();
        const written = client.sendAll(Buffer.alloc(64 << 20));
        const first = await Promise.race([
          written.then(() => 'taken'),
          client.waitForClose(300).catch(() => 'stalled'),
        ]);
        assert.equal(first, 'stalled');
        assert.ok(connection.isOpen);
      },
      { reads: 'never' },
    ));

  it('note what is not HTTP', () =>
    withMock(null, async (client, upstream) => {
      client.send('nonsense\r\n\r\n');
      await upstream.waitFor(() => upstream.violations[0], 2000, 'a violation');
    }));

  it('find a port that refuses', async () => {
    const port = await findClosedPort();
    await assert.rejects(RawClient.connect({ port }), /ECONNREFUSED/);
  });
});

describe('echo upstream', () => {
  it('answers with what it parsed', async () => {
    const echo = await EchoUpstream.start();
    const client = await RawClient.connect({ port: echo.port });
    client.send(renderRequest({ target: '/v1/e', headers: [['X-A', '1']], body: 'abc' }));
    const answer = (await client.readResponse()).json();
    assert.ok(isEchoAnswer(answer));
    assert.equal(answer.bodyBytes, 3);
    assert.deepEqual(answer.headers[1], ['X-A', '1']);
    client.send(renderRequest({ method: 'HEAD' }));
    assert.equal((await client.readResponse({ toHead: true })).status, 200);
    assert.equal(echo.requests.length, 2);
    client.send('GET / HTTP/1.1\r\nHost : a\r\n\r\n');
    await client.waitForClose();
    assert.equal(echo.parseErrors.length, 1);
    await echo.stop();
  });
});
